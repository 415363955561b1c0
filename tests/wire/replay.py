"""Streams of bytes read back into frames, in every way the network may deliver them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from chat.framing import FrameReader
from chat.protocol.descriptor import ByteOrder, Descriptor

_CAPTURES = Path(__file__).with_name("original-captures.json")


class Frame(NamedTuple):
    """One frame, its header and content whole."""

    type: int
    header: bytes
    content: bytes


class Capture(NamedTuple):
    """All that one side of one connection of the original programs sent."""

    connection: str
    sender: str  # "client" or "server"
    data: bytes

    def __str__(self) -> str:
        return f"{self.connection}-{self.sender}"


class ChunkedSocket:
    """Something to read from that hands out the given chunks, one a call or less, and then the end."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = [chunk for chunk in chunks if chunk]

    def recv_into(self, buffer: memoryview) -> int:
        if not self._chunks:
            return 0
        taken = self._chunks[0][: len(buffer)]
        buffer[: len(taken)] = taken
        self._chunks[0] = self._chunks[0][len(taken) :]
        if not self._chunks[0]:
            del self._chunks[0]
        return len(taken)

    def settimeout(self, value: float | None) -> None:
        """Do nothing: this socket never waits."""


def original_captures() -> list[Capture]:
    """Return one capture for each side of each connection, in the order of the recording."""
    streams: dict[tuple[str, str], bytes] = {}
    for record in json.loads(_CAPTURES.read_text(encoding="utf-8")):
        key = record["connection"], record["from"]
        streams[key] = streams.get(key, b"") + bytes.fromhex(record["hex"])
    return [Capture(connection, sender, data) for (connection, sender), data in streams.items()]


def read_frames(reader: FrameReader, limit: int | None = None) -> Iterator[Frame]:
    """The frames of a stream to its end, or the first ``limit`` of them."""
    while limit is None or limit > 0:
        descriptor = reader.read_descriptor()
        if descriptor is None:
            return
        yield read_rest(reader, descriptor)
        if limit is not None:
            limit -= 1


def read_rest(reader: FrameReader, descriptor: Descriptor) -> Frame:
    """The frame that ``descriptor`` has opened."""
    header = reader.recv_exactly(descriptor.header_size)
    return Frame(descriptor.type, header, reader.recv_exactly(descriptor.content_size))


def read_in_every_way(data: bytes, order: ByteOrder) -> list[Frame]:
    """The frames of ``data``, asserted to be the same however it arrives.

    Whole; byte by byte; in random pieces (ten times); and with further bytes behind it, which must be left over.
    """
    frames = _read_pieces([data], order)
    assert _read_pieces([data[i : i + 1] for i in range(len(data))], order) == frames
    for seed in range(10):
        assert _read_pieces(random_pieces(data, random.Random(seed)), order) == frames
    for trailing in (b"\0", data[:15], bytes(16), data):
        reader = FrameReader(ChunkedSocket([data + trailing]), order)
        assert list(read_frames(reader, limit=len(frames))) == frames
        assert reader.recv_exactly(len(trailing)) == trailing
        assert reader.read_descriptor() is None
    return frames


def random_pieces(data: bytes, rng: random.Random) -> list[bytes]:
    """``data`` cut at up to eight places."""
    places = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(1, 9)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def _read_pieces(chunks: Sequence[bytes], order: ByteOrder) -> list[Frame]:
    return list(read_frames(FrameReader(ChunkedSocket(chunks), order)))
