"""Bytes in, frames out: by a scripted socket with its own clock, and by real sockets."""

from __future__ import annotations

import errno
import gc
import math
import socket
import sys
import time
from collections.abc import Iterator

import gevent
import gevent.socket
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.framing import (
    LATE,
    STALL_WINDOW,
    DeadlineExceeded,
    FrameReader,
    IncompleteFrame,
    make_scratch,
)
from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType, encode_frame
from tests.tables import table
from tests.wire.replay import Frame, read_frames, read_in_every_way, read_rest
from tests.wire.scripted_socket import ScriptedSocket, Wait, reader_of

BIG, LITTLE = ByteOrder.BIG, ByteOrder.LITTLE


def text(content: bytes, order: ByteOrder = BIG) -> bytes:
    return encode_frame(MessageType.UTF8, b"", content, order)


# --- frames ---------------------------------------------------------------------------------------------------------

frames = st.builds(
    Frame,
    type=st.integers(0, 0xFFFF),
    header=st.binary(max_size=40),
    content=st.binary(max_size=700),
)


@given(st.lists(frames, min_size=1, max_size=4), st.sampled_from(ByteOrder))
def test_frames_come_out_as_they_went_in_however_they_arrive(
    sent: list[Frame], order: ByteOrder
) -> None:
    data = b"".join(
        Descriptor(frame.type, len(frame.header), len(frame.content)).encode(order)
        + frame.header
        + frame.content
        for frame in sent
    )
    assert read_in_every_way(data, order) == sent


def test_the_byte_order_must_be_known_before_a_descriptor() -> None:
    with pytest.raises(AssertionError, match="byte order"):
        FrameReader(ScriptedSocket(text(b"hi"))).read_descriptor()


@pytest.mark.parametrize("order", ByteOrder)
@pytest.mark.parametrize("cut", [1, 2, 16])
def test_the_byte_order_is_read_without_taking_anything(order: ByteOrder, cut: int) -> None:
    data = text(b"hi", order)
    reader = FrameReader(ScriptedSocket(data[:cut], data[cut:]))
    assert reader.read_byte_order() is order
    assert reader.order is order
    assert list(read_frames(reader)) == [(MessageType.UTF8, b"", b"hi")]


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1", b"\x16\x03\x01", b"\0\0", b"\0\x0a", b"\1\1"])
def test_other_bytes_have_no_byte_order(start: bytes) -> None:
    reader = FrameReader(ScriptedSocket(start))
    assert reader.read_byte_order() is None
    assert reader.order is None


# --- the end of the stream ------------------------------------------------------------------------------------------


def test_a_stream_that_ends_before_its_first_byte_has_no_byte_order() -> None:
    assert FrameReader(ScriptedSocket()).read_byte_order() is None


def test_a_stream_that_ends_after_its_first_byte_is_incomplete() -> None:
    with pytest.raises(IncompleteFrame):
        FrameReader(ScriptedSocket(b"\0")).read_byte_order()


def test_between_frames_the_stream_may_end() -> None:
    reader, _ = reader_of(text(b"one"), text(b"two"))
    assert [frame.content for frame in read_frames(reader)] == [b"one", b"two"]
    assert reader.read_descriptor() is None


FRAME = encode_frame(MessageType.FILE, b"name", b"content", BIG)


@table("size", range(1, len(FRAME)))
def test_inside_a_frame_the_stream_may_not_end(size: int) -> None:
    reader, _ = reader_of(text(b"before") + FRAME[:size])
    frames = read_frames(reader)
    assert next(frames).content == b"before"
    with pytest.raises(IncompleteFrame, match="inside a frame"):
        next(frames)


def test_inside_a_content_that_is_read_piece_by_piece_the_stream_may_not_end() -> None:
    reader, _ = reader_of(FRAME[:-1])
    descriptor = reader.read_descriptor()
    assert descriptor is not None
    reader.recv_exactly(descriptor.header_size)
    with pytest.raises(IncompleteFrame):
        reader.skip(descriptor.content_size)


def test_an_error_of_the_socket_passes_through() -> None:
    reader, _ = reader_of(FRAME[:20], ConnectionResetError(errno.ECONNRESET, "reset by peer"))
    with pytest.raises(ConnectionResetError):
        list(read_frames(reader))


@pytest.mark.parametrize("received", [b"", FRAME[:20]], ids=["between", "inside"])
def test_a_peer_that_the_kernel_gave_up_is_an_error_not_a_wait(received: bytes) -> None:
    # Python gives ETIMEDOUT the same class as the time limit of settimeout.
    reader, _ = reader_of(received, OSError(errno.ETIMEDOUT, "Connection timed out"))
    with pytest.raises(TimeoutError, match="Connection timed out"):
        list(read_frames(reader))


# --- the buffer -----------------------------------------------------------------------------------------------------


