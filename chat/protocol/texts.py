"""Plain texts, many at a time: what nearly all frames of a chat are, in both directions.

On its own, a frame costs the same whatever it says: a descriptor to judge, a header to parse, another to write. Texts
that have come together are one judgement, one header, and one block of bytes for everyone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from chat.protocol.descriptor import (
    DESCRIPTOR_SIZE,
    LAYOUTS,
    MAX_HEADER_SIZE,
    ByteOrder,
    MessageType,
)
from chat.protocol.errors import LocalProtocolError

_UTF8 = int(MessageType.UTF8)


def split_texts(
    data: bytes, start: int, order: ByteOrder, max_size: int, limit: int
) -> tuple[list[bytes], int]:
    """The plain texts that ``data`` holds whole from ``start`` on, at most ``limit``; and where they end.

    A plain text is a Utf8 frame without a header and with 1 to ``max_size`` bytes of valid UTF-8. Whatever else
    comes, ends them: it is for a closer look.
    """
    unpack = LAYOUTS[order].unpack_from
    available = len(data)
    texts: list[bytes] = []
    end = start
    for _ in range(limit):
        begin = end + DESCRIPTOR_SIZE
        if begin > available:
            break
        type, header_size, size = unpack(data, end)
        stop = begin + size
        if type != _UTF8 or header_size or not 0 < size <= max_size or stop > available:
            break
        texts.append(data[begin:stop])
        end = stop
    try:
        # No character goes across a line end, so that all are valid if the whole is.
        b"\n".join(texts).decode()
    except UnicodeDecodeError:
        texts = list(takewhile(_is_utf8, texts))
        end = start + sum(DESCRIPTOR_SIZE + len(text) for text in texts)
    return texts, end


def encode_texts(header: bytes, texts: Sequence[bytes], order: ByteOrder) -> bytes:
    """``texts`` as Utf8 frames, each with the same ``header``. Raises LocalProtocolError for one over 65,535 bytes."""
    pack, header_size = LAYOUTS[order].pack, len(header)
    if header_size > MAX_HEADER_SIZE:
        raise LocalProtocolError(f"a header has at most {MAX_HEADER_SIZE} bytes")
    parts: list[bytes] = []
    for text in texts:
        parts += (pack(_UTF8, header_size, len(text)), header, text)
    return b"".join(parts)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
