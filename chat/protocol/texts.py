"""Plain texts, many at a time: what nearly all frames of a chat are, in both directions.

On its own, a frame costs the same whatever it says: a descriptor to judge, a header to parse, another to write. Texts
that have come together are one judgement, one header, and one block of bytes for everyone.
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

_UTF8 = int(MessageType.UTF8)
# What our client writes above a text: JSON (RFC 8259, section 7) that it takes no parser to read.
_NONCE = rb'"nonce":"([A-Za-z0-9_-]{1,64})"'
_PLAIN_HEADER = re.compile(rb'\{(?:"to":"([^"\\\x00-\x1f]+)"(?:,%b)?|%b)\}' % (_NONCE, _NONCE))


class Texts(NamedTuple):
    """Texts in their order, for the same: ``to`` is a name, None: everyone. Each has its nonce, or None."""

    contents: Sequence[bytes]
    nonces: Sequence[bytes | None]
    to: str | None = None


_NONE = Texts((), ())


def split_texts(
    data: bytes, start: int, order: ByteOrder, max_size: int, limit: int
) -> tuple[Texts, int]:
    """The plain texts that ``data`` holds whole from ``start`` on, at most ``limit``; and where they end.

    A plain text is a Utf8 frame with 1 to ``max_size`` bytes of valid UTF-8, and with no header or one that says for
    whom it is, or its nonce, and no more. Whatever else comes, or is for somebody else, ends them: it is for another
    look.
    """
    unpack = LAYOUTS[order].unpack_from
    available = len(data)
    contents: list[bytes] = []
    nonces: list[bytes | None] = []
    common_to: bytes | None = None
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
        to = nonce = None
        if header_size:
            header = _PLAIN_HEADER.fullmatch(data, begin, middle)
            if header is None:
                break
            to, nonce = header[1], header[2] or header[3]
        if to != common_to:
            if contents:
                break
            common_to = to
        contents.append(data[middle:stop])
        nonces.append(nonce)
        end = stop
    try:
        name = common_to.decode() if common_to is not None else None
    except UnicodeDecodeError:
        return _NONE, start
    try:
        # No character goes across a line end, so that all are valid if the whole is.
        b"\n".join(contents).decode()
    except UnicodeDecodeError:
        valid = sum(1 for _ in takewhile(_is_utf8, contents))
        return split_texts(data, start, order, max_size, valid)
    return Texts(contents, nonces, name), end


def encode_texts(header: bytes, texts: Texts, order: ByteOrder) -> bytes:
    """``texts`` as Utf8 frames, each with ``header``, a JSON object that is not empty, and its nonce.

    Raises LocalProtocolError for one over 65,535 bytes.
    """
    pack, header_size = LAYOUTS[order].pack, len(header)
    parts: list[bytes] = []
    try:
        for text, nonce in zip(texts.contents, texts.nonces, strict=True):
            if nonce is None:
                parts += (pack(_UTF8, header_size, len(text)), header, text)
            else:
                own = b'%b,"nonce":"%b"}' % (header[:-1], nonce)
                parts += (pack(_UTF8, len(own), len(text)), own, text)
    except struct.error:
        raise LocalProtocolError(f"a header has at most {MAX_HEADER_SIZE} bytes") from None
    return b"".join(parts)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
