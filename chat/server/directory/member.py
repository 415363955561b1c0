"""What the rest of the server knows of a connected user: a small part of a session."""

from __future__ import annotations

from typing import Protocol

from chat.protocol.names import UserName
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.delivery.send_queue import SendQueue


class Peer(Protocol):
    """A user as moderation and accounts see them.

    ``host`` is the address that limits count by, None for a unix socket; ``label`` is for logs. ``is_private``: nobody
    can listen to the connection, so a password may travel over it. ``registered``: the name is the user's account,
    whose password they know; ``moderator``: they may act on others.
    """

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
    def moderator(self) -> bool: ...

    def became_registered(self) -> None:
        """Take note that the name is now the user's account."""

    def eject(self, reason: LeaveReason, notice: NoticeCode, sentence: str) -> None:
        """End the session at once; ``sentence`` is the last thing that the user hears."""


class Member(Peer, Protocol):
    """A user as the directory and the room see them.

    ``token`` names the session to the connections that belong to it; None for a raw client. ``serial`` counts the
    sessions of the server, so a later one is larger.
    """

    @property
    def token(self) -> str | None: ...

    @property
    def serial(self) -> int: ...

    @property
    def send_queue(self) -> SendQueue: ...
