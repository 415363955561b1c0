"""Stand for a session that another server of the cluster has."""

from __future__ import annotations

from chat.protocol.descriptor import ByteOrder
from chat.protocol.frames import Frame
from chat.protocol.names import UserName
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.accounts.accounts import Account
from chat.server.delivery.send_queue import SendQueue, dialect_of
from chat.server.directory.directory import Directory
from chat.server.entrance.joining import Joining
from chat.server.room.service import ChatService
from chat.server.sessions.identity import Identity
from chat.server.sessions.session import Session


class RemoteMember(Identity):
    """A session elsewhere, as all servers know it. ``joining`` is what it came in with."""

    __slots__ = (
        "_directory",
        "_service",
        "home",
        "host",
        "joining",
        "number",
        "serial",
        "token_digest",
    )

    is_elsewhere = True
    is_private = False
    token = None
    wants_status = False

    def __init__(
        self,
        joining: Joining,
        home: str,
        name: UserName,
        account: Account | None,
        service: ChatService,
        directory: Directory[Session],
    ) -> None:
        super().__init__(name, account, joining.device)
        self.joining = joining
        self.home = home
        self.number = joining.number
        self.host = joining.host
        self.token_digest = joining.token
        self.serial = 0
        self._service = service
        self._directory = directory

    @property
    def send_queue(self) -> SendQueue:
        return NOWHERE

    @property
    def label(self) -> str:
        return f"another server ({self.host or 'a unix socket'})"

    def enter(self, *, quietly: bool = False) -> None:
        """Enter the chat and its default room. ``quietly``: others do not hear of it."""
        self.serial = self._directory.enter(self)
        self._service.join(self, None, 0, self.joining.rooms, quietly=quietly)

    def restore(self, serial: int) -> None:
        """Enter again, as the database had the session at the last stop of this server."""
        self.serial = self._directory.enter(self, serial)
        self._service.put_back(self, self.joining.rooms)

    def depart(self, reason: LeaveReason, *, quietly: bool = False) -> None:
        """Leave the chat and all rooms, unless that has happened before."""
        self._service.leave(self, reason, quietly=quietly)
        self._directory.leave(self)

    def eject(self, reason: LeaveReason, notice: NoticeCode, sentence: str) -> None:
        """Leave at once. The server that has the session tells the user why."""
        self.depart(reason)

    def supersede(self, *, quietly: bool = False) -> None:
        """Leave because the user has logged in again."""
        self.depart(LeaveReason.REPLACED, quietly=quietly)

    def became_registered(self, account_id: bytes) -> None:
        """Note that the user has registered the name."""
        self.own_name(account_id)
        self._service.tell_status(self)

    def lost_account(self) -> None:
        """Note that the account was removed."""
        self.lose_name()
        self._service.tell_status(self)


class _Nowhere(SendQueue):
    """Take frames for sessions elsewhere, whose own servers send them."""

    __slots__ = ()

    def __init__(self) -> None:
        self.order = ByteOrder.BIG
        self.dialect = dialect_of(self.order)
        self.inline = None
        self.closed = False
        self.direct = None

    def give(self, data: bytes | memoryview) -> None:
        """Drop ``data``."""

    def put(self, frame: Frame) -> None:
        """Drop ``frame``."""


NOWHERE = _Nowhere()
