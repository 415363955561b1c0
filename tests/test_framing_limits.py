"""Time limits for a peer: windows, trickles and deadlines, by a clock that only the script moves."""

from __future__ import annotations

import pytest

from chat.framing import (
    MIN_RATE,
    STALL_WINDOW,
    DeadlineExceeded,
    FrameReader,
    StalledFrame,
)
from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType, encode_frame
from tests.wire.replay import read_frames
from tests.wire.scripted_socket import ScriptedSocket, Step, Wait, reader_of

BIG = ByteOrder.BIG
ENOUGH = int(MIN_RATE * STALL_WINDOW)  # bytes that a frame must bring in one window
FRAME = encode_frame(MessageType.FILE, b"name", b"content", BIG)


def text(content: bytes) -> bytes:
    return encode_frame(MessageType.UTF8, b"", content, BIG)


def test_between_frames_a_peer_may_be_silent_for_days() -> None:
    reader, sock = reader_of(Wait(86400 * 9), text(b"hi"), Wait(86400 * 9), text(b"again"))
    assert [frame.content for frame in read_frames(reader)] == [b"hi", b"again"]
    assert sock.timeout is None


def test_before_the_first_byte_a_peer_may_be_silent_for_days() -> None:
    sock = ScriptedSocket(Wait(86400 * 9), text(b"hi"))
    assert FrameReader(sock, clock=sock.clock).read_byte_order() is BIG


def test_a_frame_that_stops_is_given_up_after_one_window() -> None:
    reader, sock = reader_of(FRAME[:5], Wait(86400))
    with pytest.raises(StalledFrame, match="slower than 1 KiB a second"):
        reader.read_descriptor()
    assert sock.now == 1000 + STALL_WINDOW


def test_a_connection_that_stops_after_one_byte_is_given_up_after_one_window() -> None:
    sock = ScriptedSocket(b"\0", Wait(86400))
    with pytest.raises(StalledFrame):
        FrameReader(sock, clock=sock.clock).read_byte_order()
    assert sock.now == 1000 + STALL_WINDOW


def test_a_trickle_is_given_up_after_one_window() -> None:
    trickle = [step for byte in FRAME for step in (Wait(6), bytes([byte]))]
    reader, sock = reader_of(*trickle)
    with pytest.raises(StalledFrame):
        list(read_frames(reader))
    # The window opens with the first byte.
    assert sock.now == 1006 + STALL_WINDOW


def test_small_reads_are_gathered_for_longer_and_longer() -> None:
    waits: list[float] = []
    content = bytes(100)
    data = [bytes([byte]) for byte in text(content)]
    reader = FrameReader(ScriptedSocket(*data, text(b"whole")), BIG, let_gather=waits.append)

    assert [frame.content for frame in read_frames(reader)] == [content, b"whole"]
    # The first byte opens the frame; five more are free.
    assert len(waits) == len(data) - 6
    assert waits[0] == pytest.approx(0.05)
    assert waits == sorted(waits)
    assert waits[-1] == 0.25


@pytest.mark.parametrize("content", [b"", b"x" * 600])
def test_a_frame_in_few_pieces_is_not_waited_for(content: bytes) -> None:
    waits: list[float] = []
    whole = encode_frame(MessageType.FILE, b"name", content, BIG)
    pieces = [whole[:16], whole[16:20], whole[20:]] if content else [whole[:16], whole[16:]]
    reader = FrameReader(ScriptedSocket(*pieces * 50), BIG, let_gather=waits.append)

    assert len(list(read_frames(reader))) == 50
    assert waits == []


def test_pieces_of_a_content_that_are_worth_a_turn_are_not_waited_for() -> None:
    waits: list[float] = []
    opening = Descriptor(MessageType.FILE, 0, 512 * 100 + 3).encode(BIG)
    reader = FrameReader(
        ScriptedSocket(opening, *[bytes(512)] * 100, bytes(3)), BIG, let_gather=waits.append
    )
    descriptor = reader.read_descriptor()
    assert descriptor is not None
    reader.skip(descriptor.content_size)

    assert waits == []


def windowed(size: int, *pieces: int) -> list[Step]:
    """Script a frame of ``size`` bytes of content: its descriptor, and then each of ``pieces`` in a separate window."""
    script: list[Step] = [Descriptor(MessageType.FILE, 0, size).encode(BIG)]
    for piece in pieces:
        script += [Wait(STALL_WINDOW / 2), bytes(piece), Wait(STALL_WINDOW / 2)]
    return script


@pytest.mark.parametrize("piece", [ENOUGH, ENOUGH + 1])
def test_a_frame_at_the_minimal_rate_is_never_given_up(piece: int) -> None:
    reader, sock = reader_of(*windowed(5 * piece, *[piece] * 5))
    descriptor = reader.read_descriptor()
    assert descriptor is not None
    reader.skip(descriptor.content_size)
    assert sock.now == 1000 + 4.5 * STALL_WINDOW


def test_a_frame_just_under_the_minimal_rate_is_given_up() -> None:
    reader, sock = reader_of(*windowed(5 * ENOUGH, ENOUGH, ENOUGH - 1, ENOUGH))
    descriptor = reader.read_descriptor()
    assert descriptor is not None
    with pytest.raises(StalledFrame):
        reader.skip(descriptor.content_size)
    assert sock.now == 1000 + 2 * STALL_WINDOW


def test_each_frame_has_its_own_window() -> None:
    slow: list[Step] = [Wait(STALL_WINDOW - 1), FRAME[5:]]
    reader, _ = reader_of(FRAME[:5], *slow, FRAME[:5], *slow, FRAME[:5], *slow)
    assert len(list(read_frames(reader))) == 3


def test_a_deadline_ends_a_wait_between_frames() -> None:
    reader, sock = reader_of(text(b"hi"), Wait(86400))
    reader.deadline = sock.now + 30
    with pytest.raises(DeadlineExceeded):
        list(read_frames(reader))
    assert sock.now == 1030


def test_a_deadline_ends_a_trickle() -> None:
    reader, sock = reader_of(*[step for byte in FRAME for step in (bytes([byte]), Wait(1))])
    reader.deadline = sock.now + 5
    with pytest.raises(DeadlineExceeded):
        list(read_frames(reader))
    assert sock.now == 1005


def test_a_deadline_in_the_past_reads_nothing_more() -> None:
    reader, sock = reader_of(text(b"hi"))
    reader.deadline = sock.now
    with pytest.raises(DeadlineExceeded):
        reader.read_descriptor()


def test_the_window_holds_under_a_later_deadline() -> None:
    reader, sock = reader_of(FRAME[:5], Wait(86400))
    reader.deadline = sock.now + STALL_WINDOW * 2
    with pytest.raises(StalledFrame):
        reader.read_descriptor()


def test_a_deadline_that_was_taken_back_limits_nothing() -> None:
    reader, sock = reader_of(text(b"login"), Wait(86400), text(b"hi"))
    reader.deadline = sock.now + 30
    next(read_frames(reader))
    assert sock.timeout == 30
    reader.deadline = None
    next(read_frames(reader))
    assert sock.timeout is None
