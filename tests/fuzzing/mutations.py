"""Mutations: damage that a stream could take on its way."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal

from chat.protocol.descriptor import ByteOrder
from tests.fuzzing import grammar


def truncate(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def behead(rng: random.Random, data: bytes) -> bytes:
    return data[rng.randrange(len(data) + 1) :]


def flip_bits(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            changed[_place(rng, data)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwrite(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data) + 1)
    new = rng.choice((b"\0", b"\xff", b"\xff" * 8, b"\0" * 8, b"{", b'"', b"\\", rng.randbytes(3)))
    return data[:place] + new + data[place + len(new) :]


def insert(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.randbytes(rng.randrange(1, 20)) + data[place:]


def remove(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.randrange(1, 40) :]


def repeat(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    again = data[start : start + rng.randrange(1, 2000)]
    return data[:start] + again * rng.randrange(2, 4) + data[start + len(again) :]


def splice(rng: random.Random, data: bytes) -> bytes:
    """The beginning of one and the end of another."""
    other = rng.choice((grammar.session, grammar.transfer, grammar.capture))(rng)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def inflate(rng: random.Random, data: bytes) -> bytes:
    """Another size, up to the largest that can be written, where the first frame announces its own."""
    size = rng.choice((0, 1, *grammar.HUGE_SIZES))
    order: Literal["big", "little"] = "big" if data[:1] == b"\0" else "little"
    if rng.random() < 0.5:
        return data[:8] + size.to_bytes(8, order) + data[16:]
    return data[:2] + rng.choice((b"\xff\xff", b"\0\0", b"\x10\x01", b"\x01\x10")) + data[4:]


def turn_around(rng: random.Random, data: bytes) -> bytes:
    """The byte order changes in the middle: a frame of the other one follows."""
    order = rng.choice(list(ByteOrder))
    place = rng.randrange(len(data) + 1)
    return data[:place] + grammar.message(rng, order) + data[place:]


MUTATIONS: dict[Callable[[random.Random, bytes], bytes], int] = {
    flip_bits: 6,
    truncate: 4,
    overwrite: 4,
    inflate: 4,
    insert: 2,
    remove: 2,
    repeat: 2,
    splice: 2,
    turn_around: 2,
    behead: 1,
}


def _place(rng: random.Random, data: bytes) -> int:
    """Choose a place; every other time among the first descriptors and headers, where it matters."""
    return rng.randrange(min(len(data), 120) if rng.random() < 0.5 else len(data))
