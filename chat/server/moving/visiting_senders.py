"""Let users send and fetch contents here whose sessions other servers of the cluster have."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from chat.server.directory.directory import Directory
from chat.server.directory.member import Member
from chat.server.limits.waits import DiskWaits
from chat.server.room.service import ChatService
from chat.server.sessions.sender import Sender, SendingMember
from chat.server.sessions.session import Session
from chat.server.settings import Settings


class VisitingSender(Sender):
    """A user with transfer connections here, and the session ``member`` elsewhere.

    The transfers here share rates, beside those of the session at its own server.
    """

    __slots__ = ("_elsewhere",)

    def __init__(
        self, member: SendingMember, service: ChatService, settings: Settings, waits: DiskWaits
    ) -> None:
        super().__init__(member.name, None, member.device, service, settings, waits)
        self._elsewhere = member

    @property
    def member(self) -> SendingMember:
        """The session elsewhere, in whose name the user sends here."""
        return self._elsewhere


class VisitingSenders:
    """Keep a ``VisitingSender`` for each session elsewhere that has come here, as long as that session is connected.

    So its rates hold also for a user who opens one transfer connection after the other.
    """

    def __init__(
        self,
        directory: Directory[Session],
        service: ChatService,
        settings: Settings,
        waits: DiskWaits,
    ) -> None:
        self._directory = directory
        self._make: Callable[[SendingMember], VisitingSender] = lambda member: VisitingSender(
            member, service, settings, waits
        )
        self._senders: dict[Member, VisitingSender] = {}
        self._is_over = False
        directory.left_elsewhere = self._left

    def __len__(self) -> int:
        return len(self._senders)

    def count(self) -> int:
        """Return the number of their transfer connections here."""
        return sum(len(sender.transfers) for sender in self._senders.values())

    def find(self, token: str) -> VisitingSender | None:
        """Return the user whose session elsewhere has ``token``; None if there is none."""
        member = self._directory.session_elsewhere(token)
        if member is None or self._is_over:
            return None
        sender = self._senders.get(member)
        if sender is None:
            # What stands for a session elsewhere has the rest of what sending needs.
            sender = self._senders[member] = self._make(cast(SendingMember, member))
        return sender

    def adapt(self) -> None:
        """Go on with the rates of the settings, which a reload has changed."""
        for sender in self._senders.values():
            sender.adapt()

    def end_transfers(self) -> None:
        """End all transfers of sessions elsewhere, and let no more begin: this server stops."""
        self._is_over = True
        for sender in self._senders.values():
            sender.transfers.end_all()

    def _left(self, member: Member) -> None:
        sender = self._senders.pop(member, None)
        if sender is not None:
            sender.transfers.end_all()
