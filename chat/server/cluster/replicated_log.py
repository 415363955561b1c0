"""A log of opaque records that several servers share: append, read back, lease, and how this server stands to it.

A record is said when its entry is in the engine's log. Every server applies what it reads back, also the server that
has appended it. So all servers apply the same entries in the same order.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection

import gevent

from chat.net.engine_url import EngineUrl
from chat.server.cluster.appender import PART as APPEND
from chat.server.cluster.appender import Appender
from chat.server.cluster.engine_line import Redialing, WriterId
from chat.server.cluster.lease import PART as LEASE
from chat.server.cluster.lease import Lease, boot_time
from chat.server.cluster.library import LIBRARY, FunctionLibrary
from chat.server.cluster.log_entry import ORIGIN, EntryId, LogEntry
from chat.server.cluster.log_reader import PART as READ
from chat.server.cluster.log_reader import LogReader
from chat.server.cluster.redis_connection import Dialer
from chat.server.cluster.replication_limits import (
    DEFAULT_LIMITS,
    SHORTEST_KEEP,
    ReplicationLimits,
)
from chat.server.cluster.standing import Standing, StandingBoard

log = logging.getLogger("chat.server")


class ReplicatedLog:
    """The log with ``epoch`` in the engine at ``url``, as the server ``name`` follows it behind ``applied``.

    ``apply`` gets each entry in the event loop, and must not wait. ``tell`` gets each change of the standing, with a
    reason for the operator. ``fenced`` are the writers that had ended at ``applied``. After an end, a server needs
    another ReplicatedLog.
    """

    def __init__(
        self,
        url: EngineUrl,
        name: str,
        epoch: str,
        *,
        apply: Callable[[LogEntry], object],
        tell: Callable[[Standing, str], object],
        applied: EntryId = ORIGIN,
        fenced: Collection[str] = (),
        limits: ReplicationLimits = DEFAULT_LIMITS,
        clock: Callable[[], float] = boot_time,
        library: FunctionLibrary = LIBRARY,
    ) -> None:
        if limits.keep < SHORTEST_KEEP:
            raise ValueError(f"entries are kept for {SHORTEST_KEEP:g} s at least")
        # Random, so that two servers with one name, or one that was started anew, are two writers.
        self.epoch = epoch
        self.incarnation = secrets.token_urlsafe(12)
        writer = WriterId(epoch, name, self.incarnation)
        self._board = board = StandingBoard((APPEND, LEASE, READ), tell)
        # A connection each: a large entry must not delay the renewal of the lease.
        dialer = Dialer(url, limits.answer)
        self._lines = tuple(Redialing(dialer, library) for _ in range(3))
        append_line, lease_line, read_line = self._lines
        self.lease = Lease(
            lease_line,
            writer,
            board,
            limits,
            applied=lambda: self.applied,
            on_head=lambda head: self.reader.note_head(head),
            clock=clock,
        )
        self._appender = Appender(
            append_line, writer, self.lease, board, limits, lambda: self.applied
        )
        self.reader = LogReader(
            read_line,
            writer,
            self.lease,
            board,
            limits,
            applied=applied,
            fenced=fenced,
            replicas=url.replicas,
            apply=apply,
            on_read_back=self._appender.note_read_back,
        )
        self._tasks: list[gevent.Greenlet[..., None]] = []

    @property
    def applied(self) -> EntryId:
        """Return the last entry that was given to ``apply``, or passed over as void."""
        return self.reader.applied

    @property
    def head(self) -> int:
        """The number of the last entry, as far as this server was told."""
        return max(self.reader.head, self.applied.n)

    @property
    def standing(self) -> Standing:
        return self._board.standing

    @property
    def waiting(self) -> tuple[int, int]:
        """Return the records that were not read back, and their bytes."""
        return self._appender.waiting_records, self._appender.waiting_bytes

    def start(self) -> None:
        """Take the lease, and begin to follow the log. Called once. Raises EngineAway or LeaseRefused."""
        try:
            self.lease.take()
        except BaseException:
            self._close_lines()
            raise
        self._board.well(LEASE)
        self._board.well(APPEND)
        runs = (self._appender.run, self.reader.run, self.lease.run, self.lease.watch)
        self._tasks = [gevent.spawn(self._run, run) for run in runs]

    def append(self, record: bytes) -> None:
        """Append ``record``, without waiting; it is said when it comes to ``apply``. Raises LogFull or LogClosed."""
        self._appender.append(record)

    def fail(self, reason: str) -> None:
        """Leave the log for good, because this server cannot go on."""
        self._board.end(Standing.FAILED, reason)

    def close(self, timeout: float) -> bool:
        """Take no more records; leave the log when each was read back, within ``timeout`` seconds.

        Return whether each was. Otherwise the records that are left may be in the log or not.
        """
        self._appender.close()
        is_done = self._appender.wait_until_read_back(timeout)
        was_following = not self._board.has_ended
        self._board.end(Standing.CLOSED, "")
        gevent.killall(self._tasks)
        if was_following:
            self.lease.release()
        self._close_lines()
        return is_done

    def _run(self, run: Callable[[], object]) -> None:
        try:
            run()
        except Exception as fault:
            # A server that has applied half of an entry must not go on.
            log.exception("the log of the cluster cannot go on")
            self._board.end(Standing.FAILED, f"{type(fault).__name__}: {fault}")

    def _close_lines(self) -> None:
        for line in self._lines:
            line.close()
