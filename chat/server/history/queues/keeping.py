"""Hand what was said to the disk, behind the room.

The room never waits for the disk: ``keep`` appends to a list, and a greenlet writes the list in a thread, many runs in
one transaction.

A disk may fail, or make no progress. Then history is *suspended*: the chat goes on under another epoch, and nothing is
kept. When the disk works again, the old epoch returns, and the numbers given meanwhile are a hole.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from gevent.event import Event

from chat.process.offload import ThreadCall, run_in
from chat.server.history.faults import DamagedFile, HistoryFault
from chat.server.history.queues.disk_queue import DiskQueue, OnWritten, ignore_written
from chat.server.history.rows import PackedRun, pack
from chat.server.history.stored import Hole, LogName, LogState, StoredRun
from chat.server.history.writer import Writer

log = logging.getLogger("chat.server")

# Messages that may be said and not written yet. A crash loses so many at most, and gives up so many numbers.
MAX_UNWRITTEN = 8192
# Senders are read more slowly while so many messages wait. So only a disk that stands still gets to the limit above.
CROWDED = MAX_UNWRITTEN * 3 // 4
# So many messages are written at once: a larger transaction costs each of them little less.
_ENOUGH = MAX_UNWRITTEN // 2
# Seconds from one transaction to the next: each costs as much as a hundred messages. A message after a silence is
# written at once. Readers do not notice the delay, but a crash loses what was said so shortly before it.
LINGER = 0.4
# Seconds without progress after which history is suspended, and between attempts to go on.
PATIENCE = 5.0


class _Batch(NamedTuple):
    """Hold the additions of one transaction."""

    runs: list[PackedRun]
    holes: Sequence[tuple[LogName, Hole]] = ()
    logs: Sequence[LogName] = ()


class Keeping(DiskQueue):
    """Write runs behind the room. ``on_epoch`` is called when history is suspended, and when it goes on.

    ``patience`` and ``linger`` are in seconds.
    """

    _suspension = "history is suspended"
    _unfinished = "the last messages are not kept"
    max_waiting = MAX_UNWRITTEN

    def __init__(
        self,
        directory: Path,
        *,
        patience: float = PATIENCE,
        linger: float = LINGER,
        on_epoch: Callable[[str], object] = lambda epoch: None,
        on_new_file: Callable[[], object] = lambda: None,
        on_written: OnWritten = ignore_written,
    ) -> None:
        super().__init__(
            directory,
            bound=MAX_UNWRITTEN,
            durable=False,
            retry=patience,
            on_epoch=on_epoch,
            on_new_file=on_new_file,
            on_written=on_written,
        )
        self._patience = patience
        self._linger = linger
        self._file_epoch = ""
        # The last number of each log that the file has. Behind it begins the hole of a suspension.
        self._written: dict[LogName, int] = {}
        # While history is suspended, runs are kept only during an attempt to go on.
        self._is_keeping = False
        # Ends the wait for further runs: there are enough, or the server stops.
        self._is_due = Event()
        self._last_write = -linger

    # From the start to the end

    def start(self) -> None:
        super().start()
        self._written = {name: state.head for name, state in self.logs.items()}
        self._file_epoch = self.epoch
        self._is_keeping = True

    def stop(self, timeout: float) -> None:
        """Write what is left, within ``timeout`` seconds, and close the file."""
        self._is_due.set()
        super().stop(timeout)
        if self._writer is None:
            self._is_keeping = False

    # While users talk

    def begin(self, *names: LogName) -> None:
        """Begin the logs ``names`` that have not begun: their first numbers are safe then. Waits for the disk."""
        new = [name for name in names if name not in self.logs]
        if not new:
            return
        if self._writer is not None and self._is_keeping:
            call = ThreadCall(self._pool, self._writer.add_logs, new)
            # A login waits for this, and must not wait for a disk that stands still.
            if call.wait(self._patience):
                self._finish(call)
            else:
                self._suspend("the disk makes no progress")
        for name in new:
            self.logs.setdefault(name, LogState())
            self._written.setdefault(name, 0)

    def keep(self, run: StoredRun) -> None:
        """Keep ``run``, whose log has begun. Never waits."""
        self.version += 1
        state = self.logs[run.log]
        self.logs[run.log] = LogState(run.last, run.timestamp, state.oldest, state.lost)
        if not self._is_keeping:
            return
        self._count += len(run.contents)
        if self._count > MAX_UNWRITTEN:
            # After a crash, a number so far from the end of the file could be given a second time.
            self._suspend("too many messages wait for the disk")
            return
        self.unwritten.append(pack(run))
        if len(self.unwritten) == 1:
            self._wake.set()
        if self._count >= _ENOUGH:
            self._is_due.set()
            if self._count > CROWDED:
                self._has_room.clear()

    def state(self, name: LogName) -> LogState:
        """Return what is known of the log ``name``.

        While history is suspended, the numbers given since then are a hole. Without it, a client that comes back would
        take a message that was said meanwhile, and that no query finds, for one that was never said.
        """
        state = super().state(name)
        if not self.is_suspended:
            return state
        # During an attempt to go on, runs are kept already.
        kept = (run.first for run in self.unwritten if run.log == name)
        hole = Hole(self._written.get(name, 0) + 1, next(kept, state.head + 1) - 1)
        return state._replace(lost=(*state.lost, hole)) if hole.first <= hole.last else state

    @property
    def has_room(self) -> bool:
        return self._count <= CROWDED

    def wait_until_written(self) -> None:
        """Wait until the file has all messages that were kept before this call. Raises HistoryFault."""
        if self.unwritten:
            self._is_due.set()
        super().wait_until_written()

    def _write_next(self) -> None:
        self._gather()
        self._write(_Batch(self.unwritten[:]))

    def _gather(self) -> None:
        """Wait for further runs until the next transaction is due."""
        pause = self._linger - (time.monotonic() - self._last_write)
        if pause > 0:
            self._is_due.wait(pause)
        self._is_due.clear()
        self._last_write = time.monotonic()

    def _finish_file(self) -> None:
        """Write what is left, and mark the file as complete."""
        assert self._writer is not None
        batch = self._missing() if self.is_suspended else _Batch(self.unwritten)
        try:
            run_in(self._pool, _close, self._writer, batch)
        except HistoryFault as problem:
            log.error("history: the last messages are not kept: %s", problem)

    def _write(self, batch: _Batch) -> bool:
        """Write ``batch``; return whether the file has it, and runs are still kept behind it.

        Otherwise history is suspended now.
        """
        assert self._writer is not None
        if not self._finish(ThreadCall(self._pool, self._writer.write, *batch)):
            return False
        self._note_written(batch)
        return self._is_keeping

    def _finish(self, call: ThreadCall[None]) -> bool:
        """Wait for the end of ``call``; return whether it succeeded. If it fails or takes long, suspend history."""
        if not call.wait(self._patience):
            self._suspend("the disk makes no progress")
        try:
            # A disk that stands still may go on, minutes later.
            call.get()
        except HistoryFault as problem:
            self._fault = problem
            self._suspend(str(problem))
            return False
        except Exception:
            # A bug. If this greenlet ended, nothing would be kept, and nobody would know.
            log.exception("cannot write history")
            self._suspend("an error in the server")
            return False
        return True

    def _note_written(self, batch: _Batch) -> None:
        self.version += 1
        self.last_write = time.time()
        self._on_written(batch.runs)
        for run in batch.runs:
            self._written[run.log] = run.last
        for name, hole in batch.holes:
            self._written[name] = hole.last
            state = self.logs[name]
            self.logs[name] = state._replace(lost=(*state.lost, hole))
        if self._is_keeping:
            del self.unwritten[: len(batch.runs)]
            self._wrote.set()
            self._count -= sum(run.facts.messages for run in batch.runs)
            if self.has_room:
                self._has_room.set()

    # While the disk fails

    def _suspend(self, reason: str) -> None:
        self.version += 1
        self._is_keeping = False
        self.unwritten.clear()
        self._wrote.set()
        self._count = 0
        self._has_room.set()
        if self.is_suspended:
            return
        self.is_suspended = True
        self.epoch = secrets.token_urlsafe(12)
        log.error("history is suspended, and messages are not kept: %s", reason)
        self._on_epoch(self.epoch)

    def _try_to_go_on(self) -> None:
        """Write the hole that the suspension has made. If the disk takes it, history goes on."""
        if isinstance(self._fault, DamagedFile) and not self._replace_file():
            return
        # What is said from now on comes behind the hole.
        self._is_keeping = True
        if not self._write(self._missing()):
            return
        self._fault = None
        self.is_suspended = False
        self.version += 1
        self.epoch = self._file_epoch
        log.warning("history goes on; it lacks the messages since it was suspended")
        self._on_epoch(self.epoch)

    def _replace_file(self) -> bool:
        """Set the damaged file aside, and begin a new one; return whether that is done."""
        try:
            opened = run_in(self._pool, self._reopen)
        except HistoryFault as problem:
            log.debug("history is still suspended: %s", problem)
            return False
        self._file_epoch = opened.epoch
        self._written = dict.fromkeys(self.logs, 0)
        self._empty_logs()
        self._on_new_file()
        return True

    def _missing(self) -> _Batch:
        """Return what the file must know before runs are kept again: all logs, and how far their numbers went."""
        holes = [
            (name, Hole(self._written[name] + 1, state.head))
            for name, state in self.logs.items()
            if state.head > self._written[name]
        ]
        return _Batch([], holes, list(self.logs))


def _close(writer: Writer, batch: _Batch) -> None:
    """Write the last batch, and mark the file as complete; called in the thread."""
    try:
        writer.write(*batch)
    except HistoryFault:
        writer.abandon()
        raise
    writer.close()
