"""Describe a connected user for the rest of the server: a small part of a session.

These protocols keep the imports free of circles. Sessions import the room, moderation and accounts; those three see a
session only as a ``Peer`` or a ``Member``.
"""

from __future__ import annotations

from typing import Protocol

from chat.protocol.names import UserName
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.delivery.send_queue import SendQueue
from chat.server.history.stored import LogName


class Peer(Protocol):
    """Describe a user for moderation and accounts.

    ``host`` is the address that limits count by; None for a unix socket. ``label`` names the connection in logs.
    ``is_private``: nobody can listen to the connection, so the user may send a password. ``registered``: the name is an
    account, and the user has given its password. ``account_id`` is the random id of the account; None for a guest.
    ``moderator``: the user may kick, ban and mute others. ``device`` is the hash of the secret of the user's device;
    None if the login had none, or had it where others could listen.
    """

    moderator: bool

    @property
    def name(self) -> UserName: ...

    @property
    def host(self) -> str | None: ...

    @property
    def label(self) -> str: ...

    @property
    def is_private(self) -> bool: ...

    @property
    def registered(self) -> bool: ...

    @property
    def account_id(self) -> bytes | None: ...

    @property
    def device(self) -> bytes | None: ...

    def became_registered(self, account_id: bytes) -> None:
        """Note that the user has registered the name: it is now their account."""

    def lost_account(self) -> None:
        """Note that the account was removed: the user is a guest now."""

    def eject(self, reason: LeaveReason, notice: NoticeCode, sentence: str) -> None:
        """End the session at once. The last frame to the user is a notice with ``sentence``."""


class Member(Peer, Protocol):
    """Describe a user for the directory and the room.

    ``token`` is the secret by which transfer connections name their session; None for a raw client. ``serial`` counts
    the sessions of the server, so a later session has a larger one. ``wants_status``: the client asked to hear when a
    user becomes registered or a moderator. ``mailbox`` is the log of the user's private messages. ``author`` identifies
    the user in history beyond their name: the id of their account, or a hash of their device and name; empty for a
    guest without a device. ``authors``: all under which history may have messages of this user. ``knows_rooms``: the
    session can be in other rooms than the default one. ``home`` names the run of the server that has the session, and
    ``number`` the session there; ``home`` is empty in a single server. ``is_elsewhere``: another server has it, so
    nothing that is sent to ``send_queue`` reaches it. ``token_digest`` stands for the token where others may read it,
    also that of a session elsewhere.
    """

    knows_rooms: bool

    @property
    def home(self) -> str: ...

    @property
    def number(self) -> int: ...

    @property
    def is_elsewhere(self) -> bool: ...

    @property
    def token(self) -> str | None: ...

    @property
    def token_digest(self) -> bytes | None: ...

    @property
    def serial(self) -> int: ...

    @property
    def wants_status(self) -> bool: ...

    @property
    def send_queue(self) -> SendQueue: ...

    @property
    def mailbox(self) -> LogName: ...

    @property
    def author(self) -> bytes: ...

    @property
    def authors(self) -> tuple[bytes, ...]: ...

    def supersede(self, *, quietly: bool = False) -> None:
        """End the session because its user has logged in again.

        ``quietly``: others do not hear that the user leaves, since they come back at once.
        """

    def depart(self, reason: LeaveReason, *, quietly: bool = False) -> None:
        """Leave the server and all rooms, unless that has happened before."""
