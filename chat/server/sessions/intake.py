"""Read the frames of a logged-in client: check them, parse their headers, and put contents in memory or in a file.

Each frame is checked on its descriptor alone. A refused frame is answered before its content has arrived, and then
skipped to its end, so that the session goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from chat.framing import FrameReader
from chat.protocol.descriptor import ATTACHMENTS, MESSAGES, Descriptor, MessageType
from chat.protocol.errors import HeaderError
from chat.protocol.headers import ClientHeader, parse_client_header
from chat.protocol.notices import NoticeCode
from chat.protocol.runs import Run
from chat.server.attachments.spool import NoSpaceError, Spool, SpooledFile, UnknownPart
from chat.server.log.log import Rejection
from chat.server.settings import BILLED_BYTES, MAX_IN_MEMORY, Settings
from chat.sizes import byte_count

UNKNOWN_PART = "The server does not have this part of the content; begin at the offset 0."


class FrameRefused(Exception):
    """Report that the server refuses the current frame.

    ``notice``, ``sentence`` and ``nonce`` make the answer. ``fatal``: the server closes the connection after the
    answer, because there is too much to skip.
    """

    def __init__(
        self, notice: NoticeCode, sentence: str, nonce: str | None = None, *, fatal: bool = False
    ) -> None:
        super().__init__(sentence)
        self.notice = notice
        self.sentence = sentence
        self.nonce = nonce
        self.fatal = fatal


def refusal_of(rejection: Rejection, nonce: str | None) -> FrameRefused:
    """Return the refusal of a frame whose message the room rejects."""
    notice, sentence, is_fatal = rejection
    return FrameRefused(notice, sentence, nonce, fatal=is_fatal)


def check_frame(descriptor: Descriptor, settings: Settings) -> FrameRefused | None:
    """Return why a frame with this descriptor is refused, None if it is not."""
    type, _, size = descriptor
    if size > settings.max_file:
        sentence = f"The content is too large; the limit is {byte_count(settings.max_file)}."
        return FrameRefused(NoticeCode.TOO_LARGE, sentence, fatal=True)
    if type not in MESSAGES:
        sentence = f"Invalid message type {type}; expected Image, Utf8, File or Voice."
        return FrameRefused(NoticeCode.BAD_TYPE, sentence)
    if type == MessageType.UTF8 and size > settings.max_text:
        sentence = f"The text is too long; the limit is {byte_count(settings.max_text)}."
        return FrameRefused(NoticeCode.TOO_LARGE, sentence)
    if type == MessageType.UTF8 and size == 0:
        return FrameRefused(NoticeCode.EMPTY, "A text must not be empty.")
    return None


def check_command(descriptor: Descriptor, header: ClientHeader) -> FrameRefused | None:
    """Return why a frame with a command in its header is refused, None if it is not."""
    if descriptor.type == MessageType.UTF8 and not descriptor.content_size and header.to is None:
        return None
    # Refused rather than delivered without the extra parts: a command may hold a password, which no user must get.
    sentence = "A command must be a Utf8 frame without content and without a recipient."
    return FrameRefused(NoticeCode.BAD_HEADER, sentence)


class Intake:
    """Read the frames of one connection, one after the other.

    ``owner`` is the user whose share of the spool large contents count towards. ``give_up`` ends the connection from
    outside. ``bill`` is called before each further ``BILLED_BYTES`` of a content, whether the content is kept or
    skipped. It may wait: a large content is delayed like many messages, and the sender's other connections can send in
    between. ``part`` is the name under which the current content is left if it is interrupted; None: nowhere.
    """

    __slots__ = (
        "_bill",
        "_give_up",
        "_left",
        "_owner",
        "_paid",
        "_reader",
        "_settings",
        "_spool",
        "part",
    )

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
        self.part: str | None = None
        self._paid = 0  # bytes of the current content that may arrive before the next bill
        self._left = 0  # bytes of the current content that have not been read

    def close(self) -> None:
        """Drop the callables: the intake reads nothing more."""
        # Both lead back to the session or transfer that owns this intake. Without the circle, the memory is freed at
        # once, and not when the garbage collector runs.
        self._give_up = self._bill = _do_nothing

    def skip_rest(self) -> None:
        """Skip the unread content of a refused frame."""
        while self._left:
            self._receive_more()

    def next(self) -> Descriptor | None:
        """Wait for the descriptor of the next frame; None if the client has closed. Skips as ``skip_rest`` does."""
        self.skip_rest()
        return self._reader.read_descriptor()

    def read_header(self, descriptor: Descriptor) -> ClientHeader:
        """Read and check the header of a frame. Raises FrameRefused, with the nonce for the answer."""
        refused = check_frame(descriptor, self._settings)
        # Even a refused frame has its header read: the answer needs the nonce. But if the connection ends anyway, the
        # server does not wait for a header that may never arrive.
        if refused is not None and refused.fatal and self._reader.buffered < descriptor.header_size:
            raise refused
        data = self._reader.recv_exactly(descriptor.header_size)
        self._left = descriptor.content_size
        self._paid = BILLED_BYTES  # the frame itself pays for the first part of its content
        try:
            header = parse_client_header(data, names_a_file=descriptor.type in ATTACHMENTS)
        except HeaderError as problem:
            # A command has no content. So "a text must not be empty" would hide what is really wrong with it.
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
        """Read the content of a frame; a text is valid UTF-8. Raises FrameRefused.

        ``descriptor`` has the size of the whole content, also if the frame goes on with an interrupted upload. The
        caller must release a SpooledFile.
        """
        size = descriptor.content_size
        if size > MAX_IN_MEMORY and descriptor.type != MessageType.UTF8:
            try:
                return self._spool_content(size)
            except NoSpaceError as problem:
                raise FrameRefused(NoticeCode.NO_SPACE, str(problem), header.nonce) from None
            except UnknownPart:
                raise FrameRefused(NoticeCode.BAD_HEADER, UNKNOWN_PART, header.nonce) from None
        content = self._reader.recv_exactly(size)
        self._left = 0
        if descriptor.type == MessageType.UTF8:
            try:
                content.decode()
            except UnicodeDecodeError:
                sentence = "A text must be valid UTF-8."
                raise FrameRefused(NoticeCode.NOT_UTF8, sentence, header.nonce) from None
        return content

    def read_message(
        self, descriptor: Descriptor, header: ClientHeader, file_owner: str = ""
    ) -> Run:
        """Read the content of a message, as a run of one. Raises FrameRefused.

        A large content is kept beside the history if it can be; see ``SpooledFile.keep`` for ``file_owner``. The caller
        must release it.
        """
        content = self.read_content(descriptor, header)
        in_memory, large = (content, None) if isinstance(content, bytes) else (b"", content)
        run = Run(
            MessageType(descriptor.type),
            [in_memory],
            [header.nonce.encode() if header.nonce is not None else None],
            descriptor.content_size,
            header.to,
            header.filename,
            large,
            large.digest if large is not None else None,
            room=header.room,
        )
        if large is None:
            return run
        try:
            return run._replace(is_kept=large.keep(file_owner))
        except BaseException as problem:
            large.release()
            if isinstance(problem, NoSpaceError):
                raise FrameRefused(NoticeCode.NO_SPACE, str(problem), header.nonce) from None
            raise

    def _spool_content(self, size: int) -> SpooledFile:
        offset = size - self._left
        file = self._spool.reserve(self._owner, size, self._give_up, self.part, offset)
        try:
            while self._left:
                file.append(self._receive_more())
        finally:
            # Also if this greenlet is killed: an incomplete content reaches nobody, and its space is free again.
            if not file.is_complete:
                file.release()
        return file

    def _receive_more(self) -> memoryview:
        """Wait for the next piece of the current content; return it, at least one byte."""
        if not self._paid:
            self._bill()
            self._paid = BILLED_BYTES
        piece = self._reader.recv_some(min(self._left, self._paid))
        self._left -= len(piece)
        self._paid -= len(piece)
        return piece


def _do_nothing() -> None:
    """Do nothing: the connection has ended."""
