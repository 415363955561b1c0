"""What stands in a log: one entry for each thing that was said or happened.

Fifty thousand are kept, so they are small: what the server sent, as it came. How they look is for ``lines`` to say.
Most never change; ``version`` is another value whenever one that can change would look different.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import NamedTuple

from chat.client.news import Tag
from chat.client.screen.spans import Row
from chat.client.transfer_list import Transfer
from chat.protocol.descriptor import MessageType

# Joins and leaves in one line: a line that tells of more, or of a longer time, tells nothing.
MAX_STEPS = 500
_MAX_STEP = 100  # characters of one; a longer one, from an odd server, is an entry of its own
MAX_SPAN = timedelta(hours=1)


class Entry:
    """``moment`` is the server's time, or ours for what only we know of. In UTC or aware of its zone.

    ``is_message``: somebody said it, so it counts as unread. ``weight``: what it takes in memory, in characters.
    """

    __slots__ = ("moment",)
    is_message = False

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    @property
    def weight(self) -> int:
        raise NotImplementedError

    @property
    def version(self) -> Hashable:
        return None

    def search_text(self) -> str:
        """Where a search looks."""
        raise NotImplementedError


class Said(Entry):
    """A text of ``sender``; ``to`` is None if it is for everyone. ``mentions``: it has our name in it."""

    __slots__ = ("mentions", "own", "sender", "text", "to")
    is_message = True

    def __init__(
        self,
        moment: datetime,
        sender: str,
        text: str,
        to: str | None = None,
        own: bool = False,
        mentions: bool = False,
    ) -> None:
        self.moment = moment
        self.sender = sender
        self.text = text
        self.to = to
        self.own = own
        self.mentions = mentions

    @property
    def weight(self) -> int:
        return len(self.text) + len(self.sender) + len(self.to or "") + 100

    def search_text(self) -> str:
        return f"{self.sender} {self.text}"


class Shared(Entry):
    """A file, an image or a voice message of ``sender``. ``transfer`` is how it comes to us; None if it is ours.

    ``picture``: the image in half-block characters, once it has been drawn.
    """

    __slots__ = ("filename", "kind", "own", "picture", "sender", "size", "to", "transfer")
    is_message = True

    def __init__(
        self,
        moment: datetime,
        sender: str,
        kind: MessageType,
        filename: str,
        size: int,
        to: str | None = None,
        own: bool = False,
        transfer: Transfer | None = None,
    ) -> None:
        self.moment = moment
        self.sender = sender
        self.kind = kind
        self.filename = filename
        self.size = size
        self.to = to
        self.own = own
        self.transfer = transfer
        self.picture: tuple[Row, ...] = ()

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
        return f"{self.sender} {self.filename}"


class Step(NamedTuple):
    """Somebody came in or left."""

    moment: datetime
    name: str
    joined: bool
    reason: str | None = None

    @property
    def length(self) -> int:
        """In characters."""
        return len(self.name) + len(self.reason or "")


class Movement(Entry):
    """Joins and leaves with nothing between them."""

    __slots__ = ("steps",)

    def __init__(self, first: Step) -> None:
        super().__init__(first.moment)
        self.steps = [first]

    @property
    def weight(self) -> int:
        return self.steps[0].length + 10_000  # it grows to no more than about that

    @property
    def version(self) -> Hashable:
        return len(self.steps)

    def fold(self, step: Step) -> bool:
        """Take one more, if it belongs here: the answer says whether."""
        if len(self.steps) >= MAX_STEPS or step.length > _MAX_STEP:
            return False
        if step.moment - self.moment > MAX_SPAN:
            return False
        self.steps.append(step)
        return True

    def search_text(self) -> str:
        return " ".join(step.name for step in self.steps)


class Remark(Entry):
    """What the client has to say, or the server: at least one line. ``style`` is that of the words."""

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
    """What we said and the server has not sent back yet: a text, or with a ``kind`` the file called ``text``.

    ``tag`` tells which request it was. ``transfer`` is there once a large file is on its way.
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
        return f"{self.sender} {self.text}"


class Unsent(Entry):
    """What we said and nobody heard, or may not have: ``problem`` is a sentence."""

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


def peer_of(entry: Entry) -> str | None:
    """With whom the private conversation is that ``entry`` belongs to; None: it is not private."""
    if not isinstance(entry, Said | Shared) or entry.to is None:
        return None
    return entry.to if entry.own else entry.sender
