"""Turn the input of a target into a stream that arrives in pieces.

::

    0       1               3
    +-------+---------------+----------------
    | flags | seed of cuts  | the stream ...
    +-------+---------------+----------------
"""

from __future__ import annotations

import random
import struct
from typing import NamedTuple

from chat.protocol.descriptor import ByteOrder

PROLOGUE = 3  # bytes before the stream
LITTLE = 1  # the flag for this byte order; the others are the target's own

_LAYOUTS = {ByteOrder.BIG: ">HHIQ", ByteOrder.LITTLE: "<HHIQ"}


class Stream(NamedTuple):
    """``seed`` tells where it is cut, and whatever else is left to chance."""

    flags: int
    seed: int
    data: bytes

    @property
    def order(self) -> ByteOrder:
        return ByteOrder.LITTLE if self.flags & LITTLE else ByteOrder.BIG

    def pieces(self, rng: random.Random) -> list[bytes]:
        """``data`` as it may arrive: whole, a byte at a time, or cut at some places."""
        data, how = self.data, rng.randrange(4)
        if how == 0:
            return [data]
        if how == 1 and len(data) < 600:
            return [data[i : i + 1] for i in range(len(data))]
        # Most cuts where it matters: near the beginning.
        reach = len(data) if how == 2 else min(len(data), 80)
        places = sorted(rng.randrange(reach + 1) for _ in range(rng.randrange(1, 9)))
        return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def read_stream(data: bytes) -> Stream:
    """Any bytes are one."""
    prologue = data[:PROLOGUE].ljust(PROLOGUE, b"\0")
    return Stream(prologue[0], int.from_bytes(prologue[1:], "big"), data[PROLOGUE:])


class Plain(NamedTuple):
    """A frame, or with ``content`` None what there is of one whose end does not come."""

    type: int
    header: bytes
    content: bytes | None
    size: int  # of the content, as announced


def read_plainly(data: bytes, order: ByteOrder) -> tuple[list[Plain], bool]:
    """The whole frames of ``data``, by another hand than the code under test; and whether it ends between two."""
    frames = []
    position = 0
    while len(data) - position >= 16:
        type, header_size, _, size = struct.unpack_from(_LAYOUTS[order], data, position)
        begin = position + 16 + header_size
        if begin + size > len(data):
            break
        frames.append(Plain(type, data[position + 16 : begin], data[begin : begin + size], size))
        position = begin + size
    return frames, position == len(data)
