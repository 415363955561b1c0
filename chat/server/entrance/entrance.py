"""Let sessions in and out, by operations in the log.

A session is connected from the moment when its ``join`` is applied to that when its ``leave`` is, on every server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import gevent

from chat.protocol.names import UserName
from chat.protocol.notices import LeaveReason, Refusal
from chat.server.accounts.accounts import Account, Accounts
from chat.server.accounts.devices import Devices
from chat.server.directory.member import Member
from chat.server.entrance.joining import Joining, digest_of, read_joining
from chat.server.entrance.login_rejected import LoginRejected
from chat.server.entrance.placing import Placing
from chat.server.log.log import Change, LogFull
from chat.server.log.operations import Operations

JOIN, LEAVE = "join", "leave"
_TRY_AGAIN = 0.5  # seconds


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
        self._leaving: deque[tuple[Member, LeaveReason]] = deque()
        self._timer: Any = None  # while the log is full
        operations.add(JOIN, self._join)
        operations.add(LEAVE, self._leave)

    @property
    def is_shared(self) -> bool:
        """Whether other servers let the same sessions in."""
        return self._operations.travel

    def join(
        self, joining: Joining, token: str | None, open_session: OpenSession, patience: float
    ) -> Member:
        """Let a login in; return its session, made by ``open_session`` with ``token``. Waits for the log.

        Raises LoginRejected, LogFull, and NotYetCommitted after ``patience`` seconds: then it may still come in later.
        """
        # A single server spares itself what others would need.
        travels = self._operations.travel
        fields = joining._replace(token=digest_of(token)).fields() if travels else {}
        local = joining, open_session
        member: Member = self._operations.perform(JOIN, fields, None, local, patience)
        return member

    def leave(self, member: Member, reason: LeaveReason) -> None:
        """Let a session out, without waiting for the log."""
        # Nobody is there whom a refusal would reach. So a full log is tried again.
        if self._leaving or not self._post_leave(member, reason):
            self._leaving.append((member, reason))
            if self._timer is None:
                self._timer = gevent.get_hub().loop.timer(_TRY_AGAIN, _TRY_AGAIN)
                self._timer.start(self._post_waiting)

    def _post_leave(self, member: Member, reason: LeaveReason) -> bool:
        try:
            self._operations.post(LEAVE, {"reason": reason.value}, member)
        except LogFull:
            return False
        return True

    def _post_waiting(self) -> None:
        while self._leaving:
            if not self._post_leave(*self._leaving[0]):
                return
            self._leaving.popleft()
        self._timer.stop()
        self._timer.close()
        self._timer = None

    def _join(self, change: Change) -> Member:
        open_session: OpenSession | None = None
        if isinstance(change.local, tuple):
            joining, open_session = change.local
        else:
            joining = read_joining(change.fields)
        self._require_device(joining)
        place = self.placing.find(joining, self._accounts.known)
        account = place.account
        member = (
            open_session(place.name, account)
            if open_session is not None
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

    def _require_device(self, joining: Joining) -> None:
        """Raise LoginRejected if the device that stood for the password has been forgotten since."""
        if not joining.by_device:
            return
        account = self._accounts.known.find(joining.name.key)
        hash = joining.device
        if account is None or hash is None or not self._devices.remembers(account, hash):
            raise LoginRejected(Refusal.PASSWORD_NEEDED, self.placing.password_needed)

    def _leave(self, change: Change) -> None:
        if change.actor is not None:
            change.actor.depart(LeaveReason(change.fields["reason"]))
