"""Serve a transfer connection: large contents of one user, beside the main connection of their session.

An attachment that the user sends here is a message of the user in the room. The user also fetches offers here. The
connection ends with the session.
"""

from __future__ import annotations

from collections.abc import Callable

from gevent.event import Event

from chat.framing import IncompleteFrame, StalledFrame
from chat.protocol.descriptor import ATTACHMENTS, Descriptor, MessageType
from chat.protocol.frames import Frame
from chat.protocol.headers import NONCE, ClientHeader, ServerHeader, encode_server_header
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.attachments.parts import Arrived, PartBusy, Parts, part_name
from chat.server.attachments.spool import Spool
from chat.server.delivery.send_queue import BacklogLimits, SendQueue
from chat.server.history.faults import HistoryFault
from chat.server.history.files.kept_files import KeptFiles
from chat.server.history.stored import MAILBOX, LogName
from chat.server.limits.waits import REMINDER
from chat.server.log.log import Record
from chat.server.room.commands import CommandRefused
from chat.server.room.fetching import Fetching
from chat.server.room.service import ChatService
from chat.server.sessions.connection import AcceptedConnection
from chat.server.sessions.intake import UNKNOWN_PART, FrameRefused, Intake, refusal_of
from chat.server.sessions.sender import Sender
from chat.server.settings import DRAIN_TIMEOUT, MAX_IN_MEMORY, Settings
from chat.sizes import byte_count

_BUSY = "Another connection still sends this content; try again later."


