"""Read frames and their contents: small contents into memory, large contents to the saver."""

from __future__ import annotations

from chat.client.connection.events import Attachment, BadFrame, Event, Notice
from chat.client.connection.link import Link
from chat.client.connection.saver import Saver, Saving
from chat.client.connection.session.timestamps import read_timestamp
from chat.client.connection.session_state import SessionState, attachment_name
from chat.protocol.descriptor import ATTACHMENTS, Descriptor, MessageType
from chat.protocol.errors import HeaderError
from chat.protocol.headers import ServerHeader, parse_server_header
from chat.sizes import over_limit
from chat.structs import replace

MAX_IN_MEMORY = 64 * 1024  # bytes of an attachment; a larger one goes to disk or nowhere
# Bytes of any other content. The welcome has a list of up to 10,000 users.
MAX_TEXT_IN_MEMORY = 16 * 1024**2
# A dict finds a member several times as fast as MessageType(number) does, and this happens for each frame.
_TYPES = {int(known): known for known in MessageType}


class Incoming:
    """The incoming frames of one link. ``saver`` saves the attachments of others; None: they are not saved.

    Set ``saves`` to False once no file is wanted any more. ``inside_frame`` is True while a frame is half read: an
    exception at that moment (Ctrl-C, ``gevent.Timeout``) makes the rest of the stream unreadable.
    """

    def __init__(self, link: Link, room: SessionState, saver: Saver | None) -> None:
        self.saves = True
        self.inside_frame = False
        self._reader = link.reader
        self._room = room
        self._saver = saver

    def read(self) -> Event | None:
        """Wait for the next frame; None at the end of the stream. Raises the exceptions of FrameReader.

        Answers to the connection's own pings are read, and not returned.
        """
        while True:
            descriptor = self._reader.read_descriptor()
            if descriptor is None:
                return None
            self.inside_frame = True
            event = self._read_rest(descriptor)
            self.inside_frame = False
            if not (isinstance(event, Notice) and event.receipt and event.receipt.is_ours):
                return event

    def _read_rest(self, descriptor: Descriptor) -> Event:
        raw_header = self._reader.recv_exactly(descriptor.header_size)
        try:
            kind = _type_of(descriptor)
            header = parse_server_header(raw_header)
            if kind in ATTACHMENTS:
                # Refuse a bad frame before any of its content is saved.
                read_timestamp(header.timestamp)
        except HeaderError as error:
            self._reader.skip(descriptor.content_size)
            return BadFrame(str(error))
        try:
            if kind in ATTACHMENTS:
                return self._read_attachment(kind, header, descriptor.content_size)
            if descriptor.content_size > MAX_TEXT_IN_MEMORY:
                self._reader.skip(descriptor.content_size)
                raise HeaderError("The server sent a text that is too large.")
            content = self._reader.recv_exactly(descriptor.content_size)
            return self._room.interpret(kind, header, content, len(content))
        except HeaderError as error:  # the content has been read, so the next frame can follow
            return BadFrame(str(error))

    def _read_attachment(self, kind: MessageType, header: ServerHeader, size: int) -> Event:
        own = self._room.is_own(header)
        # An earlier message is shown again at each login, and may have been saved then.
        saver = self._saver if self.saves and not own and not header.replay else None
        content = None
        saving: Saving | None = None
        problem: str | None = None
        if saver is not None and size > saver.max_save:
            problem = f"It was not saved: {over_limit(size, saver.max_save)}."
        if size <= MAX_IN_MEMORY:
            content = self._reader.recv_exactly(size)
        elif saver is not None and problem is None:
            saving = self._save(saver, attachment_name(kind, header), size)
        else:
            self._reader.skip(size)
            if not own:
                problem = (
                    problem
                    or "It was not saved: it is too large for memory, and there is no save directory."
                )
        event = self._room.interpret(kind, header, content, size)
        assert isinstance(event, Attachment)
        # The frame of an offer has no content. Saved, it would become an empty file.
        if content is not None and event.offer is None and saver is not None and problem is None:
            saving = saver.save(event.filename, content)
        return replace(event, saving=saving, problem=problem)

    def _save(self, saver: Saver, filename: str, size: int) -> Saving:
        """Move a content from the wire to the saver's queue. If the queue stays full, skip the rest of the content."""
        incoming = saver.begin(filename, size)
        left = size
        try:
            while left:
                piece = self._reader.recv_some(left)
                left -= len(piece)
                if not incoming.write(piece):
                    break
        except BaseException:
            incoming.abandon("It was not saved: the connection ended in the middle of it.")
            raise
        incoming.finish()
        self._reader.skip(left)
        return incoming.saving


def _type_of(descriptor: Descriptor) -> MessageType:
    kind = _TYPES.get(descriptor.type)
    if kind is None:
        raise HeaderError(f"The server sent a message of the unknown type {descriptor.type}.")
    return kind
