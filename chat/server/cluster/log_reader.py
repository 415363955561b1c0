"""Read the log as the engine publishes it, and apply its entries, in order and without a hole.

A published entry may be lost: with a connection, or because this server reads too slowly. So the reader compares the
numbers. It reads what is missing from the log itself: behind each subscription, at a hole, and when a renewal of the
lease tells that the log is longer.

With replicas, an entry is applied only when they have it. Otherwise a replica that becomes the primary could lack what
users have seen.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from contextlib import closing

from chat.process.fairness import yield_to_loop
from chat.server.cluster.engine_line import EngineLine, EngineVerdict, Redialing, WriterId
from chat.server.cluster.lease import LOST, Lease, end_by
from chat.server.cluster.log_entry import EntryId, LogEntry, parse_entry
from chat.server.cluster.redis_connection import EngineAway, EngineConnection
from chat.server.cluster.replication_limits import ReplicationLimits
from chat.server.cluster.standing import Standing, StandingBoard

PART = "read"
_PAGE = 16  # entries that one call reads
_BATCH, _BATCH_BYTES = (
    64,
    512 << 10,
)  # entries that are applied before others in the loop have a turn
_MOST_FENCED = 1000  # ended writers that are remembered; a late entry comes soon or never
_LOOKS_TO_PING = 5


class _Left(Exception):
    """The log has ended for this server."""


class LogReader:
    """Give every entry behind ``applied`` to ``apply``, in the event loop.

    ``fenced`` are the writers that had ended there. ``on_read_back`` gets the counter of each entry of ``writer``.
    """

    def __init__(
        self,
        redialing: Redialing,
        writer: WriterId,
        lease: Lease,
        board: StandingBoard,
        limits: ReplicationLimits,
        *,
        applied: EntryId,
        fenced: Collection[str],
        replicas: int,
        apply: Callable[[LogEntry], object],
        on_read_back: Callable[[int], object],
    ) -> None:
        self.applied = applied
        self.fenced: OrderedDict[str, None] = OrderedDict.fromkeys(fenced)
        self._redialing = redialing
        self._writer = writer
        self._lease = lease
        self._board = board
        self._limits = limits
        self._replicas = replicas
        self._apply = apply
        self._on_read_back = on_read_back
        self.head = 0  # n of the log's last entry, as far as this server was told
        self._read_up_to = 0  # n of the log's last entry, when the log itself was read last

    def note_head(self, head: int) -> None:
        """Note that the log has an entry ``head``."""
        self.head = max(self.head, head)

    def run(self) -> None:
        """Apply entries until the log ends."""
        while not self._board.has_ended:
            try:
                self._follow()
            except EngineAway as away:
                self._board.trouble(PART, str(away))
                self._board.ended.wait(self._limits.retry)
            except _Left:
                return

    def _follow(self) -> None:
        """Subscribe, and apply entries until a connection fails."""
        with closing(self._redialing.dial().connection) as news:
            line = self._redialing.dial()
            with closing(line.connection):
                if news.node != line.connection.node:
                    raise EngineAway("the name of the engine leads to two engines")
                news.send("SUBSCRIBE", self._redialing.keys.channel)
                if news.receive(self._limits.answer) is None:
                    raise EngineAway("the engine does not answer to SUBSCRIBE")
                self._read_log(line)
                self._board.well(PART)
                self._listen(news, line)

    def _listen(self, news: EngineConnection, line: EngineLine) -> None:
        looks = taken = size = 0
        while True:
            told = self.head
            message = news.receive(self._limits.look)
            if message is None:
                looks += 1
                if told > self.applied.n:
                    self._read_log(line)
                    if told > self.applied.n:
                        raise EngineAway("this engine lacks entries that another one has")
                if looks == _LOOKS_TO_PING:
                    news.send("PING")
                elif looks > _LOOKS_TO_PING + self._limits.answer / self._limits.look:
                    raise EngineAway("the engine is silent")
                continue
            looks = 0
            packed = self._gather(news, message)
            self._take(packed, line)
            taken += len(packed)
            size += sum(map(len, packed))
            # A read that finds something lets nobody else run.
            if taken >= _BATCH or size >= _BATCH_BYTES:
                taken = size = 0
                yield_to_loop()

    def _gather(self, news: EngineConnection, message: list[bytes] | None) -> list[bytes]:
        """Return the entry in ``message``. With replicas, return also those behind it, to wait for them together."""
        packed: list[bytes] = []
        size = 0
        while message is not None:
            if message[0] == b"message":
                packed.append(message[2])
                size += len(message[2])
            if not self._replicas or len(packed) >= _BATCH or size >= _BATCH_BYTES:
                break
            message = news.receive(0)
        return packed

    def _take(self, packed: list[bytes], line: EngineLine) -> None:
        """Apply published entries, and what is missing before them."""
        entries = [parse_entry(each) for each in packed]
        following = self.applied.n + 1
        fresh = []
        for entry in entries:
            if entry.id.n == following:
                fresh.append(entry)
                following += 1
            elif entry.id.n > following or entry.id.n > self._read_up_to:
                # A hole; or a log that was replaced counts anew.
                fresh = []
                self._read_log(line)
                following = self.applied.n + 1
        self._apply_all(fresh, line)

    def _read_log(self, line: EngineLine) -> None:
        """Apply all entries of the log behind ``applied``. Raises _Left if the log does not go on there."""
        while True:
            answer = line.read(self._writer, self.applied, _PAGE)
            if answer.verdict is not EngineVerdict.OK:
                end_by(self._board, answer.verdict)
                raise _Left
            self._apply_all([parse_entry(each) for each in answer.entries], line)
            self._read_up_to = answer.value
            if self.applied.n >= answer.value:
                return
            yield_to_loop()

    def _apply_all(self, entries: Sequence[LogEntry], line: EngineLine) -> None:
        if not entries:
            return
        self._wait_for_replicas(line.connection)
        for entry in entries:
            self._apply_one(entry)

    def _wait_for_replicas(self, connection: EngineConnection) -> None:
        """Wait until the replicas have all that this engine has said. Raises EngineAway if they do not get it."""
        if not self._replicas:
            return
        # WAIT counts from the last command of its own connection. And it must be the engine that was read: an old
        # primary that was cut off has no replica any more.
        patience = int(self._limits.answer * 1000 / 2)
        _, reached = connection.call_both(("PING",), ("WAIT", self._replicas, patience))
        if reached < self._replicas:
            raise EngineAway(f"{reached} of {self._replicas} replicas have the last entries")

    def _apply_one(self, entry: LogEntry) -> None:
        if not self._lease.check():
            raise _Left
        if not self._goes_on(entry):
            self._board.end(Standing.CUT, LOST)
            raise _Left
        if entry.is_fence:
            self._fence(entry.id.writer)
        elif self._is_void(entry):
            self.applied = entry.id
            return
        # Before `apply`: what it appends is behind this entry.
        self.applied = entry.id
        self._apply(entry)
        if entry.id.writer == self._writer.incarnation:
            self._on_read_back(entry.id.counter)

    def _goes_on(self, entry: LogEntry) -> bool:
        """Return whether ``entry`` was written behind the entry that was applied last."""
        return entry.before == self.applied

    def _is_void(self, entry: LogEntry) -> bool:
        """Return whether the writer of ``entry`` had ended before."""
        return entry.id.writer in self.fenced

    def _fence(self, writer: str) -> None:
        if writer == self._writer.incarnation:
            self._board.end(Standing.OVER, "another server has ended the lease of this one")
            raise _Left
        self.fenced[writer] = None
        if len(self.fenced) > _MOST_FENCED:
            self.fenced.popitem(last=False)
