"""Hand what will be said to the disk, and say it when the disk has it.

One transaction is under way at a time. Meanwhile the next one gathers what the room hands over. So a lone message waits
for one sync of the disk, and in a flood many messages share one.

A disk may stand still: then messages wait. It may fail: then the messages that wait are refused, and all further ones,
until the disk works again. Nobody has heard them, so there is no hole, and the epoch stays. A refused message must not
come back after a crash. So if a sync fails, the file is written over first; until then the messages wait.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from chat.process.offload import run_in
from chat.server.history.faults import DamagedFile, HistoryFault, UnsyncedCommit
from chat.server.history.queues.disk_queue import DiskQueue, OnWritten, ignore_written
from chat.server.history.rows import PackedRun, pack
from chat.server.history.stored import Hole, LogName, LogState, StoredRun

log = logging.getLogger("chat.server")

# Bytes of contents in one transaction, except for the copies of its last message.
MAX_GROUP = 256 * 1024
# Senders are read more slowly while so many messages, or so many bytes of them, wait.
CROWDED, CROWDED_BYTES = 4096, 64 << 20
# Seconds between attempts to use a disk that has failed.
RETRY = 1.0


class Audience(Protocol):
    """List what ``Committing`` tells the place where frames wait for the disk."""

    def expect(self) -> None: ...

    def arrived(self, count: int) -> None: ...

    def refuse_all(self) -> None: ...

    def in_turn(self, action: Callable[[], object]) -> None: ...


class Committing(DiskQueue):
    """Write runs before ``audience`` hears them. ``logs`` is what users know: without the runs that nobody has heard.

    ``on_epoch`` is called when a damaged file was replaced. While ``is_suspended``, no message must be said.
    """

    _suspension = "the disk has failed, and history is not written now"
    _unfinished = "the file is not closed"
    max_waiting = CROWDED

    def __init__(
        self,
        directory: Path,
        audience: Audience,
        *,
        retry: float = RETRY,
        on_epoch: Callable[[str], object] = lambda epoch: None,
        on_new_file: Callable[[], object] = lambda: None,
        on_written: OnWritten = ignore_written,
    ) -> None:
        super().__init__(
            directory,
            bound=0,
            durable=True,
            retry=retry,
            on_epoch=on_epoch,
            on_new_file=on_new_file,
            on_written=on_written,
        )
        self._audience = audience
        self._bytes = 0  # of the messages in ``unwritten``

    # While users talk

    def begin(self, *names: LogName) -> None:
        """Begin the logs ``names`` that have not begun. Never waits: the file gets a log with its first message."""
        for name in names:
            self.logs.setdefault(name, LogState())

    def keep(self, run: StoredRun) -> None:
        """Keep ``run``, whose log has begun, and hold what is sent from now on until the disk has it. Never waits.

        Not called while the disk has failed.
        """
        packed = pack(run)
        self._count += packed.facts.messages
        self._bytes += len(packed.content)
        self.unwritten.append(packed)
        if len(self.unwritten) == 1:
            self._wake.set()
        if not self.has_room:
            self._has_room.clear()
        self._audience.expect()
        # Not for all runs of a transaction together: the welcome of a newcomer tells the state at its place.
        self._audience.in_turn(partial(self._note_heard, packed))

    @property
    def has_room(self) -> bool:
        return self._count <= CROWDED and self._bytes <= CROWDED_BYTES

    def _note_heard(self, run: PackedRun) -> None:
        self.version += 1
        known = self.logs[run.log]
        self.logs[run.log] = known._replace(head=run.last, time=run.facts.timestamp)

    def _next_group(self) -> list[PackedRun]:
        size = 0
        for end, run in enumerate(self.unwritten):
            # The two copies of a private message follow each other. Either the file has both, or none.
            if size >= MAX_GROUP and not _are_copies(run, self.unwritten[end - 1]):
                return self.unwritten[:end]
            size += len(run.content)
        return self.unwritten[:]

    def _write_next(self) -> None:
        """Write the next group, however long that takes. Until it ends, nobody knows what the disk has."""
        assert self._writer is not None
        group = self._next_group()
        try:
            run_in(self._pool, self._writer.write, group, (), list({run.log for run in group}))
        except UnsyncedCommit as problem:
            if self._write_over(problem):
                self._fail(problem)
            return
        except HistoryFault as problem:
            self._fail(problem)
            return
        except Exception:
            # A bug. If this greenlet ended, no message would be said any more.
            log.exception("cannot write history")
            self._fail(HistoryFault("an error in the server"))
            return
        self.version += 1
        self.last_write = time.time()
        self._on_written(group)
        del self.unwritten[: len(group)]
        self._count = sum(run.facts.messages for run in self.unwritten)
        self._bytes = sum(len(run.content) for run in self.unwritten)
        if self.has_room:
            self._has_room.set()
        self._wrote.set()
        self._audience.arrived(len(group))

    def _finish_file(self) -> None:
        """Mark the file as complete, and close it. Messages that nobody has heard by now are not written."""
        assert self._writer is not None
        try:
            run_in(self._pool, self._writer.close)
        except HistoryFault as problem:
            log.error("history: cannot close the file: %s", problem)

    # While the disk fails

    def _fail(self, problem: HistoryFault) -> None:
        self._fault = problem
        self.is_suspended = True
        self.unwritten.clear()
        self._count = self._bytes = 0
        self._wrote.set()
        self._has_room.set()
        log.error("messages are refused, since the disk fails: %s", problem)
        self._audience.refuse_all()

    def _write_over(self, problem: UnsyncedCommit) -> bool:
        """Make sure that no crash brings the messages of the last group into the file, however long that takes.

        Return False if the server stops before. Then the messages stay without an answer.
        """
        assert self._writer is not None
        is_told = False
        while True:
            try:
                run_in(self._pool, self._writer.write_over)
            except HistoryFault as other:
                if not is_told:
                    log.error("messages wait, since the disk fails: %s; %s", problem, other)
                    is_told = True
            else:
                return True
            if self._is_stopping.wait(self._retry):
                return False

    def _try_to_go_on(self) -> None:
        """Write something. If the disk takes it, messages are said again."""
        assert self._writer is not None
        try:
            if isinstance(self._fault, DamagedFile):
                self._replace_file()
            else:
                run_in(self._pool, self._writer.probe)
        except HistoryFault as problem:
            log.debug("the disk still fails: %s", problem)
            return
        self._fault = None
        self.is_suspended = False
        log.warning("the disk works again, and messages are accepted")

    def _replace_file(self) -> None:
        """Set the damaged file aside, and begin a new one. Raises HistoryFault."""
        opened = run_in(self._pool, self._reopen)
        holes = [(name, Hole(1, state.head)) for name, state in self.logs.items() if state.head]
        assert self._writer is not None
        # Before anyone is told of the epoch: a crash must not give its numbers twice.
        run_in(self._pool, self._writer.write, (), holes, list(self.logs))
        self.version += 1
        self.epoch = opened.epoch
        self._empty_logs()
        self._on_new_file()
        self._on_epoch(self.epoch)


def _are_copies(one: PackedRun, other: PackedRun) -> bool:
    return one.nonces == other.nonces and one.content == other.content
