"""End all connections of users at once, because this server must not speak for its cluster any more."""

from __future__ import annotations

import logging
from collections.abc import Callable

from chat.protocol.frames import Frame
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.directory.directory import Directory
from chat.server.moving.visiting_senders import VisitingSenders
from chat.server.room.service import ChatService
from chat.server.sessions.session import Session
from chat.sizes import counted

log = logging.getLogger("chat.server")

_GO = "This server cannot go on; your client goes to another one."
_ENDS = "The server is shutting down."


class SendingAway:
    """Tell users to go to one of ``other_addresses``, and end their connections. Nothing here waits."""

    def __init__(
        self,
        directory: Directory[Session],
        service: ChatService,
        visitors: VisitingSenders,
        other_addresses: Callable[[], list[str]],
    ) -> None:
        self._directory = directory
        self._service = service
        self._visitors = visitors
        self._other_addresses = other_addresses

    def end_all(self) -> None:
        """End all connections, with a notice as the last frame, and drop all frames that wait."""
        servers = self._other_addresses()
        sessions = list(self._directory.here)
        log.warning("sending %s away at once", counted(len(sessions), "session"))
        for session in sessions:
            frame = self._last_frame(session, servers)
            queue = session.send_queue
            queue.end_with(frame.encode(queue.order), LeaveReason.SERVER_STOPPING)
            session.transfers.end_all()
        self._visitors.end_transfers()

    def _last_frame(self, session: Session, servers: list[str]) -> Frame:
        if session.token is None or not servers:
            return self._service.notice_frame(session, NoticeCode.SHUTTING_DOWN, _ENDS)
        return self._service.notice_frame(session, NoticeCode.MOVE, _GO, facts={"servers": servers})
