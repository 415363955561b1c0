"""Runs: messages of one sender for one destination that travel together, in both directions.

A frame alone costs the same whatever it says: a descriptor to judge, a header to parse, another to write. Most frames
of a chat are plain texts, and texts of a busy sender arrive together. So the server reads them together, numbers them
together, and writes them as one block of bytes for everyone.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from chat.protocol.descriptor import (
    DESCRIPTOR_SIZE,
    LAYOUTS,
    MAX_HEADER_SIZE,
    ByteOrder,
    MessageType,
)
from chat.protocol.errors import LocalProtocolError
from chat.protocol.frames import LargeContent
from chat.protocol.headers import NONCE

MAX_RUN = 64  # messages

_TEXT = MessageType.UTF8
_UTF8 = int(_TEXT)
# What our client writes above a text: JSON (RFC 8259, section 7) that can be read without a parser.
_NONCE = rb'"nonce":"(%b)"' % NONCE.pattern.encode()
_NAME = rb'"([^"\\\x00-\x1f]+)"'
_PLAIN_HEADER = re.compile(
    rb'\{(?:"to":%b(?:,%b)?|"room":%b(?:,%b)?|%b)\}' % (_NAME, _NONCE, _NAME, _NONCE, _NONCE)
)


class Run(NamedTuple):
    """1 to ``MAX_RUN`` messages of one sender for one destination, in order.

    ``size`` is the number of bytes of all contents. ``to`` is the name of a user, or None for everyone in ``room``,
    which is the name of a room, or None for the default one. Each message has its nonce, or None. Only texts travel
    together: a file, an image or a voice note is a run of one, and has a ``filename``. If that content is not in
    memory, it is ``large``, and empty in ``contents``; ``digest`` is then its SHA-256. ``is_kept``: it is kept beside
    the history.
    """

    type: MessageType
    contents: Sequence[bytes]
    nonces: Sequence[bytes | None]
    size: int
    to: str | None = None
    filename: str | None = None
    large: LargeContent | None = None
    digest: bytes | None = None
    is_kept: bool = False
    room: str | None = None


def split_run(
    data: bytes, start: int, order: ByteOrder, max_size: int, limit: int
) -> tuple[Run, int] | None:
    """Return the run of plain texts that ``data`` begins with at ``start``, and where the run ends.

    A plain text is a Utf8 frame with 1 to ``max_size`` bytes of valid UTF-8, and with no header or a header that
    contains only ``to`` or ``room``, and ``nonce``. The run holds at most ``limit`` texts that are here whole, all for
    the same destination. Returns None if the next frame is not a plain text: it needs a closer look.
    """
    unpack = LAYOUTS[order].unpack_from
    available = len(data)
    contents: list[bytes] = []
    nonces: list[bytes | None] = []
    common_to: bytes | None = None
    common_room: bytes | None = None
    end = start
    for _ in range(limit):
        begin = end + DESCRIPTOR_SIZE
        if begin > available:
            break
        type, header_size, size = unpack(data, end)
        middle = begin + header_size
        stop = middle + size
        if type != _UTF8 or not 0 < size <= max_size or stop > available:
            break
        to = room = nonce = None
        if header_size:
            header = _PLAIN_HEADER.fullmatch(data, begin, middle)
            if header is None:
                break
            to, of_private, room, in_room, alone = header.groups()
            nonce = of_private or in_room or alone
        if to != common_to or room != common_room:
            if contents:
                break
            common_to, common_room = to, room
        contents.append(data[middle:stop])
        nonces.append(nonce)
        end = stop
    if not contents:
        return None
    try:
        name = common_to.decode() if common_to is not None else None
        room_name = common_room.decode() if common_room is not None else None
    except UnicodeDecodeError:
        return None
    try:
        # A line end cannot stand inside a character, so all texts are valid if the joined bytes are.
        b"\n".join(contents).decode()
    except UnicodeDecodeError:
        valid = sum(1 for _ in takewhile(_is_utf8, contents))
        return split_run(data, start, order, max_size, valid)
    return Run(_TEXT, contents, nonces, sum(map(len, contents)), name, room=room_name), end


class TextFrames(NamedTuple):
    """The frames of a run of texts as the server sends them, encoded for each byte order in use.

    ``header`` is the beginning of the JSON object that all the headers share: see ``encode_shared_header``. The
    messages are numbered from ``first_seq`` on.
    """

    header: bytes
    run: Run
    first_seq: int

    def encode(self, order: ByteOrder) -> bytes:
        """Return the frames, one behind the other. Raises LocalProtocolError for a header over 65,535 bytes."""
        pack, shared, seq = LAYOUTS[order].pack, self.header, self.first_seq
        size = len(shared)
        parts: list[bytes] = []
        try:
            for text, nonce in zip(self.run.contents, self.run.nonces, strict=True):
                own = b"%d}" % seq if nonce is None else b'%d,"nonce":"%b"}' % (seq, nonce)
                parts += (pack(_UTF8, size + len(own), len(text)), shared, own, text)
                seq += 1
        except struct.error:
            raise LocalProtocolError(f"a header has at most {MAX_HEADER_SIZE} bytes") from None
        return b"".join(parts)


def encode_private_keys(account: str | None, *, waits: bool) -> bytes:
    """Return the keys of a private message that tell of the other user's account (None: a guest), and that it waits.

    They are ``more`` of ``encode_shared_header``.
    """
    keys = b"" if account is None else b',"account":"%b"' % account.encode()
    return keys + b',"waiting":true' if waits else keys


def encode_room_key(name: str | None) -> bytes:
    """Return the key of a header that names the room (None: the default one). It is ``more`` of the next function."""
    # A valid name needs no escape.
    return b"" if name is None else b',"room":"%b"' % name.encode()


def encode_shared_header(name: bytes, time: str, to: bytes | None, more: bytes = b"") -> bytes:
    """Return a server's header up to where the number of the message follows.

    The names of the sender and of the recipient are given as JSON, as the caller keeps them. ``more`` are further keys
    with their values, each after a comma.
    """
    rest = more if to is None else b',"to":%b%b' % (to, more)
    return b'{"from":%b,"timestamp":"%b"%b,"seq":' % (name, time.encode(), rest)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
