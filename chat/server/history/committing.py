"""Hand what will be said to the disk, and say it when the disk has it.

One transaction is under way at a time. Meanwhile the next one gathers what the room hands over. So a lone message waits
for one sync of the disk, and in a flood many messages share one.

A disk may stand still: then messages wait. It may fail: then the messages that wait are refused, and all further ones,
until the disk works again. Nobody has heard them, so there is no hole, and the epoch stays.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from chat.process.offload import run_in
from chat.server.history.faults import DamagedFile, HistoryFault
from chat.server.history.reader import FILE_NAME
from chat.server.history.rows import PackedRun, pack, unpack
from chat.server.history.stored import Hole, LogName, LogState, StoredRun
from chat.server.history.writer import Writer, log_opened, open_writer, set_aside

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


class Committing:
    """Keep runs in the file in ``directory``, before ``audience`` hears them.

    ``logs`` has the state of each log, as users know it: without the runs that nobody has heard. ``unwritten`` has
    those runs. ``last_write`` is when the file last got messages, in seconds since 1970. ``version`` changes
    with each change of what can be read.

    ``on_epoch`` is called with the new epoch when a damaged file was replaced, and ``on_new_file`` before
    that. ``retry`` is in seconds.
    """

    def __init__(
        self,
        directory: Path,
        audience: Audience,
        *,
        retry: float = RETRY,
        on_epoch: Callable[[str], object] = lambda epoch: None,
        on_new_file: Callable[[], object] = lambda: None,
    ) -> None:
        self.epoch = ""
        self.logs: dict[LogName, LogState] = {}
        self.unwritten: list[PackedRun] = []
        self.last_write = 0.0
        self.version = 0
        # Whether the disk has failed. No message must be said then.
        self.is_suspended = False
        self._path = directory / FILE_NAME
        self._audience = audience
        self._retry = retry
        self._on_epoch = on_epoch
        self._on_new_file = on_new_file
        self._pool = ThreadPool(1)
        self._writer: Writer | None = None
        self._fault: HistoryFault | None = None
        self._count = self._bytes = 0  # of the messages in ``unwritten``
        self._wake, self._has_room, self._is_stopping = Event(), Event(), Event()
        self._wrote = Event()
        self._has_room.set()
        self._task: gevent.Greenlet[..., object] | None = None

    # From the start to the end

    def start(self) -> None:
        """Open the file, or create it. A damaged file is set aside. Raises HistoryFault."""
        opened = run_in(self._pool, self._open).opened
        log_opened(self._path, opened)
        self.logs = dict(opened.logs)
        self.epoch = opened.epoch
        self.last_write = time.time()
        self._task = gevent.spawn(self._run)

    def stop(self, timeout: float) -> None:
        """Close the file, within ``timeout`` seconds. The log has waited for the last messages before."""
        if self._task is None:
            return
        self._is_stopping.set()
        self._wake.set()
        self._task.join(timeout)
        if not self._task.dead:
            log.error("history: the disk makes no progress; the file is not closed")
            return
        self._writer = None
        self._pool.kill()

    def _open(self) -> Writer:
        """Open the file; called in the thread."""
        self._writer = open_writer(self._path.parent, bound=0, durable=True)
        return self._writer

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

    def state(self, name: LogName) -> LogState:
        """Return what users know of the log ``name``."""
        return self.logs.get(name) or LogState()

    def wait_for_room(self, timeout: float) -> bool:
        """Wait while very many messages wait for the disk, so that no more are read from a sender.

        At most ``timeout`` seconds; return whether there is room.
        """
        return self._has_room.wait(timeout)

    def wait_until_written(self) -> None:
        """Wait until the file has all messages that were kept before this call. Raises HistoryFault."""
        if self.unwritten:
            last = self.unwritten[-1]
            # ``forget`` may put another run in its place.
            while any(run.log == last.log and run.last == last.last for run in self.unwritten):
                self._wrote.clear()
                self._wrote.wait()
        self._require_disk()

    def forget(self, name: LogName, number: int) -> None:
        """Remove the content of a message from the runs that are not written yet."""
        self.version += 1
        for index, run in enumerate(self.unwritten):
            if run.log == name and run.first <= number <= run.last:
                self.unwritten[index] = pack(unpack(run).without({number}))

    def note_removed(self, states: Mapping[LogName, LogState]) -> None:
        """Take over from ``states``, which the file has, what was removed from it."""
        self.version += 1
        for name, state in states.items():
            known = self.logs.get(name)
            if known is not None:
                lost = tuple(hole for hole in known.lost if hole.last >= state.oldest)
                # If nothing is left, the file counts a run of which nobody has heard yet.
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

    @property
    def has_room(self) -> bool:
        """Whether so few messages wait for the disk that ``wait_for_room`` returns at once."""
        return self._count <= CROWDED and self._bytes <= CROWDED_BYTES

    def _require_disk(self) -> Writer:
        if self._writer is None or self.is_suspended:
            raise HistoryFault("the disk has failed, and history is not written now")
        return self._writer

    def _note_heard(self, run: PackedRun) -> None:
        self.version += 1
        known = self.logs[run.log]
        self.logs[run.log] = known._replace(head=run.last, time=run.facts.timestamp)

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            if self.is_suspended:
                if not self._is_stopping.wait(self._retry):
                    self._try_to_go_on()
            elif self.unwritten:
                self._commit(self._next_group())
            else:
                self._wake.clear()
                self._wake.wait()
        self._close()

    def _next_group(self) -> list[PackedRun]:
        size = 0
        for end, run in enumerate(self.unwritten):
            # The two copies of a private message follow each other. Either the file has both, or none.
            if size >= MAX_GROUP and not _are_copies(run, self.unwritten[end - 1]):
                return self.unwritten[:end]
            size += len(run.content)
        return self.unwritten[:]

    def _commit(self, group: Sequence[PackedRun]) -> None:
        """Write ``group``, however long that takes. Until it ends, nobody knows what the disk has."""
        assert self._writer is not None
        try:
            run_in(self._pool, self._writer.write, group, (), list({run.log for run in group}))
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
        del self.unwritten[: len(group)]
        self._count = sum(run.facts.messages for run in self.unwritten)
        self._bytes = sum(len(run.content) for run in self.unwritten)
        if self.has_room:
            self._has_room.set()
        self._wrote.set()
        self._audience.arrived(len(group))

    def _close(self) -> None:
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
        opened = run_in(self._pool, self._reopen).opened
        self.version += 1
        self.epoch = opened.epoch
        self.logs = {
            name: LogState(state.head, state.time, state.head + 1)
            for name, state in self.logs.items()
        }
        holes = [(name, Hole(1, state.head)) for name, state in self.logs.items() if state.head]
        assert self._writer is not None
        run_in(self._pool, self._writer.write, (), holes, list(self.logs))
        self._on_new_file()
        self._on_epoch(self.epoch)

    def _reopen(self) -> Writer:
        """Replace the damaged file; called in the thread."""
        if self._writer is not None:
            self._writer.abandon()
        if self._path.exists():
            log.error("history begins anew; the damaged file is now %s", set_aside(self._path))
        return self._open()


def _are_copies(one: PackedRun, other: PackedRun) -> bool:
    return one.nonces == other.nonces and one.content == other.content
