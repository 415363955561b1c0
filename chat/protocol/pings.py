"""Read and answer pings in their usual form without a JSON parser, since thousands of idle users send them.

A ping in another valid form is handled like any other command (``chat.protocol.commands``).
"""

from __future__ import annotations

import re

from chat.protocol.commands import Verb
from chat.protocol.descriptor import (
    DESCRIPTOR_SIZE,
    LAYOUTS,
    ByteOrder,
    MessageType,
    encode_frame,
)
from chat.protocol.headers import NONCE
from chat.protocol.notices import SERVER_NAME, NoticeCode

# The content of the answer.
PING_ANSWER = "The server is here."

# Bytes of the longest frame that is read as a ping here.
MAX_PING = DESCRIPTOR_SIZE + 128

_UTF8 = int(MessageType.UTF8)
# JSON (RFC 8259) in the forms that most programs write.
_NONCE = rb'"nonce": ?"(%b)"' % NONCE.pattern.encode()
_COMMAND = rb'"command": ?"%b"' % Verb.PING.value.encode()
_HEADER = re.compile(rb"\{(?:%b, ?%b|%b, ?%b)\}" % (_NONCE, _COMMAND, _COMMAND, _NONCE))
_ANSWER_HEADER = (
    f'{{"from":"{SERVER_NAME}","timestamp":"%b","to":%b,"nonce":"%b"'
    f',"notice":"{NoticeCode.DONE.value}"}}'
).encode()
_CONTENT = PING_ANSWER.encode()


def read_ping(data: bytes, start: int, order: ByteOrder) -> tuple[bytes, int] | None:
    """Return the nonce of the ping in ``data`` at ``start``, and where the ping ends; None for any other frame."""
    begin = start + DESCRIPTOR_SIZE
    if begin > len(data):
        return None
    type, header_size, size = LAYOUTS[order].unpack_from(data, start)
    if type != _UTF8 or size:
        return None
    end = begin + header_size
    header = _HEADER.fullmatch(data, begin, end)
    # fullmatch stops at the end of data: if that is earlier, the rest of the frame has yet to come.
    return (header[1] or header[2], end) if header is not None and header.end() == end else None


def encode_ping_answer(timestamp: str, to_json: bytes, nonce: bytes, order: ByteOrder) -> bytes:
    """Return the answer to a ping, a notice ``done``; ``to_json`` is the name of the user in JSON."""
    header = _ANSWER_HEADER % (timestamp.encode(), to_json, nonce)
    return encode_frame(MessageType.UTF8, header, _CONTENT, order)
