"""Append the records of this server to the log: one entry at a time, again until this server has read it back.

Records that come while an entry is under way go into the next one. So a lone record waits for one round trip, and in
a flood many records share an entry.

The engine's answer is not the end: a failover may take the entry back that the old primary had taken. Then the entry is
appended again, by the same number, before any other of this server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import gevent
from gevent.event import Event

from chat.server.cluster.engine_line import EngineVerdict, Redialing, WriterId
from chat.server.cluster.lease import Lease, end_by
from chat.server.cluster.log_entry import EntryId, pack_records
from chat.server.cluster.redis_connection import EngineAway
from chat.server.cluster.replication_limits import ReplicationLimits
from chat.server.cluster.standing import StandingBoard
from chat.server.log.log import LogClosed, LogFull

PART = "append"
_FULL = "The server cannot confirm messages now; try again in a moment."


class Appender:
    """Append records as ``writer``. ``applied`` returns the last entry that this server has applied.

    A record waits here until this server has read it back.
    """

    def __init__(
        self,
        redialing: Redialing,
        writer: WriterId,
        lease: Lease,
        board: StandingBoard,
        limits: ReplicationLimits,
        applied: Callable[[], EntryId],
    ) -> None:
        self.waiting_bytes = 0  # of records that were not read back
        self.waiting_records = 0
        self._redialing = redialing
        self._writer = writer
        self._lease = lease
        self._board = board
        self._limits = limits
        self._applied = applied
        self._queue: deque[bytes] = deque()
        self._counter = 0
        self._under_way = (0, 0)  # records and bytes of the entry that is under way
        self._has_work = Event()
        self._is_read_back = Event()
        self._is_idle = Event()
        self._is_idle.set()
        self._is_closed = False

    def append(self, record: bytes) -> None:
        """Put ``record`` behind the others, without waiting.

        Raises:
            LogFull: too much waits.
            LogClosed: the log has ended, or takes no more.
            ValueError: the record is larger than any entry.
        """
        limits = self._limits
        if self._is_closed or self._board.has_ended:
            raise LogClosed
        if len(record) > limits.max_record:
            raise ValueError(f"a record of {len(record)} bytes: at most {limits.max_record}")
        if (
            self.waiting_bytes + len(record) > limits.max_waiting
            or self.waiting_records >= limits.max_waiting_records
        ):
            raise LogFull(_FULL)
        self.waiting_bytes += len(record)
        self.waiting_records += 1
        self._queue.append(record)
        self._has_work.set()
        self._is_idle.clear()

    def note_read_back(self, counter: int) -> None:
        """Note that the entry ``counter`` of this server was applied here."""
        if counter != self._counter or self._is_read_back.is_set():
            raise ValueError(
                f"entry {counter} of this server was read, {self._counter} is under way"
            )
        records, size = self._under_way
        self.waiting_records -= records
        self.waiting_bytes -= size
        self._is_read_back.set()
        if not self.waiting_records:
            self._is_idle.set()

    def close(self) -> None:
        """Take no more records."""
        self._is_closed = True

    def wait_until_read_back(self, timeout: float) -> bool:
        """Wait until each record was read back, or the log ends; return whether each was."""
        gevent.wait([self._is_idle, self._board.ended], timeout, 1)
        return self._is_idle.is_set()

    def run(self) -> None:
        """Append what waits until the log ends."""
        while not self._board.has_ended:
            if not self._has_work.wait(self._limits.look):
                continue
            payload = self._begin_entry()
            while not self._board.has_ended:
                if not self._try(payload):
                    self._board.ended.wait(self._limits.retry)
                elif self._is_read_back.wait(self._limits.answer):
                    break

    def _begin_entry(self) -> bytes:
        """Take what fits into an entry off the queue, and return it."""
        records = [self._queue.popleft()]
        size = len(records[0])
        while self._queue and size + len(self._queue[0]) <= self._limits.max_entry:
            record = self._queue.popleft()
            records.append(record)
            size += len(record)
        if not self._queue:
            self._has_work.clear()
        self._counter += 1
        self._under_way = len(records), size
        self._is_read_back.clear()
        return pack_records(records)

    def _try(self, payload: bytes) -> bool:
        """Try once to append the entry under way; return whether the engine has it."""
        if not self._lease.check():
            return False
        try:
            with self._redialing.line() as line:
                answer = line.append(self._writer, self._counter, self._applied(), payload)
        except EngineAway as away:
            self._board.trouble(PART, str(away))
            return False
        if answer.verdict not in (EngineVerdict.OK, EngineVerdict.DONE):
            end_by(self._board, answer.verdict)
            return False
        self._board.well(PART)
        return True
