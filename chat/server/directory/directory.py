"""Keep the sessions of the server by user name and by session token, across all rooms."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar, cast

from chat.protocol.names import name_key
from chat.server.directory.member import Member, Peer

M = TypeVar("M", bound=Member)


# The sentence for a user who names somebody else.
NO_SUCH_USER = "No user with this name is here."


class NameTakenError(Exception):
    """Report that another session has the name."""


class NoSuchUserError(Exception):
    """Report that no connected user has the name. The text is a sentence for the user who asked."""


class ConnectedUsers(Protocol):
    """List what the room, moderation and accounts need from a ``Directory``."""

    on_change: Callable[[Member], object]

    @property
    def last_serial(self) -> int: ...

    def __iter__(self) -> Iterator[Member]: ...

    def sessions_of(self, key: str) -> tuple[Member, ...]: ...

    def find(self, name: str) -> Member: ...

    def named(self, name: str) -> Member | None: ...

    def is_here(self, peer: Peer) -> bool: ...


def _ignore(member: Member) -> None:
    """Take the place of ``on_change`` while nobody wants to know."""


class Directory(Generic[M]):
    """Hold all sessions. A registered user may have several, a guest has one.

    ``here`` are the sessions that this server has, and not another one with the same log. ``left_elsewhere`` is called
    with each session of another server that leaves.
    """

    def __init__(self) -> None:
        # By the key of a name, which is the same for Alice and alice.
        self._by_name: dict[str, tuple[Member, ...]] = {}
        self._by_token: dict[str, M] = {}
        self._by_home: dict[tuple[str, int], Member] = {}
        # Called with a session that has entered, left or changed.
        self.on_change: Callable[[Member], object] = _ignore
        self.left_elsewhere: Callable[[Member], object] = _ignore
        self._elsewhere: dict[bytes, Member] = {}  # by the digest of the token
        # In the order in which they came.
        self._here: dict[M, None] = {}
        self._last_serial = 0
        self._sessions = 0

    def __len__(self) -> int:
        """Return the number of sessions."""
        return self._sessions

    @property
    def users(self) -> int:
        """The number of users: a user with several sessions counts once."""
        return len(self._by_name)

    @property
    def users_here(self) -> int:
        """The number of users with a session at this server."""
        return len({session.name.key for session in self._here})

    @property
    def here(self) -> Iterable[M]:
        return self._here

    def __iter__(self) -> Iterator[Member]:
        for sessions in self._by_name.values():
            yield from sessions

    @property
    def last_serial(self) -> int:
        """The serial of the session that entered last.

        A session with a larger serial was not here yet: so offers know which sessions may fetch them.
        """
        return self._last_serial

    def enter(self, member: Member, serial: int | None = None) -> int:
        """Add ``member``; return the serial of the session, which is larger than all before.

        ``serial`` is that of a session that was connected before this server started; None: a new session.

        Raises NameTakenError, unless all sessions with the name belong to the account of ``member``.
        """
        key = member.name.key
        others = self._by_name.get(key, ())
        if others and (
            member.account_id is None
            or any(each.account_id != member.account_id for each in others)
        ):
            raise NameTakenError
        self._by_name[key] = (*others, member)
        self._sessions += 1
        if not member.is_elsewhere:
            own: M = member  # type: ignore[assignment]  # sessions here are of that type; a cast costs each login a call
            self._here[own] = None
            if own.token is not None:
                self._by_token[own.token] = own
        elif member.token_digest is not None:
            self._elsewhere[member.token_digest] = member
        if member.home:
            self._by_home[member.home, member.number] = member
        self.on_change(member)
        self._last_serial = self._last_serial + 1 if serial is None else serial
        return self._last_serial

    def leave(self, member: Member) -> None:
        """Remove ``member``, if they are still here."""
        key = member.name.key
        # Compared by identity: another session may have taken over the name already, and must stay.
        sessions = self._by_name.get(key, ())
        rest = tuple(each for each in sessions if each is not member)
        self._sessions -= len(sessions) - len(rest)
        if rest:
            self._by_name[key] = rest
        else:
            self._by_name.pop(key, None)
        self._here.pop(cast(M, member), None)
        if member.token is not None:
            self._by_token.pop(member.token, None)
        if member.home:
            self._by_home.pop((member.home, member.number), None)
        self.on_change(member)
        if member.is_elsewhere:
            if member.token_digest is not None:
                self._elsewhere.pop(member.token_digest, None)
            self.left_elsewhere(member)

    def at(self, home: str, number: int) -> Member | None:
        """Return the session ``number`` of the server run ``home``; None if it is not connected."""
        return self._by_home.get((home, number))

    def of_home(self, home: str) -> list[Member]:
        """Return the sessions of the server run ``home``, the first to come first."""
        return [member for member in self if member.home == home]

    def sessions_of(self, key: str) -> tuple[Member, ...]:
        """Return the sessions of the user whose name has ``key``, the first to come first."""
        return self._by_name.get(key, ())

    def is_here(self, peer: Peer) -> bool:
        """Return whether ``peer`` has entered and not left. Another session with the same name does not count."""
        return any(each is peer for each in self.sessions_of(peer.name.key))

    def find(self, name: str) -> Member:
        """Return a session of the user whose name is ``name`` in any case. Raises NoSuchUserError.

        All sessions of a user have the same name and account.
        """
        member = self.named(name)
        if member is None:
            raise NoSuchUserError(NO_SUCH_USER)
        return member

    def named(self, name: str) -> Member | None:
        """Return a session of the user whose name is ``name`` in any case, as ``find`` does; None if there is none."""
        # A text that is no valid name has no key, and no user has it.
        key = name_key(name)
        sessions = self._by_name.get(key) if key is not None else None
        return sessions[0] if sessions else None

    def session(self, token: str) -> M | None:
        """Return the session here with ``token``, which its client got in the welcome; None if it has left."""
        return self._by_token.get(token)

    def session_elsewhere(self, token: str) -> Member | None:
        """Return the session with ``token`` that another server has; None if there is none."""
        if not self._elsewhere:
            return None
        return self._elsewhere.get(hashlib.sha256(token.encode()).digest())
