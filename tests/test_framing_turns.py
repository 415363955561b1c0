"""A peer that sends without a break does not keep other greenlets from running."""

from __future__ import annotations

import pytest

from chat.framing import FrameReader
from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType, encode_frame
from tests.wire.replay import read_frames
from tests.wire.scripted_socket import ScriptedSocket

BIG = ByteOrder.BIG


def text(content: bytes) -> bytes:
    return encode_frame(MessageType.UTF8, b"", content, BIG)


@pytest.mark.parametrize("count", [63, 64, 65, 640])
def test_a_flood_of_frames_pauses_now_and_then(count: int) -> None:
    pauses: list[None] = []
    sock = ScriptedSocket(text(b"x") * count)
    reader = FrameReader(sock, BIG, pause=lambda: pauses.append(None))
    assert len(list(read_frames(reader))) == count
    assert len(pauses) == count // 64


def test_a_flood_of_texts_pauses_now_and_then() -> None:
    pauses: list[int] = []
    taken: list[bytes] = []
    sock = ScriptedSocket(text(b"x") * 640)
    reader = FrameReader(sock, BIG, pause=lambda: pauses.append(len(taken)))
    while reader.wait():
        run = reader.next_run(100, 1000)
        assert run is not None
        taken += run.contents
    assert pauses == list(range(64, 641, 64))


def test_a_flood_inside_one_frame_pauses_too() -> None:
    pauses: list[None] = []
    chunks = [bytes(64 * 1024)] * 200
    size = sum(map(len, chunks))
    sock = ScriptedSocket(Descriptor(MessageType.FILE, 0, size).encode(BIG), *chunks)
    reader = FrameReader(sock, BIG, pause=lambda: pauses.append(None))
    reader.read_descriptor()
    reader.skip(size)
    # A piece of 64 KiB counts as seventeen frames, so every fourth is the last of a turn.
    assert len(pauses) == 49


def test_a_flood_of_large_frames_pauses_oftener() -> None:
    pauses: list[None] = []
    sock = ScriptedSocket(*[text(bytes(64 * 1024))] * 64)
    reader = FrameReader(sock, BIG, pause=lambda: pauses.append(None))
    assert len(list(read_frames(reader))) == 64
    assert len(pauses) == 16


def test_a_reader_that_waits_for_the_next_frame_need_not_pause() -> None:
    pauses: list[None] = []
    waits: list[None] = []
    sock = ScriptedSocket(text(b"x") * 64, text(b"x") * 64)
    reader = FrameReader(
        sock, BIG, pause=lambda: pauses.append(None), wait_readable=lambda: waits.append(None)
    )
    assert len(list(read_frames(reader))) == 128
    assert len(waits) == 3  # for the first half, the second, and the end
    assert not pauses