def test_what_recv_some_gives_stays_as_it_is() -> None:
    content = bytes(range(250)) * 40
    data = text(content) * 2
    reader, _ = reader_of(data[:300], data[300:7000], data[7000:])
    assert reader.read_descriptor() is not None
    held: list[memoryview] = []
    while (left := len(content) - sum(map(len, held))) > 0:
        held.append(reader.recv_some(left))
        assert 1 <= len(held[-1]) <= left
    assert next(read_frames(reader)).content == content
    assert b"".join(held) == content


def test_recv_some_takes_no_more_than_it_is_asked_for() -> None:
    reader, _ = reader_of(FRAME + text(b"next"))
    reader.read_descriptor()
    assert bytes(reader.recv_some(1)) == b"n"
    assert bytes(reader.recv_some(3)) == b"ame"
    assert bytes(reader.recv_some(7)) == b"content"
    assert [frame.content for frame in read_frames(reader)] == [b"next"]


def test_skipping_nothing_reads_nothing() -> None:
    reader, sock = reader_of()
    reader.skip(0)
    assert sock.rooms == []


class IdleMeter(ScriptedSocket):
    """Knows how many bytes of memory its reader holds when the last frame has been taken and the next is waited for."""

    reader: FrameReader
    held: int

    def recv_into(self, buffer: memoryview) -> int:
        referents = gc.get_referents(self.reader)
        self.held = sum(sys.getsizeof(it) for it in referents if isinstance(it, (bytes, bytearray)))
        return super().recv_into(buffer)


@pytest.mark.parametrize("size", [1, 513, 64 * 1024, 64 * 1024 + 1, 200_000, 300_000])
@pytest.mark.parametrize("piecewise", [False, True], ids=["recv_exactly", "skip"])
def test_a_reader_that_waits_for_a_frame_holds_no_buffer(size: int, piecewise: bool) -> None:
    descriptor = Descriptor(MessageType.FILE, 0, size)
    sock = IdleMeter(descriptor.encode(BIG), bytes(size), Wait(1))
    reader = sock.reader = FrameReader(sock, BIG)
    assert reader.read_descriptor() == descriptor
    if piecewise:
        reader.skip(size)
    else:
        reader.recv_exactly(size)
    assert reader.read_descriptor() is None
    assert sock.held == sys.getsizeof(b"")


def test_many_frames_take_few_calls() -> None:
    flood = text(b"x" * 84) * 6000
    reader, sock = reader_of(flood)
    assert len(list(read_frames(reader))) == 6000
    assert len(sock.rooms) == 1 + math.ceil(len(flood) / (64 * 1024))


def test_it_waits_for_a_drained_socket_and_reads_one_on_that_may_have_more() -> None:
    waits: list[int] = []
    sock = ScriptedSocket(text(b"x" * (64 * 1024 - 16)), text(b"short"), Wait(1), text(b"late"))
    reader = FrameReader(sock, BIG, wait_readable=lambda: waits.append(len(sock.rooms)))
    assert len(list(read_frames(reader))) == 3
    # Before the first recv, and after each that did not fill the room.
    assert waits == [0, 2, 3]


def test_with_a_deadline_it_waits_in_a_recv_that_ends_by_it() -> None:
    sock = ScriptedSocket(Wait(86400))
    reader = FrameReader(sock, BIG, clock=sock.clock, wait_readable=lambda: pytest.fail("waited"))
    reader.deadline = sock.now + 5
    with pytest.raises(DeadlineExceeded):
        reader.wait()


def test_a_limit_that_passed_while_this_program_was_stopped_does_not_count() -> None:
    """The kernel holds the bytes that came meanwhile, and the reader reads them first."""
    content = bytes(100_000)
    reader, sock = reader_of(text(content)[:1000], text(content)[1000:])
    assert reader.read_descriptor() is not None
    assert len(reader.recv_some(1)) == 1
    reader.deadline = sock.now + 10
    reader.recv_exactly(983)
    reader._receive_in_frame(1)  # the window begins
    sock.now += STALL_WINDOW + LATE
    assert len(reader.recv_exactly(90_000)) == 90_000


def test_a_peer_that_does_not_go_on_after_a_stop_is_given_up_a_little_later() -> None:
    reader, sock = reader_of(FRAME[:3], Wait(1), FRAME[3:4], Wait(86400))
    sock_began = sock.now
    reader.deadline = sock.now + 10
    sock.now += 1000
    with pytest.raises(DeadlineExceeded):
        reader.read_descriptor()
    assert sock.now == sock_began + 1000 + LATE


def test_a_limit_that_passed_a_moment_ago_counts() -> None:
    reader, sock = reader_of(FRAME)
    reader.deadline = sock.now + 10
    sock.now += 10 + LATE - 0.1
    with pytest.raises(DeadlineExceeded):
        reader.read_descriptor()


