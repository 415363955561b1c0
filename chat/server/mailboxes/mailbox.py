"""Count what is unread in one mailbox, by partner, and what waits there for a user who is not here."""

from __future__ import annotations

from typing import NamedTuple

from chat.server.settings import WaitingBounds

# Ranges of unread messages of one partner that are counted apart. Beyond it, the oldest ones are counted together.
_MAX_STRETCHES = 64
# Partners whose unread messages are counted. Guests with ever new names must not fill the memory.
MAX_PARTNERS = 100


class _Stretch(NamedTuple):
    """Unread messages: so many ``messages`` of those with numbers from ``first`` to ``last``."""

    first: int
    last: int
    messages: int


class Correspondence:
    """The unread messages of one partner. ``account`` is the id of the partner's account; empty for a guest."""

    __slots__ = ("_stretches", "account", "name")

    def __init__(self) -> None:
        self.name = ""
        self.account = b""
        self._stretches: list[_Stretch] = []

    @property
    def unread(self) -> int:
        return sum(stretch.messages for stretch in self._stretches)

    @property
    def first(self) -> int:
        """The number of the first unread message."""
        return self._stretches[0].first

    @property
    def last(self) -> int:
        """The number of the last message."""
        return self._stretches[-1].last

    def add(self, first: int, count: int) -> None:
        """Count ``count`` further messages, numbered from ``first`` on."""
        stretches, last = self._stretches, first + count - 1
        if stretches and stretches[-1].last + 1 == first:
            before = stretches[-1]
            stretches[-1] = _Stretch(before.first, last, before.messages + count)
            return
        stretches.append(_Stretch(first, last, count))
        self._merge_oldest()

    def extend(self, later: Correspondence) -> None:
        """Count the messages of ``later`` too, which are newer."""
        self._stretches += later._stretches
        self._merge_oldest()

    def _merge_oldest(self) -> None:
        stretches = self._stretches
        while len(stretches) > _MAX_STRETCHES:
            oldest, next = stretches[:2]
            stretches[:2] = [_Stretch(oldest.first, next.last, oldest.messages + next.messages)]

    def read(self, number: int) -> bool:
        """Note that the messages up to ``number`` were read; return whether others are unread."""
        stretches = self._stretches
        while stretches and stretches[0].last <= number:
            del stretches[0]
        if stretches and stretches[0].first <= number:
            # Of a stretch of several ranges, no more can be unread than it has numbers left.
            _, last, count = stretches[0]
            stretches[0] = _Stretch(number + 1, last, min(count, last - number))
        return bool(stretches)


class Mailbox:
    """The mailbox of one account. ``partners`` are those with unread messages, by the key of the partner's name.

    The partner with the newest message is the last one. ``waiting`` counts the messages since the user was here
    last.
    """

    __slots__ = ("_waiting_bytes", "_waiting_of", "partners", "waiting")

    def __init__(self) -> None:
        self.partners: dict[str, Correspondence] = {}
        self.waiting = self._waiting_bytes = 0
        self._waiting_of: dict[bytes, int] = {}  # by the account of the sender

    @property
    def unread(self) -> int:
        return sum(partner.unread for partner in self.partners.values())

    def receive(self, key: str, name: str, account: bytes, first: int, count: int) -> None:
        """Count messages of the partner with the ``key`` of a name, numbered from ``first`` on."""
        self._newest(key, name, account).add(first, count)

    def extend(self, later: Mailbox) -> None:
        """Count the messages of ``later`` too, which are newer."""
        for key, partner in later.partners.items():
            self._newest(key, partner.name, partner.account).extend(partner)
        self.waiting += later.waiting
        self._waiting_bytes += later._waiting_bytes
        for sender, count in later._waiting_of.items():
            self._waiting_of[sender] = self._waiting_of.get(sender, 0) + count

    def _newest(self, key: str, name: str, account: bytes) -> Correspondence:
        """Return the partner with ``key``, who has written now, as the last one of all."""
        partners = self.partners
        partner = partners.pop(key, None)
        if partner is None:
            partner = Correspondence()
            if len(partners) >= MAX_PARTNERS:
                del partners[next(iter(partners))]
        partners[key] = partner
        partner.name, partner.account = name, account
        return partner

    def read(self, key: str, number: int) -> None:
        """Note that the messages of a partner up to ``number`` were read."""
        partner = self.partners.get(key)
        if partner is not None and not partner.read(number):
            del self.partners[key]

    def drop_before(self, oldest: int) -> None:
        """Forget messages that are not kept any more: those with numbers under ``oldest``."""
        for key, partner in list(self.partners.items()):
            if partner.first < oldest:
                self.read(key, oldest - 1)

    def wait(self, sender: bytes, count: int, size: int) -> None:
        """Count messages of the account ``sender``, which wait for the user. ``size`` is in bytes."""
        self.waiting += count
        self._waiting_bytes += size
        self._waiting_of[sender] = self._waiting_of.get(sender, 0) + count

    def waiting_by_sender(self) -> tuple[int, dict[str, int]]:
        """Return the bytes that wait, and the numbers of messages by the account of the sender, in hex digits."""
        counts = sorted(self._waiting_of.items())
        return self._waiting_bytes, {sender.hex(): count for sender, count in counts if count}

    def refuse(self, sender: bytes, count: int, size: int) -> None:
        """Take back what ``wait`` has counted, as far as the user has not been here since."""
        self.waiting = max(0, self.waiting - count)
        self._waiting_bytes = max(0, self._waiting_bytes - size)
        self._waiting_of[sender] = max(0, self._waiting_of.get(sender, 0) - count)

    def is_full_for(
        self, sender: bytes, count: int, size: int, bounds: WaitingBounds
    ) -> str | None:
        """Return why ``count`` messages of ``sender`` must not wait here, in words; None if they may."""
        if self._waiting_of.get(sender, 0) + count > bounds.of_one:
            return f"{bounds.of_one:,} messages of yours wait there, which is the limit"
        if self.waiting + count > bounds.messages or self._waiting_bytes + size > bounds.size:
            return "the mailbox is full"
        return None

    def came(self) -> None:
        """Note that the user is here: nothing waits any more."""
        self.waiting = self._waiting_bytes = 0
        self._waiting_of.clear()
