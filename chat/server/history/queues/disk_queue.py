"""The queue of runs to the history file, and the greenlet that writes them in a thread.

Its subclasses decide when a run is written, what users know before that, and what happens if the disk fails.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from chat.process.offload import run_in
from chat.server.history.faults import HistoryFault
from chat.server.history.reader import FILE_NAME
from chat.server.history.rows import PackedRun, pack, unpack
from chat.server.history.stored import LogName, LogState, StoredRun
from chat.server.history.writer import Opened, Writer, log_opened, open_writer, set_aside

log = logging.getLogger("chat.server")


OnWritten = Callable[[Sequence[PackedRun]], object]


def ignore_written(runs: Sequence[PackedRun]) -> None:
    """Take the place of ``on_written`` if nobody wants to know."""


class DiskQueue(ABC):
    """Queue runs for the file in ``directory``.

    ``epoch`` is the one under which numbers are given now, ``logs`` has the state of each log. ``unwritten`` has the
    runs that the file may not have yet, in order. ``version`` changes with each change of what can be read.
    ``last_write`` is the time of the last transaction, in seconds since 1970. ``is_suspended``: the disk fails.

    ``bound`` and ``durable`` are those of Writer. ``retry`` is the time between attempts to use a disk that has failed,
    in seconds. ``on_epoch`` is called with the new epoch when it changes, ``on_new_file`` when the file was replaced,
    and ``on_written`` with the runs that the file has now.
    """

    # Why the file is not written now, and what a disk that makes no progress leaves undone at the end.
    _suspension: ClassVar[str]
    _unfinished: ClassVar[str]
    # How many messages may wait for the disk.
    max_waiting: ClassVar[int]

    def __init__(
        self,
        directory: Path,
        *,
        bound: int,
        durable: bool,
        retry: float,
        on_epoch: Callable[[str], object],
        on_new_file: Callable[[], object],
        on_written: OnWritten,
    ) -> None:
        self.epoch = ""
        self.logs: dict[LogName, LogState] = {}
        self.unwritten: list[PackedRun] = []
        self.version = 0
        self.last_write = 0.0
        self.is_suspended = False
        self._path = directory / FILE_NAME
        self._bound = bound
        self._durable = durable
        self._retry = retry
        self._on_epoch = on_epoch
        self._on_new_file = on_new_file
        self._on_written = on_written
        self._pool = ThreadPool(1)
        self._writer: Writer | None = None
        self._fault: HistoryFault | None = None
        self._count = 0  # of the messages in ``unwritten``
        self._wake, self._has_room, self._is_stopping = Event(), Event(), Event()
        self._wrote = Event()
        self._has_room.set()
        self._task: gevent.Greenlet[..., object] | None = None

    # From the start to the end

    def start(self) -> None:
        """Open the file, or create it. A damaged file is set aside. Raises HistoryFault."""
        opened = run_in(self._pool, self._open)
        log_opened(self._path, opened)
        self.logs = dict(opened.logs)
        self.epoch = opened.epoch
        self.last_write = time.time()
        self._task = gevent.spawn(self._run)

    def stop(self, timeout: float) -> None:
        """Close the file, within ``timeout`` seconds."""
        if self._task is None:
            return
        self._is_stopping.set()
        self._wake.set()
        self._task.join(timeout)
        if not self._task.dead:
            log.error("history: the disk makes no progress; %s", self._unfinished)
            return
        self._writer = None
        self._pool.kill()

    def _open(self) -> Opened:
        """Open the file; called in the thread."""
        self._writer = open_writer(self._path.parent, bound=self._bound, durable=self._durable)
        return self._writer.opened

    def _reopen(self) -> Opened:
        """Replace the damaged file; called in the thread."""
        if self._writer is not None:
            self._writer.abandon()
        if self._path.exists():
            log.error("history begins anew; the damaged file is now %s", set_aside(self._path))
        return self._open()

    # While users talk

    @abstractmethod
    def begin(self, *names: LogName) -> None:
        """Begin the logs ``names`` that have not begun."""

    @abstractmethod
    def keep(self, run: StoredRun) -> None:
        """Keep ``run``, whose log has begun. Never waits."""

    @property
    @abstractmethod
    def has_room(self) -> bool:
        """Whether so few messages wait for the disk that ``wait_for_room`` returns at once."""

    def state(self, name: LogName) -> LogState:
        """Return what users know of the log ``name``."""
        return self.logs.get(name) or LogState()

    def wait_for_room(self, timeout: float) -> bool:
        """Wait while very many messages wait for the disk, so that no more are read from a sender.

        At most ``timeout`` seconds; return whether there is room.
        """
        # Again and again: hundreds of senders may wait, and the first ones fill the room.
        deadline = time.monotonic() + timeout
        while not self.has_room:
            if not self._has_room.wait(max(0.0, deadline - time.monotonic())):
                return self.has_room
        return True

    def wait_until_written(self) -> None:
        """Wait until the file has all messages that were kept before this call. Raises HistoryFault."""
        if self.unwritten:
            last = self.unwritten[-1]
            # ``forget`` may put another run in its place.
            while any(run.log == last.log and run.last == last.last for run in self.unwritten):
                self._wrote.clear()
                self._wrote.wait()
        self._require_disk()

    def forget(self, name: LogName, number: int) -> bool:
        """Remove the content of a message from the runs that are not written yet; return whether one had it."""
        self.version += 1
        had_it = False
        for index, run in enumerate(self.unwritten):
            if run.log == name and run.first <= number <= run.last:
                run_of_messages = unpack(run)
                had_it = had_it or not run_of_messages.messages()[number - run.first].purged
                self.unwritten[index] = pack(run_of_messages.without({number}))
        return had_it

    def note_removed(self, states: Mapping[LogName, LogState]) -> None:
        """Take over from ``states``, which the file has, what was removed from it."""
        self.version += 1
        for name, state in states.items():
            known = self.logs.get(name)
            if known is not None:
                # The file may lack the newest messages, and a hole that was noted a moment ago.
                lost = tuple(hole for hole in known.lost if hole.last >= state.oldest)
                # If nothing is left, the file may count a run of which nobody has heard yet.
                oldest = min(state.oldest, known.head + 1)
                self.logs[name] = LogState(known.head, known.time, oldest, lost)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call ``function`` with the writer and ``arguments`` in the thread, between two transactions.

        Raises HistoryFault.
        """
        writer = self._require_disk()
        try:
            return run_in(self._pool, function, writer, *arguments)
        finally:
            self.version += 1

    def _require_disk(self) -> Writer:
        if self._writer is None or self.is_suspended:
            raise HistoryFault(self._suspension)
        return self._writer

    def _empty_logs(self) -> None:
        """Note that no message is in the file, which is new. The numbers go on."""
        self.logs = {
            name: LogState(state.head, state.time, state.head + 1)
            for name, state in self.logs.items()
        }

    # The greenlet

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            if self.is_suspended:
                if not self._is_stopping.wait(self._retry):
                    self._try_to_go_on()
            elif self.unwritten:
                self._write_next()
            else:
                self._wake.clear()
                self._wake.wait()
        self._finish_file()

    @abstractmethod
    def _write_next(self) -> None:
        """Write the next runs."""

    @abstractmethod
    def _try_to_go_on(self) -> None:
        """Use the disk again, if it works."""

    @abstractmethod
    def _finish_file(self) -> None:
        """Mark the file as complete, and close it."""