def test_readers_of_one_thread_may_share_their_scratch() -> None:
    scratch = make_scratch()
    pairs = [gevent.socket.socketpair() for _ in range(3)]

    def read(ours: gevent.socket.socket) -> list[Frame]:
        return list(read_frames(FrameReader(ours, BIG, scratch=scratch)))

    def send(theirs: gevent.socket.socket, content: bytes) -> None:
        with theirs:
            theirs.sendall(text(content) * 2)

    contents = [bytes([number]) * 300_000 for number in range(3)]
    reading = [gevent.spawn(read, ours) for ours, _ in pairs]
    for (_, theirs), content in zip(pairs, contents, strict=True):
        gevent.spawn(send, theirs, content)
    for (ours, _), content, frames in zip(pairs, contents, reading, strict=True):
        assert frames.get() == [Frame(MessageType.UTF8, b"", content)] * 2
        ours.close()


def test_contents_that_go_elsewhere_come_in_large_pieces_and_what_follows_does_not() -> None:
    size = 3_000_000
    data = Descriptor(MessageType.FILE, 0, size).encode(BIG), bytes(size), text(b"x") * 100_000
    reader, sock = reader_of(data[0], b"".join(data[1:]))
    reader.read_descriptor()
    reader.skip(size)
    assert max(sock.rooms) == 256 * 1024
    assert reader.buffered < 64 * 1024


# --- texts ---------------------------------------------------------------------------------------------------------


def texts_of(reader: FrameReader) -> list[bytes]:
    run = reader.next_run(100, 10)
    return [] if run is None else list(run.contents)


def test_texts_that_have_come_whole_are_taken_at_once_and_the_rest_is_read_as_ever() -> None:
    data = text(b"one") + text(b"two") + FRAME + text(b"three")
    reader, _ = reader_of(data)
    assert reader.wait()
    assert texts_of(reader) == [b"one", b"two"]
    assert reader.next_run(100, 10) is None
    assert [frame.content for frame in read_frames(reader)] == [b"content", b"three"]


def test_taking_texts_waits_for_nothing() -> None:
    reader, sock = reader_of(text(b"one") + text(b"two")[:-1], text(b"two")[-1:])
    assert reader.next_run(100, 10) is None
    assert sock.rooms == []
    assert reader.wait()
    assert texts_of(reader) == [b"one"]
    assert len(sock.rooms) == 1
    assert [frame.content for frame in read_frames(reader)] == [b"two"]


def test_waiting_takes_nothing_and_tells_the_end() -> None:
    reader, _ = reader_of(text(b"one"))
    assert reader.wait()
    assert reader.wait()
    assert texts_of(reader) == [b"one"]
    assert not reader.wait()


# --- real sockets ---------------------------------------------------------------------------------------------------


@pytest.fixture
def pair() -> Iterator[tuple[gevent.socket.socket, gevent.socket.socket]]:
    ours, theirs = gevent.socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_frames_over_gevent_sockets(
    pair: tuple[gevent.socket.socket, gevent.socket.socket],
) -> None:
    ours, theirs = pair
    sent = [text(b"x" * size, LITTLE) for size in (0, 1, 500, 100_000, 1_000_000)]

    def send() -> None:
        for frame in sent:
            theirs.sendall(frame)
        theirs.close()

    sender = gevent.spawn(send)
    reader = FrameReader(ours, pause=gevent.idle)
    assert reader.read_byte_order() is LITTLE
    assert [text(frame.content, LITTLE) for frame in read_frames(reader)] == sent
    sender.get()


def test_only_the_reading_greenlet_waits(
    pair: tuple[gevent.socket.socket, gevent.socket.socket],
) -> None:
    ours, theirs = pair
    reader = FrameReader(ours, BIG)
    waiting = gevent.spawn(reader.read_descriptor)
    gevent.idle()
    assert not waiting.ready()
    theirs.sendall(text(b""))
    assert waiting.get() == (MessageType.UTF8, 0, 0)


def test_a_deadline_by_the_real_clock(
    pair: tuple[gevent.socket.socket, gevent.socket.socket],
) -> None:
    ours, theirs = pair
    theirs.sendall(FRAME[:3])
    reader = FrameReader(ours, BIG)
    reader.deadline = time.monotonic() + 0.05
    with pytest.raises(DeadlineExceeded):
        reader.read_descriptor()
    assert time.monotonic() >= reader.deadline


@pytest.mark.parametrize("end", ["close", "shutdown"])
def test_closing_from_elsewhere_ends_a_wait(
    pair: tuple[gevent.socket.socket, gevent.socket.socket], end: str
) -> None:
    ours, _ = pair

    def read() -> None:
        with pytest.raises(OSError):
            FrameReader(ours, BIG).read_descriptor()

    waiting = gevent.spawn(read)
    gevent.idle()
    ours.shutdown(socket.SHUT_RDWR) if end == "shutdown" else ours.close()
    waiting.get()


def test_a_plain_socket_is_read_just_the_same() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(FRAME + FRAME[:-1])
        theirs.shutdown(socket.SHUT_WR)
        reader = FrameReader(ours)
        assert reader.read_byte_order() is BIG
        first = reader.read_descriptor()
        assert first is not None
        assert read_rest(reader, first) == (MessageType.FILE, b"name", b"content")
        with pytest.raises(IncompleteFrame):
            list(read_frames(reader))
