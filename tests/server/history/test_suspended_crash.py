"""A crash while history is suspended: no number means two messages, and no client is left without a sign of the loss.

During a suspension, messages are said under a temporary epoch, which never comes back. So the list of lost numbers need
not reach over them: nobody knows how many were said while the disk took nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history.faults import HistoryFault
from chat.server.history.history import HistoryStore
from chat.server.history.pages import PageSize
from chat.server.history.queues.keeping import MAX_UNWRITTEN
from chat.server.history.stored import DEFAULT_ROOM, MAILBOX, LogName, StoredRun
from tests.server.disk import Disk
from tests.server.fakes import wait_until
from tests.server.history.test_history import crash

LOGS = (DEFAULT_ROOM, LogName(MAILBOX, "a1"))
FULL = HistoryFault("cannot use history.db: disk full")
EVERYTHING = PageSize(1 << 20, 1 << 30)
RUN = 64
ENOUGH = MAX_UNWRITTEN // RUN + 10  # runs, more than a crash gives up


class Server:
    """A server over all its crashes; ``said`` has each message by epoch, log and number."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self.said: dict[tuple[str, LogName, int], bytes] = {}
        self.temporary: set[str] = set()
        self._directory = directory
        self._disk = disk
        self.start()

    def start(self) -> None:
        self.history = HistoryStore(self._directory, patience=0.02, linger=0)
        self.history.start()
        self.history.begin(*LOGS)

    def say(self, log: LogName, count: int = 1) -> None:
        history = self.history
        first = history.state(log).head + 1
        contents = [b"%d of %d" % (len(self.said) + index, count) for index in range(count)]
        texts = MessageType.UTF8
        time = "2026-11-24T09:30:00.000000Z"
        history.keep(
            StoredRun(log, first, time, "alice", None, b"", texts, [None] * count, contents)
        )
        # The run itself may have suspended history: users hear of that before the run.
        for number, content in enumerate(contents, first):
            key = (history.epoch, log, number)
            assert key not in self.said, f"{key} was given twice"
            self.said[key] = content

    def suspend(self) -> None:
        if not self.history.is_suspended:
            self._disk.fault = FULL
            self.say(DEFAULT_ROOM)
            wait_until(lambda: self.history.is_suspended, "the suspension")
            self.temporary.add(self.history.epoch)

    def go_on(self) -> None:
        self._disk.fault = None
        wait_until(lambda: not self.history.is_suspended, "the end of the suspension")

    def crash(self) -> None:
        crash(self.history)
        self._disk.fault = None
        self.start()

    def check(self, epoch: str) -> None:
        """Under ``epoch``, that of the file, each message is there or its number is lost."""
        assert self.history.epoch == epoch
        assert epoch not in self.temporary
        for log in LOGS:
            state = self.history.state(log)
            page = self.history.after(log, 0, None, EVERYTHING)
            there = {
                message.first: message.contents[0]
                for run in page.runs
                for message in run.messages()
            }
            for (under, said_in, number), content in self.said.items():
                if said_in != log or under != epoch:
                    continue
                is_lost = any(hole.first <= number <= hole.last for hole in state.lost)
                assert is_lost or there[number] == content, f"{number} of {log} is missing"
                assert number <= state.head


@pytest.fixture
def server(tmp_path: Path, disk: Disk) -> Server:
    return Server(tmp_path, disk)


def test_a_crash_after_very_much_was_said_in_a_suspension(server: Server) -> None:
    epoch = server.history.epoch
    server.say(DEFAULT_ROOM, 3)
    server.suspend()
    before = server.history.state(DEFAULT_ROOM).head
    for _ in range(ENOUGH):
        server.say(DEFAULT_ROOM, RUN)
    end = server.history.state(DEFAULT_ROOM).head
    server.crash()
    server.check(epoch)
    state = server.history.state(DEFAULT_ROOM)
    # A client that left before, or that knows the temporary epoch, learns of the loss. The numbers go on lower than
    # they had come, but those were given under the temporary epoch.
    assert any(hole.first <= before <= hole.last for hole in state.lost)
    assert state.head < end
    server.say(DEFAULT_ROOM, RUN)
    server.check(epoch)


def test_what_was_said_in_a_suspension_that_ended_is_listed_as_lost(server: Server) -> None:
    epoch = server.history.epoch
    server.say(DEFAULT_ROOM, 3)
    server.suspend()
    first = server.history.state(DEFAULT_ROOM).head
    for _ in range(ENOUGH):
        server.say(DEFAULT_ROOM, RUN)
    last = server.history.state(DEFAULT_ROOM).head
    server.go_on()
    server.say(DEFAULT_ROOM)
    server.crash()
    server.check(epoch)
    lost = server.history.state(DEFAULT_ROOM).lost
    assert any(hole.first <= first and hole.last >= last for hole in lost)


@pytest.mark.parametrize("seed", range(6))
def test_random_suspensions_and_crashes_give_no_number_twice(server: Server, seed: int) -> None:
    rng = random.Random(seed)
    epoch = server.history.epoch

    def say_little() -> None:
        server.say(rng.choice(LOGS), rng.choice((1, 5, RUN)))

    def say_much() -> None:
        for _ in range(ENOUGH):
            server.say(DEFAULT_ROOM, RUN)

    steps: list[Callable[[], None]] = [
        say_little,
        say_much,
        server.suspend,
        server.go_on,
        server.crash,
    ]
    for _ in range(40):
        rng.choices(steps, (16, 1, 3, 2, 2))[0]()
    if server.history.is_suspended:
        server.go_on()
    server.crash()
    server.check(epoch)
