"""Reading frames and taking their contents: to memory if small, to the save directory if not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from chat.client.errors import SaveFailed
from chat.client.events import Attachment, BadFrame, Event, Notice
from chat.client.link import Link
from chat.client.room import Room, attachment_name, read_timestamp
from chat.client.runtime import Runtime
from chat.client.saving import PartialFile
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
    """What comes in on one link.

    ``saves`` may be switched off when nobody wants the files any more. ``inside_frame``: a ``read`` that is interrupted
    now, by Ctrl-C or a time limit of gevent's, leaves a part of a frame that the next one would stumble on.
    """

    def __init__(
        self, link: Link, room: Room, runtime: Runtime, directory: Path | None, max_save: int
    ) -> None:
        self.saves = directory is not None
        self.inside_frame = False
        self._reader = link.reader
        self._room = room
        self._runtime = runtime
        self._directory = directory
        self._max_save = max_save

    def read(self) -> Event | None:
        """Wait for the next frame; None at the end of the stream. Raises what FrameReader does.

        Answers to what only the connection itself asked for are taken, and nobody is told.
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
        content = None
        path: Path | None = None
        problem: str | None = None
        if size <= MAX_IN_MEMORY:
            content = self._reader.recv_exactly(size)
        elif own:
            self._reader.skip(size)
        elif not self.saves:
            self._reader.skip(size)
            problem = "It is too large to be kept without a save directory."
        elif size > self._max_save:
            self._reader.skip(size)
            problem = f"It has {size} bytes, and at most {self._max_save} are saved."
        else:
            path, problem = self._save(kind, header, size)
        event = self._room.interpret(kind, header, content, size)
        assert isinstance(event, Attachment)
        if content is not None and event.offer is None and self.saves and not own:
            path, problem = self._save_small(event.filename, content)
        return replace(event, path=path, problem=problem)

    def _save(
        self, kind: MessageType, header: ServerHeader, size: int
    ) -> tuple[Path | None, str | None]:
        """From the wire to the disk; where it is, or why it is not. The connection matters more than the file."""
        part: PartialFile | None = None
        left = size
        try:
            part = self._open(attachment_name(kind, header))
            while left:
                piece = self._reader.recv_some(left)
                left -= len(piece)
                self._runtime.offload(part.write, piece)
            return self._runtime.offload(part.finish), None
        except SaveFailed as error:
            self._reader.skip(left)
            return None, str(error)
        finally:
            if part is not None:
                part.discard()

    def _save_small(self, filename: str, content: bytes) -> tuple[Path | None, str | None]:
        try:
            part = self._open(filename)
            self._runtime.offload(part.write, content)
            return self._runtime.offload(part.finish), None
        except SaveFailed as error:
            return None, str(error)

    def _open(self, filename: str) -> PartialFile:
        assert self._directory is not None
        return self._runtime.offload(PartialFile, self._directory, filename)


def _type_of(descriptor: Descriptor) -> MessageType:
    kind = _TYPES.get(descriptor.type)
    if kind is None:
        raise HeaderError(
            f"The server sent a message of type {descriptor.type}, which is unknown here."
        )
    return kind
