"""Serve a transfer connection: large contents of one user, beside the main connection of their session.

An attachment that the user sends here is a message of the user in the room. The user also fetches offers here. The
connection ends with the session.
"""

from __future__ import annotations

from gevent.event import Event

from chat.framing import IncompleteFrame, StalledFrame
from chat.protocol.descriptor import ATTACHMENTS, Descriptor, MessageType
from chat.protocol.frames import Frame
from chat.protocol.headers import ClientHeader, encode_server_header
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.attachments.spool import Spool
from chat.server.delivery.send_queue import BacklogLimits, SendQueue
from chat.server.log.log import Record
from chat.server.room.commands import CommandRefused
from chat.server.room.fetching import Fetching
from chat.server.room.room import Room
from chat.server.sessions.answers import REMINDER
from chat.server.sessions.connection import AcceptedConnection
from chat.server.sessions.intake import FrameRefused, Intake, refusal_of
from chat.server.sessions.session import Session
from chat.server.settings import DRAIN_TIMEOUT, Settings


class TransferConnection:
    """Serve one of at most ``MAX_TRANSFERS`` transfer connections of a session. ``send_queue`` sends to its client."""

    def __init__(
        self,
        connection: AcceptedConnection,
        session: Session,
        *,
        room: Room,
        fetching: Fetching,
        settings: Settings,
        spool: Spool,
        backlogs: BacklogLimits,
    ) -> None:
        self._connection = connection
        self._session = session
        self._room = room
        self._fetching = fetching
        # A failure here ends only the transfer, so nobody needs its reason.
        self.send_queue = SendQueue(
            connection.transport, connection.order, backlogs, lambda reason: None
        )
        self._intake = Intake(
            connection.reader, settings, spool, session.name.key, self.end, session.pay_for_more
        )
        # Exists while the log has not committed a message.
        self._wake: Event | None = None
        session.transfers.append(self)

    def run(self) -> None:
        """Serve the client until it closes, the session ends, or no byte moves for too long.

        The caller closes the socket.
        """
        try:
            self._serve()
            if self.send_queue.wait_until_drained(DRAIN_TIMEOUT):
                self._connection.transport.finish(DRAIN_TIMEOUT)
        except (OSError, IncompleteFrame, StalledFrame):
            return  # no answer: the client has closed the connection, or has stopped sending
        finally:
            self._session.transfers.remove(self)
            self.send_queue.close()
            self._intake.close()

    def end(self) -> None:
        """End the connection from another greenlet."""
        self.send_queue.fail(LeaveReason.DISCONNECTED)
        if self._wake is not None:
            self._wake.set()

    def _serve(self) -> None:
        while (descriptor := self._intake.next()) is not None and not self.send_queue.closed:
            if descriptor.type == MessageType.LOGOUT:
                return
            self._session.pay(descriptor)
            try:
                self._put(self._answer(descriptor))
            except FrameRefused as refused:
                notice = self._room.notice_frame(
                    self._session, refused.notice, refused.sentence, refused.nonce
                )
                self.send_queue.put(notice)
                if refused.fatal:
                    return
            # One answer at a time. Otherwise a client that asks faster than it reads would pile up slices of files.
            self.send_queue.wait_until_drained(None)

    def _put(self, frame: Frame) -> None:
        """Send a frame, whose large content is held for this call."""
        try:
            self.send_queue.put(frame)
        finally:
            if frame.large is not None:
                frame.large.release()

    def _answer(self, descriptor: Descriptor) -> Frame:
        """Publish an attachment, or find an offer; return the frame that answers. Raises FrameRefused."""
        header = self._intake.read_header(descriptor)
        if descriptor.type not in ATTACHMENTS:
            sentence = "A transfer connection accepts only files, images and voice notes."
            raise FrameRefused(NoticeCode.BAD_TYPE, sentence, header.nonce)
        if header.fetch is None:
            record = self._session.publish_message(self._intake, descriptor, header)
            self._wait_until_settled(record)
            if record.rejection is not None:
                raise refusal_of(record.rejection, header.nonce)
            # The echo goes to the main connection. This bare frame tells the client that the upload is complete.
            return Frame(MessageType(descriptor.type))
        if descriptor.type != MessageType.FILE or descriptor.content_size:
            sentence = "A fetch must be a File frame without content."
            raise FrameRefused(NoticeCode.BAD_HEADER, sentence, header.nonce)
        return self._fetch(header)

    def _wait_until_settled(self, record: Record) -> None:
        """Wait until the log has committed ``record``. A transfer connection sends one message at a time.

        Raises FrameRefused if the connection ends before.
        """
        if record.is_settled:
            return
        self._wake = wake = Event()
        record.on_settled = lambda record: wake.set()
        while not self.send_queue.closed and not wake.wait(REMINDER):
            self._session.remind()
        self._wake = None
        if not record.is_settled:
            raise FrameRefused(NoticeCode.GONE, "Your session has ended.", fatal=True)

    def _fetch(self, header: ClientHeader) -> Frame:
        """Return the wanted content, from the offset in ``header``. Raises FrameRefused."""
        try:
            found = self._fetching.find(self._session, header)
        except CommandRefused as refused:
            raise FrameRefused(refused.notice, refused.sentence, header.nonce) from None
        content = found.content
        if header.offset > found.size:
            if not isinstance(content, bytes):
                content.release()
            sentence = f"The offset is past the end of the content, which has {found.size} bytes."
            raise FrameRefused(NoticeCode.BAD_HEADER, sentence, header.nonce)
        answer = encode_server_header(
            found.header._replace(nonce=header.nonce, offset=header.offset)
        )
        if isinstance(content, bytes):
            return Frame(MessageType.FILE, answer, content[header.offset :])
        return Frame(MessageType.FILE, answer, large=content, offset=header.offset)
