"""Let sessions in and out, by operations in the log.

A session is connected from the moment when its ``join`` is applied to that when its ``leave`` is, on every server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from chat.protocol.names import UserName
from chat.protocol.notices import LeaveReason
from chat.server.accounts.accounts import Account, Accounts
from chat.server.accounts.devices import Devices
from chat.server.directory.member import Member
from chat.server.entrance.joining import Joining, read_joining
from chat.server.entrance.placing import Placing
from chat.server.log.log import Change
from chat.server.log.operations import Operations

JOIN, LEAVE = "join", "leave"


class Entering(Member, Protocol):
    """Describe a session that can come in."""

    home: str

    def enter(self, *, quietly: bool = False) -> None:
        """Enter the server and its default room. ``quietly``: others do not hear of it."""


# Makes the session of a login that was admitted, under a name.
OpenSession = Callable[[UserName, "Account | None"], Entering]
# Makes what stands for a session of another server, which is the second argument.
OpenElsewhere = Callable[[Joining, str, UserName, "Account | None"], Entering]


def no_other_servers(
    joining: Joining, writer: str, name: UserName, account: Account | None
) -> Entering:
    """Take the place of ``OpenElsewhere`` in a single server."""
    raise AssertionError("a single server has all sessions")


class Entrance:
    """Carry out the operations ``join`` and ``leave``."""

    def __init__(
        self,
        operations: Operations,
        placing: Placing,
        accounts: Accounts,
        devices: Devices,
        open_elsewhere: OpenElsewhere = no_other_servers,
    ) -> None:
        self.placing = placing
        self._operations = operations
        self._accounts = accounts
        self._devices = devices
        self._open_elsewhere = open_elsewhere
        operations.add(JOIN, self._join)
        operations.add(LEAVE, self._leave)

    def join(self, joining: Joining, open_session: OpenSession) -> Member:
        """Let a login in; return its session, made by ``open_session``. Waits for the log.

        Raises LoginRejected and LogFull.
        """
        member: Member = self._operations.perform(JOIN, joining.fields(), None, open_session)
        return member

    def leave(self, member: Member, reason: LeaveReason) -> None:
        """Let a session out, without waiting for the log."""
        self._operations.post(LEAVE, {"reason": reason.value}, member)

    def _join(self, change: Change) -> Member:
        joining = read_joining(change.fields)
        place = self.placing.find(joining, self._accounts.known)
        account = place.account
        open_session = change.local
        member = (
            open_session(place.name, account)
            if callable(open_session)
            else self._open_elsewhere(joining, change.writer, place.name, account)
        )
        member.home = change.writer
        for former in place.former:
            former.supersede(quietly=place.quietly)
        member.enter(quietly=place.quietly)
        if account is not None and joining.device is not None:
            self._devices.seen(account.id, joining.device)
            if joining.by_password:
                self._devices.remember(account, joining.device)
        return member

    def _leave(self, change: Change) -> None:
        if change.actor is not None:
            change.actor.depart(LeaveReason(change.fields["reason"]))
