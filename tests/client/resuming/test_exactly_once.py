"""Random schedules of a client and a server that break: each line is said once, and each message is seen once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import cast

import gevent
import pytest

from chat.client.connection.connection import Connection
from chat.client.connection.events import EnteredRoom, Text, Welcome
from chat.client.connection.receipts import Status, new_nonce
from chat.client.errors import ConnectionLost
from chat.client.resuming.events import (
    PerhapsSaid,
    ResumedEvent,
)
from chat.client.resuming.outgoing_queue import QueuedMessage
from chat.client.resuming.resumer import Resumer
from chat.client.resuming.seen import SeenPlaces
from chat.client.resuming.wishes import CatchUpWishes
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.state.contents import Contents, encode_whole, parse_whole
from chat.client.state.finding import owner_of
from chat.client.state.memory import Memory, new_contents
from chat.client.state.state_file import StateFile
from chat.protocol.commands import Command, Verb
from tests.client.resuming.followed_logs import FollowedLogs
from tests.client.resuming.late_server import ROOMS, Guards, LateServer
from tests.client.resuming.late_wire import Wire
from tests.tiers import quick_first

BOB = owner_of("localhost:8080", "bob")
SCHEDULES = 100  # in a part
PARTS = 10


class Killed(BaseException):
    """The process of the client is killed."""


class MemoryFile:
    """A state file whose bytes outlive the client."""

    def __init__(self) -> None:
        self.data = encode_whole(BOB, new_contents())
        self.is_long = False

    def append(self, record: bytes) -> None:
        self.data += record

    def replace(self, contents: Contents) -> None:
        self.data = encode_whole(BOB, contents)

    def close(self) -> None:
        return


class Run:
    """One schedule: a client that is killed and comes back, and a server that restarts.

    ``is_read_at_once``: the user sees each event as soon as it is there. Otherwise a program reads one after the other,
    knows only what it has read, looks at its receipts when nothing is left to read, and has seen an event when it reads
    the next.
    """

    def __init__(
        self, seed: int, guards: Guards | None = None, *, is_read_at_once: bool = True
    ) -> None:
        self.random = Random(seed)
        self.is_read_at_once = is_read_at_once
        self.unread: deque[ResumedEvent] = deque()  # by the program
        self.returned: ResumedEvent | None = None
        self.settled: list[QueuedMessage] = []  # receipts at which the program has not looked yet
        self.server = LateServer(self.random, guards, is_account=self.random.random() < 0.7)
        self.file = MemoryFile()
        self.texts: dict[str, str] = {}  # of each line that was put, by its nonce
        self.outcomes: dict[str, set[Status]] = {}
        self.follower = FollowedLogs()
        self.wire: Wire | None = None
        self.sender: gevent.Greenlet[..., object] | None = None
        self.resumer = self.start()

    def start(self) -> Resumer:
        """Start the client from its file."""
        contents = parse_whole(self.file.data)[1]
        self.follower.begin_run(contents)
        self.unread.clear()
        self.settled.clear()
        self.returned = None
        resumer = Resumer(
            GEVENT,
            self.answered,
            wishes=CatchUpWishes(follows=True),
            is_read_at_once=self.is_read_at_once,
            rooms=ROOMS[:1],
        )
        resumer.use(Memory(contents, cast(StateFile, self.file)))
        return resumer

    def answered(self, message: QueuedMessage) -> None:
        self.settled.append(message)
        if self.is_read_at_once:
            self._look_at_receipts()

    def _look_at_receipts(self) -> None:
        for message in self.settled:
            self._learn(message.nonce, message.status)
        self.settled.clear()

    def _learn(self, nonce: str, status: Status) -> None:
        self.outcomes.setdefault(nonce, set()).add(status)

    # The steps

    def say(self) -> None:
        to, room = self.random.choice(
            ((None, None), ("eve", None), *((None, name) for name in ROOMS))
        )
        text = f"line {len(self.texts)}"
        message = QueuedMessage(GEVENT.event(), text=text, to=to, room=room)
        self.texts[message.nonce] = text
        self.resumer.put(message)
        if self.random.random() < 0.8:
            self.resumer.save()

    def connect(self) -> None:
        if self.wire is None:
            self.wire = self.server.log_in(
                self.resumer.queue.in_flight, self.resumer.rooms.to_join() or ()
            )
            self.sender = gevent.spawn(self._send, self.resumer, self.wire)

    def _send(self, resumer: Resumer, wire: Wire) -> None:
        try:
            resumer.send_all(
                cast(Connection, wire),
                lambda item: wire.send_text(item.text, item.to, room=item.room, nonce=item.nonce),
            )
        except ConnectionLost:
            return
        except Killed:
            self.kill()

    def receive(self) -> None:
        gevent.sleep(0)
        for _ in range(self.random.randint(0, 9)):
            if self.wire is None or not self.wire.down:
                return
            event = self.wire.receive()
            events = self.resumer.take(event, has_device=True)
            if isinstance(event, Welcome | EnteredRoom) and not self.is_read_at_once:
                self.resumer.save()
            if isinstance(event, Welcome) and not self.is_read_at_once:
                self.follower.log_in(event)
            if self.is_read_at_once:
                self.follower.show(events)
            self.unread += events
            self.resumer.queue.tell_answers()
            if self.random.random() < 0.3:
                self.resumer.save()
            self.read(self.random.randint(0, 3))

    def read(self, count: int) -> None:
        """Read so many events, as ``ReconnectingRoom.read`` does."""
        for _ in range(0 if self.is_read_at_once else count):
            if not self.unread:
                self.returned = None
                self._look_at_receipts()
                self.resumer.saw_all()
                return
            if self.returned is not None:
                self.resumer.saw(self.returned)
            event = self.returned = self.unread.popleft()
            self.follower.show([event])
            if isinstance(event, Text) and event.nonce in self.texts:
                self._learn(event.nonce, Status.ACCEPTED)
            elif isinstance(event, PerhapsSaid):
                self._learn(event.line.nonce, Status.LOST)
            if self.random.random() < 0.2:
                self.resumer.save()

    def notice_cut(self) -> None:
        """The client sees the end of a connection once it has read what came before."""
        if self.wire is not None and self.wire.is_cut and not self.wire.down:
            assert self.sender is not None
            self.sender.kill()
            self.wire = None
            self.resumer.connection_ended()

    def kill(self) -> None:
        """Kill the client; only the file is left."""
        if self.sender is not None and self.sender is not gevent.getcurrent():
            self.sender.kill()
        if self.wire is not None:
            self.server.cut(self.wire)
            self.wire = None
        known = parse_whole(self.file.data)[1].lines
        for nonce in set(self.texts) - known.keys() - self.outcomes.keys():
            # A line that was in no file yet is lost with the client, and was never said.
            self.outcomes[nonce] = set()
        self.resumer = self.start()

    def kill_while_sending(self) -> None:
        if self.wire is not None:
            at = "dies_before" if self.random.random() < 0.5 else "dies_after"
            setattr(self.wire, at, Killed())

    def join_or_part(self) -> None:
        """The user joins a room or leaves it, by a command."""
        verb = self.random.choice((Verb.JOIN, Verb.JOIN, Verb.PART)).value
        if self.wire is not None and self.wire.has_joined and self.wire.dies_before is None:
            try:
                self.wire.command(Command(verb, room=self.random.choice(ROOMS)), nonce=new_nonce())
            except (ConnectionLost, Killed):
                return

    def cut(self) -> None:
        if self.wire is not None:
            self.server.cut(self.wire)

    def step(self) -> None:
        steps: list[tuple[int, Callable[[], object]]] = [
            (8, self.say),
            (8, self.connect),
            (14, self.receive),
            (8, lambda: self.server.read(self.random.randint(1, 5))),
            (8, lambda: self.server.commit(self.random.randint(1, 5))),
            (3, lambda: self.server.others_say(self.random.randint(1, 20))),
            (2, self.server.room_changes),
            (1, self.join_or_part),
            (4, self.notice_cut),
            (3, self.cut),
            (1, self.server.notice_ghosts),
            (1, self.kill),
            (2, self.kill_while_sending),
            (1, self.server.restart),
            (1, lambda: self.server.crash(epoch=self.random.random() < 0.3)),
            (1, self.server.expire),
        ]
        weights, actions = zip(*steps, strict=True)
        self.random.choices(actions, weights)[0]()
        gevent.sleep(0)

    def finish(self) -> None:
        """Let everything come to rest: no more breaks."""
        for _ in range(300):
            if self.wire is not None:
                self.wire.dies_before = self.wire.dies_after = None
            self.notice_cut()
            self.connect()
            gevent.sleep(0)
            self.server.read(100)
            self.server.commit(100)
            self.receive()
            self.read(1000)
            if self.is_at_rest():
                break
        assert self.is_at_rest()
        assert self.sender is not None
        self.sender.kill()

    def is_at_rest(self) -> bool:
        wire = self.wire
        if wire is None or wire.is_cut or not wire.has_joined or wire.down:
            return False
        return self.resumer.queue.is_empty and not self.resumer.is_catching_up

    def check(self) -> None:
        """Each answered line was said once; the others at most once, and are marked."""
        marked = {doubt.line.nonce for doubt in self.resumer.perhaps.values()}
        for nonce, text in self.texts.items():
            said = self.server.said.get(nonce, 0)
            statuses = self.outcomes.get(nonce, set())
            assert said <= 1, f"{text} was said {said} times"
            if Status.ACCEPTED in statuses:
                assert said == 1, f"{text} was answered, and said {said} times"
                # Marked too if the client was killed before it had written the answer down, and nobody knows any more.
            elif Status.LOST in statuses:
                is_found = nonce in self.follower.found and said == 1
                assert nonce in marked or is_found, f"{text} may have been said, and is not marked"
            elif Status.REFUSED in statuses:
                # Killed before it had written that down, the client says it again, and is refused or not.
                assert said == 0, f"{text} was refused, and said"
            else:
                assert statuses == set(), f"{text}: {statuses}"
                assert said == 0, f"{text} was said, and nobody knows"
        assert self.resumer.queue.is_empty
        assert not {line.nonce for line in self.resumer.memory.lines()} - marked
        self.follower.check(self.server, self.resumer)


def play(seed: int, guards: Guards | None = None, *, is_read_at_once: bool = True) -> None:
    run = Run(seed, guards, is_read_at_once=is_read_at_once)
    for _ in range(run.random.randint(20, 150)):
        run.step()
    run.finish()
    run.check()


@pytest.mark.parametrize("is_read_at_once", [True, False])
@pytest.mark.parametrize("part", quick_first(range(PARTS), "many schedules"))
def test_each_line_is_said_once_and_each_message_seen_once(
    part: int, is_read_at_once: bool
) -> None:
    for seed in range(part * SCHEDULES, (part + 1) * SCHEDULES):
        try:
            play(seed, is_read_at_once=is_read_at_once)
        except AssertionError as failure:
            raise AssertionError(f"schedule {seed}: {failure}") from failure


def fails(guards: Guards | None = None, *, is_read_at_once: bool = True) -> bool:
    """Return whether any schedule breaks a rule."""
    for seed in range(PARTS * SCHEDULES):
        try:
            play(seed, guards, is_read_at_once=is_read_at_once)
        except AssertionError:
            return True
    return False


@pytest.mark.parametrize("guard", Guards._fields)
def test_each_rule_of_the_server_is_needed(guard: str) -> None:
    assert fails(Guards()._replace(**{guard: False}))


def test_what_is_sent_must_be_in_the_file_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line and its place are one write, before the line is sent."""
    monkeypatch.setattr(Memory, "note_sent", lambda *arguments: None)
    assert fails()


def test_a_line_without_an_answer_must_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.client.resuming.judging.why_undecided", lambda lookup, proof: None)
    assert fails()


def test_a_line_is_remembered_until_its_answer_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place and its answer are one write."""
    monkeypatch.setattr(Resumer, "_let_go", lambda resumer, nonce: resumer.memory.drop(nonce))
    assert fails(is_read_at_once=False)


def test_a_log_begins_before_the_login_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SeenPlaces, "begin", lambda seen, left: None)
    assert fails(is_read_at_once=False)
