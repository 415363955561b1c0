"""The directory: who is connected to the server, by name and by session token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chat.server.room import Member


class Directory:
    """All members. For now a view of the room's, and of the sessions that have a token."""

    def __init__(self, members: Mapping[str, Member], sessions: Mapping[str, Member]) -> None:
        self._members = members
        self._sessions = sessions

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def holder(self, key: str) -> Member | None:
        """Return the member who has the name with ``key``, if any."""
        return self._members.get(key)

    def session(self, token: str) -> Member | None:
        """Return the session whose welcome had ``token``, if the session is still here."""
        return self._sessions.get(token)
