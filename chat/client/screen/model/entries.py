"""Define the entries of a log: one for each message and event.

A view keeps fifty thousand entries, so an entry holds only what the server sent, unchanged. ``lines`` decides how an
entry looks. Most entries never change; ``version`` differs whenever an entry that can change would look different.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import NamedTuple

from chat.client.attention.names import folded
from chat.client.conversation.transfer_list import Transfer
from chat.client.conversation.ui_events import Doubted, Tag
from chat.client.screen.text.spans import Row
from chat.protocol.descriptor import MessageType

# The limits of joins and leaves in one line: a line that names more, or covers a longer time, tells a reader nothing.
MAX_STEPS = 500
_MAX_STEP = 100  # characters of a name and reason; a longer one gets its own entry
MAX_SPAN = timedelta(hours=1)

# Marks of a message, in one number: fifty thousand messages have them.
_EARLIER, _ELSEWHERE, _WAITS = 1, 2, 4


class Entry:
    """Stand for one line or group of lines in a log.

    ``moment`` is the server's time, or the client's for an event that only the client knows of; it is in UTC or has a
    zone. ``is_message``: a user said it, so it counts as unread. ``seq`` is the number of a message, as the server
    counts. ``weight`` is an estimate of its memory, in characters.
    """

    __slots__ = ("moment",)
    is_message = False
    seq: int | None = None

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    @property
    def calls(self) -> bool:
        """Return whether it is a message for the user: it mentions them, or another user sent it to them alone."""
        return False

    @property
    def weight(self) -> int:
        """Return an estimate of the memory that the entry takes, in characters."""
        raise NotImplementedError

    @property
    def version(self) -> Hashable:
        """Return a value that changes whenever the entry would look different."""
        return None

    def search_text(self) -> str:
        """Return the text in which a search looks for words: of a message, what was said."""
        raise NotImplementedError


class Said(Entry):
    """Hold a text of ``sender``; ``to`` is None if it is for everyone. ``mentions``: it contains the user's name.

    ``earlier``: it was said before the user came. ``elsewhere``: another device of the user sent it. ``waits``: its
    recipient gets it when they come back.
    """

    __slots__ = ("_marks", "mentions", "own", "sender", "seq", "text", "to")
    is_message = True

    def __init__(
        self,
        moment: datetime,
        sender: str,
        text: str,
        to: str | None = None,
        own: bool = False,
        mentions: bool = False,
        earlier: bool = False,
        seq: int | None = None,
        elsewhere: bool = False,
        waits: bool = False,
    ) -> None:
        self.moment = moment
        self.sender = sender
        self.text = text
        self.to = to
        self.own = own
        self.mentions = mentions
        self.seq = seq
        self._marks = _packed(earlier, elsewhere, waits)

    @property
    def earlier(self) -> bool:
        """Return whether the message was said before the user came."""
        return self._marks & _EARLIER != 0

    @property
    def elsewhere(self) -> bool:
        """Return whether another device of the user sent the message."""
        return self._marks & _ELSEWHERE != 0

    @property
    def waits(self) -> bool:
        """Return whether the recipient gets the message when they come back."""
        return self._marks & _WAITS != 0

    @property
    def calls(self) -> bool:
        return self.mentions or (self.to is not None and not self.own)

    @property
    def weight(self) -> int:
        return len(self.text) + len(self.sender) + len(self.to or "") + 100

    def search_text(self) -> str:
        return self.text


class Shared(Entry):
    """Hold a file, an image or a voice message of ``sender``.

    ``transfer`` is its download; None for the user's own. ``picture`` is the image in half-block characters, once it
    has been drawn. ``earlier``, ``elsewhere`` and ``waits`` are as in ``Said``; ``size`` is None if the content was
    removed.
    """

    __slots__ = (
        "earlier",
        "elsewhere",
        "filename",
        "kind",
        "own",
        "picture",
        "sender",
        "seq",
        "size",
        "to",
        "transfer",
        "waits",
    )
    is_message = True

    def __init__(
        self,
        moment: datetime,
        sender: str,
        kind: MessageType,
        filename: str,
        size: int | None,
        to: str | None = None,
        own: bool = False,
        transfer: Transfer | None = None,
        earlier: bool = False,
        seq: int | None = None,
        elsewhere: bool = False,
        waits: bool = False,
    ) -> None:
        self.moment = moment
        self.sender = sender
        self.kind = kind
        self.filename = filename
        self.size = size
        self.to = to
        self.own = own
        self.transfer = transfer
        self.earlier = earlier
        self.seq = seq
        self.elsewhere = elsewhere
        self.waits = waits
        self.picture: tuple[Row, ...] = ()

    @property
    def calls(self) -> bool:
        return self.to is not None and not self.own

    @property
    def weight(self) -> int:
        return len(self.sender) + len(self.to or "") + 1000

    @property
    def version(self) -> Hashable:
        transfer = self.transfer
        if transfer is None:
            return len(self.picture)
        return transfer.state, transfer.done, transfer.path, transfer.problem, len(self.picture)

    def search_text(self) -> str:
        return self.filename


class Step(NamedTuple):
    """Record that a user joined or left."""

    moment: datetime
    name: str
    joined: bool
    reason: str | None = None

    @property
    def length(self) -> int:
        """Return the characters of the name and the reason."""
        return len(self.name) + len(self.reason or "")


class Movement(Entry):
    """Hold joins and leaves with nothing between them."""

    __slots__ = ("steps",)

    def __init__(self, first: Step) -> None:
        super().__init__(first.moment)
        self.steps = [first]

    @property
    def weight(self) -> int:
        return self.steps[0].length + 10_000  # the most that its steps can grow to, roughly

    @property
    def version(self) -> Hashable:
        return len(self.steps)

    def fold(self, step: Step) -> bool:
        """Add ``step`` if it fits into this entry; return whether it was added."""
        if len(self.steps) >= MAX_STEPS or step.length > _MAX_STEP:
            return False
        if step.moment - self.moment > MAX_SPAN:
            return False
        self.steps.append(step)
        return True

    def search_text(self) -> str:
        return " ".join(step.name for step in self.steps)


class Remark(Entry):
    """Hold at least one line that the client or the server says. ``style`` is the style of its words."""

    __slots__ = ("lines", "style")

    def __init__(self, moment: datetime, lines: tuple[str, ...], style: str) -> None:
        super().__init__(moment)
        self.lines = lines
        self.style = style

    @property
    def weight(self) -> int:
        return sum(map(len, self.lines)) + 100

    def search_text(self) -> str:
        return " ".join(self.lines)


class Pending(Entry):
    """Hold an own message that the server has not sent back yet: a text, or with a ``kind`` the file named ``text``.

    ``tag`` identifies its request. ``transfer`` is set once the upload of a large file has begun.
    """

    __slots__ = ("kind", "sender", "tag", "text", "to", "transfer")

    def __init__(
        self,
        moment: datetime,
        tag: Tag,
        sender: str,
        text: str,
        to: str | None = None,
        kind: MessageType | None = None,
    ) -> None:
        super().__init__(moment)
        self.tag = tag
        self.sender = sender
        self.text = text
        self.to = to
        self.kind = kind
        self.transfer: Transfer | None = None

    @property
    def weight(self) -> int:
        return len(self.text) + 100

    @property
    def version(self) -> Hashable:
        return None if self.transfer is None else (self.transfer.state, self.transfer.done)

    def search_text(self) -> str:
        return self.text


class Unsent(Entry):
    """Hold an own message that was not delivered, or may not have been; ``problem`` is a sentence."""

    __slots__ = ("problem", "what")

    def __init__(self, what: Pending, problem: str) -> None:
        super().__init__(what.moment)
        self.what = what
        self.problem = problem

    @property
    def weight(self) -> int:
        return self.what.weight + len(self.problem)

    def search_text(self) -> str:
        return self.what.search_text()


class Doubtful(Entry):
    """Hold an own line that was perhaps said. ``outcome`` says what became of it: None as long as nobody knows."""

    __slots__ = ("doubt", "outcome", "sender")

    def __init__(self, doubt: Doubted, sender: str) -> None:
        super().__init__(doubt.line.sent_at)
        self.doubt = doubt
        self.sender = sender
        self.outcome: str | None = None

    @property
    def weight(self) -> int:
        return len(self.doubt.line.text) + len(self.doubt.reason) + 100

    @property
    def version(self) -> Hashable:
        return self.outcome

    def search_text(self) -> str:
        return self.doubt.line.text


class PageLine(Entry):
    """Hold one line of a page, such as the help. A line that is not indented is a heading."""

    __slots__ = ("text",)

    def __init__(self, moment: datetime, text: str) -> None:
        super().__init__(moment)
        self.text = text

    @property
    def weight(self) -> int:
        return len(self.text) + 100

    @property
    def is_heading(self) -> bool:
        """Return whether the line is a heading."""
        return not self.text.startswith(" ")

    def search_text(self) -> str:
        return self.text


def is_own(entry: Entry) -> bool:
    """Return whether the user sent ``entry``, with any of their devices."""
    return isinstance(entry, Said | Shared) and entry.own


def log_of(entry: Entry) -> str | None:
    """Return the folded name of the other user of a private message; None for all other entries."""
    peer = peer_of(entry)
    return None if peer is None else folded(peer)


def peer_of(entry: Entry) -> str | None:
    """Return the other user of a private message; None if ``entry`` is not a private message."""
    if not isinstance(entry, _MESSAGES) or entry.to is None:
        return None
    return entry.to if entry.own else entry.sender


# To make the union of both at each call would take longer than the call.
_MESSAGES = (Said, Shared)


def _packed(earlier: bool, elsewhere: bool, waits: bool) -> int:
    return earlier * _EARLIER + elsewhere * _ELSEWHERE + waits * _WAITS
