"""The directory: who is connected to the server, by name and by session token, across all rooms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from chat.protocol.names import name_key
from chat.server.directory.member import Member, Peer

M = TypeVar("M", bound=Member)


class NameTakenError(Exception):
    """Another session has the name."""


class NoSuchUserError(Exception):
    """No connected user has the name. The text is a sentence for the user who asked."""


class People(Protocol):
    """The connected users, as the room, moderation and accounts ask for them: see ``Directory``."""

    @property
    def last_serial(self) -> int: ...

    def __iter__(self) -> Iterator[Member]: ...

    def holder(self, key: str) -> Member | None: ...

    def find(self, name: str) -> Member: ...

    def is_here(self, peer: Peer) -> bool: ...


class Directory(Generic[M]):
    """All sessions of the server. A name has one session now; ``sessions_of`` allows several."""

    def __init__(self) -> None:
        self._by_name: dict[str, tuple[M, ...]] = {}
        self._by_token: dict[str, M] = {}
        self._last_serial = 0

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[M]:
        for sessions in self._by_name.values():
            yield from sessions

    @property
    def last_serial(self) -> int:
        """The serial of the session that entered last."""
        return self._last_serial

    def enter(self, member: M) -> int:
        """Take ``member`` in; return the serial of the session. Raises NameTakenError."""
        key = member.name.key
        if key in self._by_name:
            raise NameTakenError
        self._by_name[key] = (member,)
        if member.token is not None:
            self._by_token[member.token] = member
        self._last_serial += 1
        return self._last_serial

    def leave(self, member: M) -> None:
        """Forget ``member``, if they are still here."""
        key = member.name.key
        rest = tuple(each for each in self._by_name.get(key, ()) if each is not member)
        if rest:
            self._by_name[key] = rest
        else:
            self._by_name.pop(key, None)
        if member.token is not None:
            self._by_token.pop(member.token, None)

    def sessions_of(self, key: str) -> tuple[M, ...]:
        """Return the sessions of the user whose name has ``key``."""
        return self._by_name.get(key, ())

    def holder(self, key: str) -> M | None:
        """Return the session that has the name with ``key``, if any."""
        sessions = self._by_name.get(key)
        return sessions[0] if sessions else None

    def is_here(self, peer: Peer) -> bool:
        """Return whether ``peer`` has entered and not left; another session may have their name since."""
        return any(each is peer for each in self._by_name.get(peer.name.key, ()))

    def find(self, name: str) -> M:
        """Return the session of the user whose name is ``name`` in any case. Raises NoSuchUserError."""
        key = name_key(name)
        member = self.holder(key) if key is not None else None
        if member is None:
            raise NoSuchUserError("Nobody of that name is here.")
        return member

    def session(self, token: str) -> M | None:
        """Return the session whose welcome had ``token``, if the session is still here."""
        return self._by_token.get(token)
