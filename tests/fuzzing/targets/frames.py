"""The frame reader: however the bytes arrive and in whatever way they are asked for, the same frames come out."""

from __future__ import annotations

import random
from collections.abc import Iterator

from chat.framing import DeadlineExceeded, FrameReader, IncompleteFrame, StalledFrame
from chat.protocol.descriptor import ByteOrder, Descriptor, sniff_byte_order
from chat.protocol.headers import ClientHeader, encode_client_header, parse_client_header
from chat.protocol.runs import Run
from tests.fuzzing.targets.streams import Plain, Stream, read_plainly, read_stream
from tests.wire.scripted_socket import ScriptedSocket, Step, Wait

# The most that a reader may ask the kernel for at once: its memory does not depend on the sizes a peer announces.
MAX_ROOM = 256 * 1024
_MAX_WHOLE = 64 * 1024  # bytes of content that a user of the reader takes as one object


def check(data: bytes) -> None:
    """Raises AssertionError, or what the reader raised against its word."""
    stream = read_stream(data)
    frames, ends_well = read_plainly(stream.data, stream.order)
    rng = random.Random(stream.seed)
    for _ in range(2):
        sock = ScriptedSocket(*stream.pieces(rng))
        read, end = read_all(FrameReader(sock, stream.order, clock=sock.clock), rng)
        assert [_forget(one, like) for one, like in zip(frames, read, strict=True)] == read
        assert end == ("end" if ends_well else "IncompleteFrame"), end
        assert max(sock.rooms, default=0) <= MAX_ROOM
    _check_encoding(frames, stream)
    _check_slow(frames, stream, rng)
    _check_byte_order(stream, rng)


def read_all(reader: FrameReader, rng: random.Random) -> tuple[list[Plain], str]:
    """Frames to the end, each part asked for in one of the ways there are; and what the end was.

    A content that was skipped is None.
    """
    read: list[Plain] = []
    try:
        while True:
            if rng.random() < 0.5:
                max_size = rng.choice((1, 7, 4096))
                run = reader.next_run(max_size, rng.choice((0, 1, 2, 100)))
                if run is not None:
                    read += _whole(run, max_size)
            descriptor = reader.read_descriptor()
            if descriptor is None:
                assert reader.buffered == 0
                return read, "end"
            header = reader.recv_exactly(descriptor.header_size)
            content = _read_content(reader, descriptor.content_size, rng)
            read.append(Plain(descriptor.type, header, content, descriptor.content_size))
    except (IncompleteFrame, StalledFrame, DeadlineExceeded) as end:
        return read, type(end).__name__


def _whole(run: Run, max_size: int) -> Iterator[Plain]:
    """The frames that they were; each is one of the texts that may be taken so."""
    for content, nonce in zip(run.contents, run.nonces, strict=True):
        assert 0 < len(content) <= max_size
        assert content.decode()
        told = ClientHeader(to=run.to, nonce=nonce.decode() if nonce is not None else None)
        header = encode_client_header(told)
        assert parse_client_header(header, names_a_file=False) == told
        yield Plain(7, header, content, len(content))


def _read_content(reader: FrameReader, size: int, rng: random.Random) -> bytes | None:
    how = rng.randrange(3)
    if how == 0:
        reader.skip(size)
        return None
    if how == 1 and size <= _MAX_WHOLE:
        return reader.recv_exactly(size)
    gathered = bytearray()
    while len(gathered) < size:
        limit = rng.choice((1, 10, 65_536, size - len(gathered)))
        piece = reader.recv_some(min(limit, size - len(gathered)))
        assert 0 < len(piece) <= limit
        gathered += piece
    return bytes(gathered)


def _forget(frame: Plain, like: Plain) -> Plain:
    """Without the content where the other one has none."""
    return frame._replace(content=None) if like.content is None else frame


def _check_encoding(frames: list[Plain], stream: Stream) -> None:
    """Encode the parsed frames again: the bytes are those that arrived, except for the reserved ones."""
    encoded = bytearray()
    for frame in frames:
        assert frame.content is not None
        descriptor = Descriptor(frame.type, len(frame.header), frame.size)
        again = descriptor.encode(stream.order) + frame.header + frame.content
        came = bytearray(stream.data[len(encoded) : len(encoded) + len(again)])
        came[4:8] = bytes(4)
        assert bytes(came) == again
        encoded += again


def _check_slow(frames: list[Plain], stream: Stream, rng: random.Random) -> None:
    """Let time pass: the reader may give up by one of its errors, and the frames before that are right."""
    script: list[Step] = []
    for piece in stream.pieces(rng):
        script += [Wait(rng.choice((0.1, 5, 59, 61, 1000))), piece]
    sock = ScriptedSocket(*script)
    reader = FrameReader(sock, stream.order, clock=sock.clock)
    if rng.random() < 0.5:
        reader.deadline = sock.now + rng.choice((1, 100, 2000))
    read, _ = read_all(reader, rng)
    assert len(read) <= len(frames)
    assert [_forget(one, like) for one, like in zip(frames, read, strict=False)] == read


def _check_byte_order(stream: Stream, rng: random.Random) -> None:
    """The first two bytes tell, and stay to be read."""
    sock = ScriptedSocket(*stream.pieces(rng))
    reader = FrameReader(sock, clock=sock.clock)
    try:
        order = reader.read_byte_order()
    except IncompleteFrame:
        assert len(stream.data) == 1
        return
    if len(stream.data) < 2:
        assert order is None
        return
    first = stream.data[:2]
    orders = {(0, first[1]): ByteOrder.BIG, (first[0], 0): ByteOrder.LITTLE}
    known = orders.get((first[0], first[1])) if 1 <= max(first) <= 9 else None
    assert order is known is sniff_byte_order(first)
    if order is not None:
        frames, _ = read_plainly(stream.data, order)
        read, _ = read_all(reader, rng)
        assert [_forget(one, like) for one, like in zip(frames, read, strict=True)] == read
