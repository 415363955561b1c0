"""Keep the names of the members as JSON, for the welcome, and which of them are registered or moderators.

Every welcome lists all names. To encode or join ten thousand names again for each login would be most of its cost when
many users log in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chat.protocol.headers import encode_json
from chat.server.directory.member import Member


class Roster:
    """Hold the members of a room. ``names`` has the name of each in JSON: each message looks there.

    A user may have several sessions here, and is listed once. ``others`` are the other sessions of the same user that
    are here. All sessions of a user have the same name.
    """

    def __init__(self) -> None:
        self.everyone = NameList()
        self._registered = NameList()
        self._moderators = NameList()
        self.names: Mapping[Member, bytes] = self.everyone.encoded

    @property
    def users(self) -> int:
        """The number of users who are here."""
        return len(self.everyone)

    def add(self, member: Member, others: Sequence[Member] = ()) -> None:
        """Add ``member``, as they are now."""
        name = self.names[others[0]] if others else encode_json(member.name.display)
        self.everyone.add(member, name, others)
        self.update(member, others)

    def update(self, member: Member, others: Sequence[Member] = ()) -> None:
        """Note whether ``member``, who is here, is registered and a moderator now."""
        for listed, belongs in (
            (self._registered, member.registered),
            (self._moderators, member.moderator),
        ):
            if belongs:
                listed.add(member, self.names[member], others)
            else:
                listed.remove(member, others)

    def remove(self, member: Member, others: Sequence[Member] = ()) -> None:
        """Remove ``member``, who is here."""
        for listed in (self.everyone, self._registered, self._moderators):
            listed.remove(member, others)

    def names_json(self) -> bytes:
        """Return the names of the members in the order in which they joined, as a JSON array."""
        return self.everyone.json()

    def json(self) -> bytes:
        """Return all names, those of registered members, and those of moderators, as a JSON object.

        Only members are listed: nobody learns from a welcome whether the name of a user who is not here is registered.
        """
        names, registered, moderators = (
            listed.json() for listed in (self.everyone, self._registered, self._moderators)
        )
        return b'{"users":%b,"registered":%b,"moderators":%b}' % (names, registered, moderators)


class NameList:
    """Hold members in the order in which they were added, each with the name of the user in JSON.

    ``encoded`` is for reading only.
    """

    # There may be thousands of rooms, each with a list.
    __slots__ = ("_doubles", "_joined", "encoded")

    def __init__(self) -> None:
        self.encoded: dict[Member, bytes] = {}
        # All names, each once, joined by commas; empty after a name was removed.
        self._joined = bytearray()
        self._doubles = 0  # sessions of users who have another one in the list

    def __len__(self) -> int:
        """Return the number of users."""
        return len(self.encoded) - self._doubles

    def add(self, member: Member, name: bytes, others: Sequence[Member]) -> None:
        """Add ``member`` with their name in JSON, unless they are there."""
        if member in self.encoded:
            return
        self.encoded[member] = name
        if any(other in self.encoded for other in others):
            self._doubles += 1
        elif self._joined:
            self._joined += b"," + name

    def remove(self, member: Member, others: Sequence[Member]) -> None:
        """Remove ``member``, if they are there."""
        if self.encoded.pop(member, None) is None:
            return
        if any(other in self.encoded for other in others):
            self._doubles -= 1
        else:
            self._joined.clear()

    def json(self) -> bytes:
        """Return the names as a JSON array."""
        if not self._joined:
            names = self.encoded.values()
            self._joined += b",".join(dict.fromkeys(names) if self._doubles else names)
        return b"".join((b"[", self._joined, b"]"))


def status_sentence(member: Member) -> str:
    """Return what ``member`` is now, for the readers of a notice."""
    name = member.name.display
    if member.moderator:
        return f"{name} is a moderator now."
    if member.registered:
        return f"{name} is registered now."
    return f"{name} is no longer registered."
