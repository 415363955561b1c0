"""Call the engine's functions, with typed arguments and answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, NamedTuple

from chat.server.cluster.library import LIBRARY, FunctionLibrary
from chat.server.cluster.log_entry import EntryId
from chat.server.cluster.redis_connection import (
    Dialer,
    EngineConnection,
    EngineRefused,
)

_MOST_READ = 1 << 20  # bytes in one call, and one entry more
_MOST_TRIMMED = 50_000  # entries in one call, which takes the engine about 5 ms


class EngineVerdict(str, Enum):
    """List how the engine answers: the first word of each answer."""

    OK = "OK"
    DONE = "DONE"  # an earlier try of the same append was carried out
    OVER = "OVER"  # the lease of the caller has run out
    HELD = "HELD"  # another incarnation has the lease
    CUT = "CUT"  # the log is not the one that the caller has applied
    BEHIND = "BEHIND"  # what the caller needs was trimmed


class EngineAnswer(NamedTuple):
    """Hold the answer of a function. ``log.lua`` says what ``value`` and ``entries`` are."""

    verdict: EngineVerdict
    value: int = 0
    entries: tuple[bytes, ...] = ()


class WriterId(NamedTuple):
    """Name a server to the engine: the log's epoch, the server's name, and the random token of this run."""

    epoch: str
    name: str
    incarnation: str


class LogKeys:
    """The keys of a log whose names begin with ``prefix``, in the order in which the functions take them."""

    def __init__(self, prefix: str) -> None:
        self.all = tuple(f"{prefix}:{name}" for name in ("head", "log", "leases", "counters"))
        self.channel = f"{prefix}:entries"


class EngineLine:
    """A connection by which one greenlet calls the functions. Each call raises EngineAway when the engine is away."""

    def __init__(
        self, connection: EngineConnection, keys: LogKeys, library: FunctionLibrary = LIBRARY
    ) -> None:
        self.connection = connection
        self._keys = keys
        self._library = library

    def create(self, epoch: str) -> str | None:
        """Begin a log unless there is one. Return the epoch of the log; None for the remains of a log."""
        answer = self._call("FCALL", "create", epoch)
        return answer[1].decode() if answer[0] == b"OK" else None

    def begin(self, epoch: str) -> bool:
        """Begin a log; return whether that was done. There may be one already, or the remains of one."""
        answer = self._call("FCALL", "create", epoch)
        return bool(answer[0] == b"OK" and len(answer) > 2)

    def drop(self, epoch: str) -> EngineAnswer:
        """Remove the log with ``epoch`` if no server follows it."""
        return self._answer("FCALL", "drop", epoch)

    def append(
        self, writer: WriterId, counter: int, applied: EntryId, payload: bytes
    ) -> EngineAnswer:
        """Append an entry; ``applied`` is the last entry that the writer has applied."""
        return self._answer("FCALL", "append", *self._called(writer), counter, *applied, payload)

    def take_lease(self, writer: WriterId, seconds: float, applied: EntryId) -> EngineAnswer:
        """Take the lease of the writer's name."""
        return self._hold(writer, seconds, "take", applied)

    def renew_lease(self, writer: WriterId, seconds: float, applied: EntryId) -> EngineAnswer:
        """Renew the lease, and fence the servers whose leases have run out."""
        return self._hold(writer, seconds, "renew", applied)

    def release_lease(self, writer: WriterId) -> EngineAnswer:
        """End the lease at once."""
        return self._answer("FCALL", "release", *self._called(writer))

    def read(self, writer: WriterId, applied: EntryId, count: int) -> EngineAnswer:
        """Read up to ``count`` entries behind ``applied``."""
        return self._answer("FCALL_RO", "read", writer.epoch, *applied, count, _MOST_READ)

    def trim(self, writer: WriterId, keep: float) -> EngineAnswer:
        """Remove entries older than ``keep`` seconds that every server has applied."""
        return self._answer("FCALL", "trim", writer.epoch, int(keep * 1000), _MOST_TRIMMED)

    def _hold(self, writer: WriterId, seconds: float, how: str, applied: EntryId) -> EngineAnswer:
        length = int(seconds * 1000)
        return self._answer("FCALL", "hold", *self._called(writer), length, how, *applied)

    def _called(self, writer: WriterId) -> tuple[str, ...]:
        return (writer.epoch, self._keys.channel, writer.name, writer.incarnation)

    def _answer(self, command: str, function: str, *arguments: str | bytes | int) -> EngineAnswer:
        word, *rest = self._call(command, function, *arguments)
        value = rest[0] if rest else 0
        return EngineAnswer(
            EngineVerdict(word.decode()), value, tuple(rest[1]) if len(rest) > 1 else ()
        )

    def _call(self, command: str, function: str, *arguments: str | bytes | int) -> Any:
        name = self._library.function(function)
        sent = (command, name, len(self._keys.all), *self._keys.all, *arguments)
        try:
            return self.connection.call(*sent)
        except EngineRefused as refused:
            # A new engine, or one that has lost its data.
            if "Function not found" not in str(refused):
                raise
        self._load()
        return self.connection.call(*sent)

    def _load(self) -> None:
        try:
            self.connection.call("FUNCTION", "LOAD", self._library.text)
        except EngineRefused as refused:
            # Another server was faster.
            if "already exists" not in str(refused):
                raise


class Redialing:
    """Lend a line to one greenlet, and connect again after a line has failed."""

    def __init__(self, dialer: Dialer, library: FunctionLibrary) -> None:
        self.keys = LogKeys(dialer.url.prefix)
        self._dialer = dialer
        self._library = library
        self._line: EngineLine | None = None

    @contextmanager
    def line(self) -> Iterator[EngineLine]:
        """Return a line. Raises EngineAway if there is none. An exception from the block closes the line."""
        if self._line is not None and self._line.connection.is_doubtful:
            # The engine was away, and has perhaps ended this connection: that would be told as a second failure.
            self.close()
        if self._line is None:
            self._line = self.dial()
        try:
            yield self._line
        except BaseException:
            # Also after a refusal: a primary that has become a replica refuses, and another one has to be found.
            self.close()
            raise

    def dial(self) -> EngineLine:
        """Open a further line, which the caller closes. Raises EngineAway."""
        return EngineLine(self._dialer.dial(), self.keys, self._library)

    def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.connection.close()
