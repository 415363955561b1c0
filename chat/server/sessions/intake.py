"""A logged-in client's frames on their way in: judged, parsed, their contents in memory or in a file.

Every frame is judged on its descriptor alone; what is refused is answered before its content has come, and then
skipped to its end, so the session goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from chat.framing import FrameReader
from chat.protocol.descriptor import ATTACHMENTS, MESSAGES, Descriptor, MessageType
from chat.protocol.errors import HeaderError
from chat.protocol.headers import ClientHeader, parse_client_header
from chat.protocol.notices import NoticeCode
from chat.protocol.runs import Run
from chat.server.attachments.spool import NoSpaceError, Spool, SpooledFile
from chat.server.settings import BILLED_BYTES, MAX_IN_MEMORY, Settings


class FrameRefused(Exception):
    """The frame under way is not taken.

    ``fatal``: the connection is closed after the answer, since there is too much to skip.
    """

    def __init__(
        self, notice: NoticeCode, sentence: str, nonce: str | None = None, *, fatal: bool = False
    ) -> None:
        super().__init__(sentence)
        self.notice = notice
        self.sentence = sentence
        self.nonce = nonce
        self.fatal = fatal


def check_frame(descriptor: Descriptor, settings: Settings) -> FrameRefused | None:
    """What is wrong with a frame that begins so, if anything."""
    type, _, size = descriptor
    if size > settings.max_file:
        sentence = f"A content has at most {settings.max_file} bytes here."
        return FrameRefused(NoticeCode.TOO_LARGE, sentence, fatal=True)
    if type not in MESSAGES:
        return FrameRefused(NoticeCode.BAD_TYPE, f"A message cannot have the type {type}.")
    if type == MessageType.UTF8 and size > settings.max_text:
        return FrameRefused(
            NoticeCode.TOO_LARGE, f"A text has at most {settings.max_text} bytes here."
        )
    if type == MessageType.UTF8 and size == 0:
        return FrameRefused(NoticeCode.EMPTY, "A text must not be empty.")
    return None


def check_command(descriptor: Descriptor, header: ClientHeader) -> FrameRefused | None:
    """What is wrong with a frame that asks the server to do something, if anything."""
    if descriptor.type == MessageType.UTF8 and not descriptor.content_size and header.to is None:
        return None
    # It may hold a password: nobody is to get it by an error.
    sentence = "A command is a text without a content, for nobody but the server."
    return FrameRefused(NoticeCode.BAD_HEADER, sentence)


class Intake:
    """Reads the frames of one connection, one after the other.

    ``owner`` is whom the space of large contents is counted for; ``give_up`` ends the connection from outside.
    ``bill`` is called before each further ``BILLED_BYTES`` of a content, taken or skipped, and may wait: so a large
    content is delayed as many messages are, and leaves turns to what else its sender says.
    """

    __slots__ = ("_bill", "_give_up", "_left", "_owner", "_paid", "_reader", "_settings", "_spool")

    def __init__(
        self,
        reader: FrameReader,
        settings: Settings,
        spool: Spool,
        owner: Hashable,
        give_up: Callable[[], object],
        bill: Callable[[], object] = lambda: None,
    ) -> None:
        self._reader = reader
        self._settings = settings
        self._spool = spool
        self._owner = owner
        self._give_up = give_up
        self._bill = bill
        self._paid = 0  # bytes of it that may come before the next bill
        self._left = 0  # of the content under way, in bytes

    def close(self) -> None:
        """Nothing more is read. Both callables lead back to whom this intake is of; with them goes the circle."""
        self._give_up = self._bill = _do_nothing

    def wait(self) -> bool:
        """Wait until the next frame has begun; False when the client has closed. Skips what is left of the last."""
        while self._left:
            self._receive_more()
        return self._reader.wait()

    def next_run(self, limit: int) -> Run | None:
        """Return the plain texts that have come whole, at most ``limit``; None if the next frame is not one."""
        return self._reader.next_run(self._settings.max_text, limit)

    def next_ping(self) -> bytes | None:
        """Return the nonce of the next frame if it is a ping in its usual form, else None."""
        return self._reader.next_ping()

    def next(self) -> Descriptor | None:
        """The next frame's descriptor, or None when the client has closed. Skips what is left of the last frame."""
        return self._reader.read_descriptor() if self.wait() else None

    def read_header(self, descriptor: Descriptor) -> ClientHeader:
        """Raises FrameRefused, with the nonce that the answer must have."""
        refused = check_frame(descriptor, self._settings)
        if refused is not None and refused.fatal and self._reader.buffered < descriptor.header_size:
            raise refused  # on its 16 bytes alone: of this peer nothing more is waited for
        data = self._reader.recv_exactly(descriptor.header_size)
        self._left = descriptor.content_size
        self._paid = BILLED_BYTES  # with the frame
        try:
            header = parse_client_header(data, names_a_file=descriptor.type in ATTACHMENTS)
        except HeaderError as problem:
            if refused is None or (problem.is_command and refused.notice is NoticeCode.EMPTY):
                refused = FrameRefused(NoticeCode.BAD_HEADER, str(problem))
            refused.nonce = problem.nonce
            raise refused from None
        if header.command is not None and (refused is None or refused.notice is NoticeCode.EMPTY):
            refused = check_command(descriptor, header)
        if refused is not None:
            refused.nonce = header.nonce
            raise refused
        return header

    def read_content(self, descriptor: Descriptor, header: ClientHeader) -> bytes | SpooledFile:
        """The content, valid UTF-8 if it is a text. A file is the caller's to release. Raises FrameRefused."""
        size = descriptor.content_size
        if size > MAX_IN_MEMORY and descriptor.type != MessageType.UTF8:
            try:
                return self._spool_content(size)
            except NoSpaceError as problem:
                raise FrameRefused(NoticeCode.NO_SPACE, str(problem), header.nonce) from None
        content = self._reader.recv_exactly(size)
        self._left = 0
        if descriptor.type == MessageType.UTF8:
            try:
                content.decode()
            except UnicodeDecodeError:
                sentence = "A text must be valid UTF-8."
                raise FrameRefused(NoticeCode.NOT_UTF8, sentence, header.nonce) from None
        return content

    def _spool_content(self, size: int) -> SpooledFile:
        file = self._spool.reserve(self._owner, size, self._give_up)
        try:
            while self._left:
                file.append(self._receive_more())
        finally:
            # Whatever ended it, also a greenlet that is killed: what is not whole reaches nobody.
            if not file.is_complete:
                file.release()
        return file

    def _receive_more(self) -> memoryview:
        """At least one more byte of the content under way."""
        if not self._paid:
            self._bill()
            self._paid = BILLED_BYTES
        piece = self._reader.recv_some(min(self._left, self._paid))
        self._left -= len(piece)
        self._paid -= len(piece)
        return piece


def _do_nothing() -> None:
    """It has ended."""
