"""Prepare messages before they are sent: check them, encode texts and headers, open and measure files."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from chat.client.connection.receipts import Receipt
from chat.client.errors import NotSent, NotSupported, TransferFailed, explain
from chat.protocol.commands import Command, Verb
from chat.protocol.descriptor import MAX_HEADER_SIZE, MessageType
from chat.protocol.errors import LocalProtocolError
from chat.protocol.filenames import DEFAULT_FILENAME, clean_filename
from chat.protocol.headers import ClientHeader, encode_client_header
from chat.sizes import over_limit

_PIECE = 256 * 1024
_ABOUT_ROOMS = frozenset(
    verb.value
    for verb in (
        Verb.JOIN,
        Verb.PART,
        Verb.ROOMS,
        Verb.NAMES,
        Verb.TOPIC,
        Verb.INVITE,
        Verb.REMOVE,
        Verb.ROOM,
    )
)
# To pathlib an empty path is the current directory, which no user means.
NO_PATH = "The path is empty: expected the path of a file."


def split_text(text: str, limit: int) -> list[str]:
    """Split ``text`` into pieces of at most ``limit`` bytes of UTF-8, never inside a character.

    Raises ValueError if ``limit`` is below 4.
    """
    if limit < 4:
        raise ValueError(
            f"invalid limit {limit}: expected at least 4, since a character has up to 4 bytes"
        )
    data = text.encode()
    pieces = []
    start = 0
    while start < len(data):
        end = min(start + limit, len(data))
        # A byte 10xxxxxx continues the character before it (RFC 3629).
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(data[start:end].decode())
        start = end
    return pieces


def is_unicode(text: str) -> bool:
    """Return whether ``text`` has no half of a surrogate pair, which has no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def encode_text(text: str, limit: int) -> bytes:
    """Encode a text. Raises NotSent for an empty text, over ``limit`` bytes, or half of a surrogate pair."""
    if not is_unicode(text):
        raise NotSent("The text is not valid Unicode: it contains half of a surrogate pair.")
    content = text.encode()
    if not content:
        raise NotSent("The text is empty.")
    if len(content) > limit:
        raise NotSent(f"The text is too long: {over_limit(len(content), limit)}.")
    return content


def encode_header(receipt: Receipt, *, raw: bool, offset: int = 0) -> bytes:
    """Encode the header of a message; ``raw``: in the form for an original server. Raises NotSent.

    ``offset``: the content goes on behind so many bytes, which the server has.
    """
    if raw:
        if receipt.kind is not MessageType.FILE or receipt.filename is None:
            return b""  # an original server would take a header for a part of the content
        # A server that knows JSON headers would take a brace for the start of one.
        name = receipt.filename
        return (f"_{name[1:]}" if name.startswith("{") else name).encode()
    try:
        header = encode_client_header(
            ClientHeader(
                receipt.to,
                receipt.filename,
                receipt.nonce,
                offset=offset,
                command=receipt.command,
                room=receipt.room,
            )
        )
    except LocalProtocolError:
        if receipt.command is not None:
            raise NotSent(
                "The command is not valid Unicode: it contains half of a surrogate pair."
            ) from None
        if receipt.to is None:
            raise NotSent(f"{receipt.room!r} is not a valid name of a room.") from None
        raise NotSent(f"{receipt.to!r} is not a valid user name.") from None
    if len(header) > MAX_HEADER_SIZE and receipt.command is not None:
        raise NotSent("The command is too long.")
    if len(header) > MAX_HEADER_SIZE:
        raise NotSent("The name is too long.")
    return header


class Source(NamedTuple):
    """A file to send: ``size`` bytes from the position ``start`` on. ``filename`` is cleaned."""

    file: BinaryIO
    filename: str
    size: int
    start: int = 0

    def behind(self, offset: int) -> Source:
        """Return the part of the file behind ``offset`` bytes."""
        return self._replace(size=self.size - offset, start=self.start + offset)

    def digest_of_first(self, size: int) -> str:
        """Read the first ``size`` bytes, and return their SHA-256 in hex. Raises TransferFailed."""
        from hashlib import sha256  # takes a while to load

        found = sha256()
        for piece in self._replace(size=size).pieces(self.file.read):
            found.update(piece)
        return found.hexdigest()

    def rewind(self) -> None:
        """Go back to the start, to read the pieces again. Raises OSError."""
        self.file.seek(self.start)

    def pieces(self, read: Callable[[int], bytes]) -> Iterator[bytes]:
        """Yield all ``size`` bytes in pieces, with ``read`` in place of ``file.read``. Raises TransferFailed."""
        left = self.size
        while left:
            try:
                piece = read(min(left, _PIECE))
            except OSError as error:
                raise TransferFailed(f"Can't read {self.filename!r}: {explain(error)}") from None
            if not piece:
                raise TransferFailed(f"{self.filename!r} became shorter while it was being sent.")
            left -= len(piece)
            yield piece


def check_recipient(to: str | None, room: str | None = None, *, original: bool) -> None:
    """Raise NotSupported for a private message, or one to a ``room``, to an ``original`` server.

    Raises ValueError for a message to a user and to a room.
    """
    if to is not None and room is not None:
        raise ValueError("a message goes to a room or to one user, not to both")
    if to is not None and original:
        raise NotSupported("This server is an original one, which has no private messages.")
    if room is not None and original:
        raise NotSupported("This server is an original one, which has no rooms.")


def check_command(command: Command, *, original: bool, is_private: bool) -> None:
    """Raise NotSupported for an ``original`` server, NotSent for a password on a connection that is not private."""
    if original:
        lacks = "has no rooms" if command.verb in _ABOUT_ROOMS else "takes no commands"
        raise NotSupported(f"This server is an original one, which {lacks}.")
    is_secret = command.password is not None or command.new_password is not None
    if is_secret and not is_private:
        raise NotSent("The connection is not encrypted, so no password is sent.")


def check_size(source: Source, limit: int, *, original: bool) -> None:
    """Raise NotSent for a file with more than ``limit`` bytes, or NotSupported if the server is an ``original`` one."""
    if source.size <= limit:
        return
    sizes = over_limit(source.size, limit)
    if original:
        raise NotSupported(f"{source.filename!r} is too large for an original server: {sizes}.")
    raise NotSent(f"{source.filename!r} is too large: {sizes}.")


@contextmanager
def open_source(source: str | Path | BinaryIO, filename: str | None) -> Iterator[Source]:
    """Open a path, or take an open file, and measure it. Closes only a file that it opened. Raises NotSent."""
    if isinstance(source, str) and not source.strip():
        raise NotSent(NO_PATH)
    if isinstance(source, str | Path):
        path = Path(source)
        file = _open(path)
        try:
            yield _measure(file, filename or path.name)
        finally:
            file.close()
    else:
        yield _measure(source, filename or _name_of(source))


def _open(path: Path) -> BinaryIO:
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise NotSent(f"{str(path)!r} is not a regular file.")
        return open(descriptor, "rb")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise NotSent(f"Can't read {str(path)!r}: {explain(error)}") from None


def _measure(file: BinaryIO, filename: str) -> Source:
    try:
        start = file.tell()
        size = file.seek(0, os.SEEK_END) - start
        file.seek(start)
    except (OSError, ValueError) as error:
        raise NotSent(f"Can't measure {filename!r}: {explain(error)}") from None
    return Source(file, clean_filename(filename), max(size, 0), start)


def _name_of(file: BinaryIO) -> str:
    """Return the name of an open file. Pipes and buffers in memory have none: they get a default."""
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else DEFAULT_FILENAME
