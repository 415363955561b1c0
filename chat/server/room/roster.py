"""Keep the names of the members as JSON, for the welcome, and which of them are registered or moderators.

Every welcome lists all names. To encode or join ten thousand names again for each login would be most of its cost when
many users log in.
"""

from __future__ import annotations

from collections.abc import Mapping

from chat.protocol.headers import encode_json
from chat.server.directory.member import Member


class Roster:
    """Hold the members of a room. ``names`` has the name of each in JSON: each message looks there."""

    def __init__(self) -> None:
        self._everyone = _Names()
        self._registered = _Names()
        self._moderators = _Names()
        self.names: Mapping[Member, bytes] = self._everyone.encoded

    def add(self, member: Member) -> None:
        """Add ``member``, as they are now."""
        self._everyone.add(member, encode_json(member.name.display))
        self.update(member)

    def update(self, member: Member) -> None:
        """Note whether ``member``, who is here, is registered and a moderator now."""
        for listed, belongs in (
            (self._registered, member.registered),
            (self._moderators, member.moderator),
        ):
            if belongs:
                listed.add(member, self.names[member])
            else:
                listed.remove(member)

    def remove(self, member: Member) -> None:
        """Remove ``member``, if they are here."""
        for listed in (self._everyone, self._registered, self._moderators):
            listed.remove(member)

    def names_json(self) -> bytes:
        """Return the names of the members in the order in which they joined, as a JSON array."""
        return self._everyone.json()

    def json(self) -> bytes:
        """Return all names, those of registered members, and those of moderators, as a JSON object.

        Only members are listed: nobody learns from a welcome whether the name of a user who is not here is registered.
        """
        names, registered, moderators = (
            listed.json() for listed in (self._everyone, self._registered, self._moderators)
        )
        return b'{"users":%b,"registered":%b,"moderators":%b}' % (names, registered, moderators)


class _Names:
    """Hold members in the order in which they were added, each with their name in JSON.

    ``encoded`` is for reading only.
    """

    def __init__(self) -> None:
        self.encoded: dict[Member, bytes] = {}
        # All names, joined by commas; empty after a name was removed.
        self._joined = bytearray()

    def add(self, member: Member, name: bytes) -> None:
        """Add ``member`` with their name in JSON, unless they are there."""
        if member in self.encoded:
            return
        self.encoded[member] = name
        if self._joined:
            self._joined += b"," + name

    def remove(self, member: Member) -> None:
        """Remove ``member``, if they are there."""
        if self.encoded.pop(member, None) is not None:
            self._joined.clear()

    def json(self) -> bytes:
        """Return the names as a JSON array."""
        if not self._joined:
            self._joined += b",".join(self.encoded.values())
        return b"".join((b"[", self._joined, b"]"))


def status_sentence(member: Member) -> str:
    """Return what ``member`` is now, for the readers of a notice."""
    name = member.name.display
    if member.moderator:
        return f"{name} is a moderator now."
    if member.registered:
        return f"{name} is registered now."
    return f"{name} is no longer registered."