class TransferConnection:
    """Serve one of at most ``MAX_TRANSFERS`` transfer connections of a session, which may be at another server.

    ``send_queue`` sends to the client of the connection.
    """

    def __init__(
        self,
        connection: AcceptedConnection,
        sender: Sender,
        *,
        service: ChatService,
        fetching: Fetching,
        files: KeptFiles | None,
        parts: Parts | None,
        timestamp: Callable[[], str],
        settings: Settings,
        spool: Spool,
        backlogs: BacklogLimits,
    ) -> None:
        self._connection = connection
        self._sender = sender
        self._service = service
        self._fetching = fetching
        self._files = files
        self._parts = parts
        self._timestamp = timestamp
        self._settings = settings
        # A failure here ends only the transfer, so nobody needs its reason.
        self.send_queue = SendQueue(
            connection.transport, connection.order, backlogs, lambda reason: None
        )
        self._intake = Intake(
            connection.reader, settings, spool, sender.name.key, self.end, sender.pay_for_more
        )
        # Exists while the log has not committed a message.
        self._wake: Event | None = None
        sender.transfers.append(self)

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
            self._sender.transfers.remove(self)
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
            self._sender.pay(descriptor)
            try:
                self._put(self._answer(descriptor))
            except FrameRefused as refused:
                notice = self._service.notice_frame(
                    self._sender.member, refused.notice, refused.sentence, refused.nonce
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
        if header.fetch is None and header.resume is None:
            record = self._publish(descriptor, header)
            self._wait_until_settled(record)
            if record.rejection is not None:
                raise refusal_of(record.rejection, header.nonce)
            # The echo goes to the main connection. This bare frame tells the client that the upload is complete.
            return Frame(MessageType(descriptor.type))
        if descriptor.type != MessageType.FILE or descriptor.content_size:
            sentence = "A question for a content must be a File frame without content."
            raise FrameRefused(NoticeCode.BAD_HEADER, sentence, header.nonce)
        return self._fetch(header) if header.fetch is not None else self._tell_arrived(header)

    # Uploads

    def _publish(self, descriptor: Descriptor, header: ClientHeader) -> Record:
        """Publish an attachment, which may go on with an interrupted upload. Raises FrameRefused."""
        whole = descriptor._replace(content_size=header.offset + descriptor.content_size)
        if whole.content_size > self._settings.max_file:
            sentence = (
                f"The content is too large; the limit is {byte_count(self._settings.max_file)}."
            )
            raise FrameRefused(NoticeCode.TOO_LARGE, sentence, header.nonce, fatal=True)
        name = self._part_of(header.nonce, whole.content_size)
        if header.offset and (name is None or whole.content_size <= MAX_IN_MEMORY):
            raise FrameRefused(NoticeCode.BAD_HEADER, UNKNOWN_PART, header.nonce)
        if name is None or self._parts is None:
            return self._sender.publish_message(self._intake, whole, header)
        self._intake.part = name
        try:
            with self._parts.writing(name, self.end):
                record = self._sender.publish_message(self._intake, whole, header)
                self._parts.saying(name, record)
                return record
        except PartBusy:
            raise FrameRefused(NoticeCode.NO_SPACE, _BUSY, header.nonce) from None
        finally:
            self._intake.part = None

    def _part_of(self, nonce: str | None, size: int) -> str | None:
        """Return the name of the part of an upload; None if it leaves none."""
        uploader = self._sender.member.uploader
        if nonce is None or uploader is None or self._parts is None:
            return None
        return part_name(uploader, nonce, size)

    def _tell_arrived(self, header: ClientHeader) -> Frame:
        """Return how much has arrived of an interrupted upload, or that its message was said. Raises FrameRefused."""
        nonce, size = header.resume, header.size
        if nonce is None or size is None or not NONCE.fullmatch(nonce):
            sentence = (
                "A question for a part needs the nonce of its message, and the size of the content."
            )
            raise FrameRefused(NoticeCode.BAD_HEADER, sentence, header.nonce)
        arrived = Arrived(0, None)
        name = self._part_of(nonce, size)
        try:
            if name is not None and self._parts is not None:
                arrived = self._parts.arrived(name)
            said = self._find_said(nonce.encode())
        except PartBusy:
            raise FrameRefused(NoticeCode.NO_SPACE, _BUSY, header.nonce) from None
        except (OSError, HistoryFault):
            sentence = "The server cannot read its disk now; try again later."
            raise FrameRefused(NoticeCode.NO_SPACE, sentence, header.nonce) from None
        if said is not None:
            log, seq = said
            room = self._service.rooms.of_log(log)
            name = room.header_name if room is not None else None
            facts = {"seq": seq, "private": log.kind == MAILBOX or None, "room": name}
            sentence = "The message was said before."
            return self._service.notice_frame(
                self._sender.member, NoticeCode.DONE, sentence, header.nonce, facts
            )
        name_of_sender = self._sender.name.display
        answer = ServerHeader(name_of_sender, self._timestamp(), nonce=header.nonce, size=size)
        answer = answer._replace(offset=arrived.size, sha256=arrived.sha256)
        return Frame(MessageType.FILE, encode_server_header(answer))

    def _find_said(self, nonce: bytes) -> tuple[LogName, int] | None:
        member = self._sender.member
        if self._files is None:
            return None
        rooms = self._service.rooms
        logs = [room.log for room in (rooms.default, *rooms.of_user(member))]
        return self._files.said((*logs, member.mailbox), member.authors, nonce)

    def _wait_until_settled(self, record: Record) -> None:
        """Wait until the log has committed ``record``. A transfer connection sends one message at a time.

        Raises FrameRefused if the connection ends before.
        """
        if record.is_settled:
            return
        self._wake = wake = Event()
        record.on_settled = lambda record: wake.set()
        while not self.send_queue.closed and not wake.wait(REMINDER):
            self._sender.remind()
        self._wake = None
        if not record.is_settled:
            raise FrameRefused(NoticeCode.GONE, "Your session has ended.", fatal=True)

    # Downloads

    def _fetch(self, header: ClientHeader) -> Frame:
        """Return the wanted content, from the offset in ``header``. Raises FrameRefused."""
        try:
            found = self._fetching.find(self._sender.member, header)
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
