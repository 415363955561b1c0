"""The values that history keeps and gives back."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

from chat.protocol.descriptor import MessageType

DIGEST_SIZE = 32  # bytes of a SHA-256

# The kinds of logs. Not an Enum, whose hash is slow: each message looks its log up.
ROOM, MAILBOX, GUEST = "room", "mailbox", "guest"


class LogName(NamedTuple):
    """Name a log of messages that are numbered from 1.

    A ``ROOM`` is named by the key of its name, a ``MAILBOX`` (the private messages of one account) by the random id of
    the account, and the private messages of a ``GUEST``, which are never stored, by the key of the guest's name.
    """

    kind: str
    key: str


DEFAULT_ROOM = LogName(ROOM, "lobby")


def mailbox_of(account_id: bytes | None, name_key: str) -> LogName:
    """Return the log of a user's private messages: that of their account, or that of the guest with ``name_key``."""
    return LogName(GUEST, name_key) if account_id is None else LogName(MAILBOX, account_id.hex())


class StoredRun(NamedTuple):
    """Hold a run of messages with consecutive numbers, as the log has committed it.

    ``first`` is the number of the first message; ``timestamp`` is RFC 3339 in UTC. ``to`` is the display name of the
    recipient of private messages. ``author`` identifies the sender beyond their name: the id of their account, or the
    hash of their device; empty for neither. ``nonces`` and ``contents`` have one item for each message. Texts travel
    in runs; an attachment is a run of one and has a ``filename``. If its content is too large for the history, the run
    has its SHA-256 in place of it (see ``digest``), or nothing if it is not kept. ``size`` is the number of bytes that
    the whole run had. ``purged`` has the numbers of messages whose content was removed. ``partner`` is the id of the
    other user's account, in a log of private messages; empty for a guest. ``waiting``: the recipient was not here.
    """

    log: LogName
    first: int
    timestamp: str
    sender: str
    to: str | None
    author: bytes
    type: MessageType
    nonces: Sequence[bytes | None]
    contents: Sequence[bytes]
    filename: str | None = None
    size: int = 0
    purged: frozenset[int] = frozenset()
    partner: bytes = b""
    waiting: bool = False

    @property
    def last(self) -> int:
        """The number of the last message."""
        return self.first + len(self.contents) - 1

    @property
    def digest(self) -> bytes | None:
        """The SHA-256 of the content of an attachment that is kept as a file, beside the history."""
        content = self.contents[0]
        is_file = len(content) == DIGEST_SIZE < self.size and self.type is not MessageType.UTF8
        return content if is_file else None

    @property
    def bytes(self) -> int:
        """The size of all contents in memory."""
        return sum(map(len, self.contents))

    def slice(self, after: int, before: int | None) -> StoredRun | None:
        """Return the part with numbers over ``after`` and under ``before``; None if that is nothing."""
        start = max(0, after + 1 - self.first)
        stop = (
            len(self.contents) if before is None else min(len(self.contents), before - self.first)
        )
        if start >= stop:
            return None
        if start == 0 and stop == len(self.contents):
            return self
        return self._part(start, stop)

    def messages(self) -> list[StoredRun]:
        """Return the run as runs of one message each."""
        return [self._part(index, index + 1) for index in range(len(self.contents))]

    def without(self, numbers: AbstractSet[int]) -> StoredRun:
        """Return the run with the contents of the messages with ``numbers`` removed, and the name of their file."""
        gone = frozenset(numbers).intersection(range(self.first, self.last + 1))
        if not gone:
            return self
        contents = [
            b"" if number in gone else content
            for number, content in enumerate(self.contents, self.first)
        ]
        return self._replace(contents=contents, filename=None, purged=self.purged | gone)

    def _part(self, start: int, stop: int) -> StoredRun:
        numbers = range(self.first + start, self.first + stop)
        return self._replace(
            first=numbers.start,
            nonces=self.nonces[start:stop],
            contents=self.contents[start:stop],
            purged=self.purged.intersection(numbers) if self.purged else self.purged,
        )


class Hole(NamedTuple):
    """Name a range of numbers, both included, whose messages were lost."""

    first: int
    last: int


class Recorder(Protocol):
    """List what a room needs to have its messages kept."""

    @property
    def epoch(self) -> str: ...

    @property
    def is_suspended(self) -> bool: ...

    def state(self, name: LogName) -> LogState: ...

    def keep(self, run: StoredRun) -> None:
        """Keep ``run``, without waiting. Its log has begun."""


class LogState(NamedTuple):
    """Describe one log: the last number given, the time of its message, the first number kept, and what was lost.

    ``head`` is 0 and ``time`` None before the first message. ``oldest`` is ``head + 1`` if nothing is kept.
    """

    head: int = 0
    time: str | None = None
    oldest: int = 1
    lost: tuple[Hole, ...] = ()


class HistoryPage(NamedTuple):
    """Hold messages in order, and the holes in their range. ``more``: others follow in the direction of the page."""

    runs: list[StoredRun]
    more: bool
    lost: list[Hole]
