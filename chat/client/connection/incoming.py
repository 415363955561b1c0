"""Read frames and take their contents: into memory if small, else to the saver."""

from __future__ import annotations

from dataclasses import replace

from chat.client.connection.events import Attachment, BadFrame, Event, Notice
from chat.client.connection.link import Link
from chat.client.connection.saver import Saver, Saving
from chat.client.connection.session_state import SessionState, attachment_name, read_timestamp
from chat.protocol.descriptor import ATTACHMENTS, Descriptor, MessageType
from chat.protocol.errors import HeaderError
from chat.protocol.headers import ServerHeader, parse_server_header

MAX_IN_MEMORY = 64 * 1024  # bytes of an attachment; a larger one goes to disk or nowhere
MAX_TEXT_IN_MEMORY = (
    16 * 1024**2
)  # bytes of anything else, such as the list of 10,000 users in a welcome
# Several times as fast as the enumeration finds its members.
_TYPES = {int(known): known for known in MessageType}


class Incoming:
    """The incoming frames of one link. ``saver`` takes attachments of others; None: they are not saved.

    ``saves`` may be switched off when nobody wants the files any more. ``inside_frame``: a ``read`` that is interrupted
    now, by Ctrl-C or a time limit of gevent's, leaves a part of a frame that the next one would stumble on.
    """

    def __init__(self, link: Link, room: SessionState, saver: Saver | None) -> None:
        self.saves = True
        self.inside_frame = False
        self._reader = link.reader
        self._room = room
        self._saver = saver

    def read(self) -> Event | None:
        """Wait for the next frame; None at the end of the stream. Raises what FrameReader does.

        Answers to pings, which the connection itself sends, are taken here and not returned.
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
                read_timestamp(header.timestamp)  # before anything of it is saved
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
        except HeaderError as error:  # raised only once the content has been taken
            return BadFrame(str(error))

    def _read_attachment(self, kind: MessageType, header: ServerHeader, size: int) -> Event:
        own = self._room.is_own(header)
        saver = self._saver if self.saves and not own else None
        content = None
        saving: Saving | None = None
        problem: str | None = None
        if saver is not None and size > saver.max_save:
            problem = f"It has {size} bytes, and at most {saver.max_save} are saved."
        if size <= MAX_IN_MEMORY:
            content = self._reader.recv_exactly(size)
        elif saver is not None and problem is None:
            saving = self._save(saver, attachment_name(kind, header), size)
        else:
            self._reader.skip(size)
            if not own:
                problem = problem or "It is too large to be kept without a save directory."
        event = self._room.interpret(kind, header, content, size)
        assert isinstance(event, Attachment)
        if content is not None and event.offer is None and saver is not None and problem is None:
            saving = saver.save(event.filename, content)
        return replace(event, saving=saving, problem=problem)

    def _save(self, saver: Saver, filename: str, size: int) -> Saving:
        """Move a content from the wire to the saver's queue. If the queue stays full, the file is lost."""
        inflow = saver.begin(filename, size)
        left = size
        try:
            while left:
                piece = self._reader.recv_some(left)
                left -= len(piece)
                if not inflow.write(piece):
                    break
        except BaseException:
            inflow.abandon("The connection ended before all of it was there.")
            raise
        inflow.finish()
        self._reader.skip(left)
        return inflow.saving


def _type_of(descriptor: Descriptor) -> MessageType:
    kind = _TYPES.get(descriptor.type)
    if kind is None:
        raise HeaderError(
            f"The server sent a message of type {descriptor.type}, which is unknown here."
        )
    return kind
