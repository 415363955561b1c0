"""The 16 bytes that open every frame.

::

     0       2       4               8                               16
    +-------+-------+---------------+-------------------------------+
    | type  | header|   reserved    |         content size          |
    |       | size  |               |                               |
    +-------+-------+---------------+-------------------------------+
      u16     u16     zeros when      u64
                      written, not
                      looked at when
                      read

Then follow ``header size`` bytes of header and ``content size`` bytes of content. All integers of a connection are in
one byte order, which its first two bytes tell: see :func:`sniff_byte_order`.
"""

from __future__ import annotations

import struct
from enum import Enum, IntEnum
from typing import NamedTuple

from chat.protocol.errors import LocalProtocolError

DESCRIPTOR_SIZE = 16
MAX_HEADER_SIZE = 0xFFFF
MAX_CONTENT_SIZE = 0xFFFF_FFFF_FFFF_FFFF


class MessageType(IntEnum):
    """List the values of the first field of a descriptor.

    2 is not in the original document, but the original server sends it.
    """

    LOGIN = 1
    LOGOUT = 2
    USERNAME_EXISTS = 3
    BAD_USERNAME = 4
    BAD_LOGIN = 5
    IMAGE = 6
    UTF8 = 7
    FILE = 8
    VOICE = 9

    # A hot path: messages are counted by type, and Enum's own hash is a call into Python.
    __hash__ = int.__hash__


# Types that carry what a user says; the others control the connection.
MESSAGES = frozenset({MessageType.UTF8, MessageType.FILE, MessageType.IMAGE, MessageType.VOICE})
ATTACHMENTS = MESSAGES - {MessageType.UTF8}
REFUSALS = frozenset({MessageType.USERNAME_EXISTS, MessageType.BAD_USERNAME, MessageType.BAD_LOGIN})


class ByteOrder(Enum):
    """Name the byte order of a connection.

    The original document draws network order; the original programs send little-endian.
    """

    BIG = "big"
    LITTLE = "little"

    # A hot path: dicts are looked up by it for every frame, and Enum's own hash is a call into Python. Each member
    # exists once, so its identity will do.
    __hash__ = object.__hash__


LAYOUTS = {ByteOrder.BIG: struct.Struct(">HH4xQ"), ByteOrder.LITTLE: struct.Struct("<HH4xQ")}
_KNOWN_TYPES = frozenset(int(known) for known in MessageType)


class Descriptor(NamedTuple):
    """Hold the type, header size and content size (bytes) of one frame.

    ``type`` is a plain integer, because a peer may send any number. The reader of the frame checks whether it is a
    :class:`MessageType`.
    """

    type: int
    header_size: int = 0
    content_size: int = 0

    def encode(self, order: ByteOrder) -> bytes:
        """Return the 16 bytes. Raises LocalProtocolError for a size that does not fit its field."""
        try:
            return LAYOUTS[order].pack(*self)
        except struct.error:
            raise LocalProtocolError(f"{self} does not fit a descriptor") from None

    @classmethod
    def decode(cls, data: bytes | bytearray | memoryview, order: ByteOrder) -> Descriptor:
        """Return the descriptor in the first 16 bytes of ``data``; any 16 bytes are a descriptor."""
        return cls._make(LAYOUTS[order].unpack_from(data))


def sniff_byte_order(start: bytes) -> ByteOrder | None:
    """Return the byte order that the first two bytes of a connection tell, or None if they can't begin a chat.

    The first frame's type is one of 1 to 9, so exactly one of the two bytes is zero. Raises LocalProtocolError unless
    ``start`` has two bytes.
    """
    if len(start) != 2:
        raise LocalProtocolError(
            f"invalid start of a connection: expected 2 bytes, got {len(start)}"
        )
    high, low = start
    if high == 0 and low in _KNOWN_TYPES:
        return ByteOrder.BIG
    if low == 0 and high in _KNOWN_TYPES:
        return ByteOrder.LITTLE
    return None


def encode_frame(type: MessageType, header: bytes, content: bytes, order: ByteOrder) -> bytes:
    """Return a whole frame as bytes. Raises LocalProtocolError for a header over 65,535 bytes."""
    return Descriptor(type, len(header), len(content)).encode(order) + header + content
