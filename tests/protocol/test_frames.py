"""A frame as the server passes it around."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType, encode_frame
from chat.protocol.errors import LocalProtocolError
from chat.protocol.frames import Frame


class FakeLargeContent:
    """A content of ``size`` bytes that are elsewhere."""

    def __init__(self, size: int) -> None:
        self.size = size

    def fileno(self) -> int:
        raise AssertionError("encoding reads no files")

    def hold(self) -> None:
        raise AssertionError("encoding keeps nothing")

    def release(self) -> None:
        raise AssertionError("encoding keeps nothing")


@given(st.sampled_from(MessageType), st.binary(), st.binary(), st.sampled_from(ByteOrder))
def test_a_frame_in_memory_is_encoded_whole(
    type: MessageType, header: bytes, content: bytes, order: ByteOrder
) -> None:
    frame = Frame(type, header, content)
    assert frame.content_size == len(content)
    assert frame.encode(order) == encode_frame(type, header, content, order)


def test_it_is_encoded_once_for_each_byte_order() -> None:
    frame = Frame(MessageType.UTF8, b"{}", b"hi")
    big, little = frame.encode(ByteOrder.BIG), frame.encode(ByteOrder.LITTLE)
    assert big != little
    assert frame.encode(ByteOrder.BIG) is big
    assert frame.encode(ByteOrder.LITTLE) is little


@pytest.mark.parametrize(
    ("offset", "announced"), [(0, 5_000_000_000), (1, 4_999_999_999), (5_000_000_000, 0)]
)
def test_a_large_content_is_announced_and_follows_by_another_way(
    offset: int, announced: int
) -> None:
    frame = Frame(MessageType.FILE, b"{}", large=FakeLargeContent(5_000_000_000), offset=offset)
    assert frame.content_size == announced
    assert frame.encode(ByteOrder.BIG) == Descriptor(8, 2, announced).encode(ByteOrder.BIG) + b"{}"


def test_a_bare_frame_is_a_descriptor_alone() -> None:
    assert Frame(MessageType.LOGIN).encode(ByteOrder.LITTLE) == b"\1" + bytes(15)


def test_a_header_over_its_limit_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError):
        Frame(MessageType.UTF8, bytes(65_536)).encode(ByteOrder.BIG)
