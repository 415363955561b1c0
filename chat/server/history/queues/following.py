"""Hand what was said to the disk, in a server that shares its log with others.

The log has the order and the numbers, and gives again what this server had not written when it ended. So a crash loses
nothing, and no number is given up. A server that cannot write its history cannot go on; its users go to another one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from gevent.event import Event

from chat.process.offload import run_in
from chat.server.history.faults import HistoryFault
from chat.server.history.queues.disk_queue import DiskQueue, OnWritten, ignore_written
from chat.server.history.queues.keeping import LINGER
from chat.server.history.rows import pack
from chat.server.history.stored import LogName, LogState, StoredRun

log = logging.getLogger("chat.server")

# Messages that may wait for the disk; then nothing more of the log is applied.
MAX_UNWRITTEN = 200_000
CROWDED = MAX_UNWRITTEN // 2
_ENOUGH = 4096  # messages that are written at once


class Following(DiskQueue):
    """Write runs behind the log. ``on_fault`` is called once, with the reason, if the disk fails."""

    _suspension = "the disk has failed"
    _unfinished = "the last messages are read from the log at the next start"
    max_waiting = MAX_UNWRITTEN

    def __init__(
        self,
        directory: Path,
        *,
        linger: float = LINGER,
        on_fault: Callable[[str], object],
        on_written: OnWritten = ignore_written,
    ) -> None:
        super().__init__(
            directory,
            bound=0,
            durable=True,
            retry=linger,
            on_epoch=lambda epoch: None,
            on_new_file=lambda: None,
            on_written=on_written,
        )
        self._on_fault = on_fault
        self._linger = linger
        self._begun: list[LogName] = []  # logs that the file does not have yet
        self._is_due = Event()

    def stop(self, timeout: float) -> None:
        """Write what is left, within ``timeout`` seconds, and close the file."""
        self._is_due.set()
        super().stop(timeout)

    def begin(self, *names: LogName) -> None:
        """Begin the logs ``names`` that have not begun. Does not wait: the log gives their messages again."""
        for name in names:
            if name not in self.logs:
                self.logs[name] = LogState()
                self._begun.append(name)

    def keep(self, run: StoredRun) -> None:
        """Keep ``run``, unless the file has it: a server that comes back applies the end of the log again."""
        state = self.logs.get(run.log)
        if state is None:
            self.begin(run.log)
            state = self.logs[run.log]
        if run.last <= state.head:
            return
        self.version += 1
        self.logs[run.log] = LogState(run.last, run.timestamp, state.oldest, state.lost)
        if self.is_suspended:
            return
        self.unwritten.append(pack(run))
        self._count += len(run.contents)
        if len(self.unwritten) == 1:
            self._wake.set()
        if self._count >= _ENOUGH:
            self._is_due.set()
            if not self.has_room:
                self._has_room.clear()

    @property
    def has_room(self) -> bool:
        return self._count <= CROWDED

    def wait_until_written(self) -> None:
        """Wait until the file has all messages that were kept before this call. Raises HistoryFault."""
        if self.unwritten:
            self._is_due.set()
        super().wait_until_written()

    def _write_next(self) -> None:
        if self._count < _ENOUGH:
            self._is_due.wait(self._linger)
        self._is_due.clear()
        runs, begun = self.unwritten[:], self._begun[:]
        assert self._writer is not None
        try:
            run_in(self._pool, self._writer.write, runs, (), begun)
        except HistoryFault as problem:
            self._fail(str(problem))
            return
        self.version += 1
        self.last_write = time.time()
        self._on_written(runs)
        del self.unwritten[: len(runs)], self._begun[: len(begun)]
        self._count -= sum(run.facts.messages for run in runs)
        self._wrote.set()
        if self.has_room:
            self._has_room.set()

    def _try_to_go_on(self) -> None:
        """Do nothing: a server that has not written what others have must begin again at the log."""

    def _fail(self, reason: str) -> None:
        self.is_suspended = True
        self.unwritten.clear()
        self._count = 0
        self._wrote.set()
        self._has_room.set()
        log.error("history cannot be written: %s", reason)
        self._on_fault(reason)

    def _finish_file(self) -> None:
        writer = self._writer
        assert writer is not None
        try:
            if not self.is_suspended:
                run_in(self._pool, writer.write, self.unwritten, (), self._begun)
            run_in(self._pool, writer.close)
        except HistoryFault as problem:
            log.error("history: the last messages are not written: %s", problem)
