"""The 16 bytes that open every frame, in both byte orders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.protocol.descriptor import (
    ATTACHMENTS,
    DESCRIPTOR_SIZE,
    MAX_CONTENT_SIZE,
    MAX_HEADER_SIZE,
    MESSAGES,
    REFUSALS,
    ByteOrder,
    Descriptor,
    MessageType,
    encode_frame,
    sniff_byte_order,
)
from chat.protocol.errors import LocalProtocolError

BIG, LITTLE = ByteOrder.BIG, ByteOrder.LITTLE
orders = st.sampled_from(ByteOrder)
descriptors = st.builds(
    Descriptor,
    type=st.integers(0, 0xFFFF),
    header_size=st.integers(0, MAX_HEADER_SIZE),
    content_size=st.integers(0, MAX_CONTENT_SIZE),
)


def test_the_fields_lie_where_the_document_draws_them() -> None:
    descriptor = Descriptor(MessageType.UTF8, 0x0102, 0x0304_0506_0708_090A)
    assert descriptor.encode(BIG).hex(" ") == "00 07 01 02 00 00 00 00 03 04 05 06 07 08 09 0a"
    assert descriptor.encode(LITTLE).hex(" ") == "07 00 02 01 00 00 00 00 0a 09 08 07 06 05 04 03"


def test_a_descriptor_is_bare_unless_told_otherwise() -> None:
    assert Descriptor(MessageType.LOGIN).encode(BIG) == b"\0\1" + bytes(14)


@given(descriptors, orders)
def test_a_descriptor_comes_out_as_it_went_in(descriptor: Descriptor, order: ByteOrder) -> None:
    encoded = descriptor.encode(order)
    assert len(encoded) == DESCRIPTOR_SIZE
    assert Descriptor.decode(encoded, order) == descriptor


@given(st.binary(min_size=16, max_size=40), orders)
def test_any_16_bytes_are_a_descriptor(data: bytes, order: ByteOrder) -> None:
    descriptor = Descriptor.decode(data, order)
    # Only the reserved bytes are lost, and nothing behind the 16 is looked at.
    assert descriptor.encode(order) == data[:4] + bytes(4) + data[8:16]
    assert Descriptor.decode(memoryview(data), order) == descriptor
    assert Descriptor.decode(bytearray(data), order) == descriptor


@given(descriptors, st.binary(min_size=4, max_size=4), orders)
def test_the_reserved_bytes_are_not_looked_at(
    descriptor: Descriptor, garbage: bytes, order: ByteOrder
) -> None:
    encoded = descriptor.encode(order)
    assert Descriptor.decode(encoded[:4] + garbage + encoded[8:], order) == descriptor


@pytest.mark.parametrize("order", ByteOrder)
@pytest.mark.parametrize(
    "descriptor",
    [
        Descriptor(0xFFFF, 0xFFFF, MAX_CONTENT_SIZE),
        Descriptor(0xFFFE, 0xFFFE, MAX_CONTENT_SIZE - 1),
    ],
)
def test_the_largest_values_fit(descriptor: Descriptor, order: ByteOrder) -> None:
    assert Descriptor.decode(descriptor.encode(order), order) == descriptor


@pytest.mark.parametrize("order", ByteOrder)
@pytest.mark.parametrize(
    "descriptor",
    [
        Descriptor(0x10000),
        Descriptor(-1),
        Descriptor(7, MAX_HEADER_SIZE + 1),
        Descriptor(7, -1),
        Descriptor(7, 0, MAX_CONTENT_SIZE + 1),
        Descriptor(7, 0, -1),
    ],
)
def test_what_does_not_fit_is_our_fault(descriptor: Descriptor, order: ByteOrder) -> None:
    with pytest.raises(LocalProtocolError, match="does not fit"):
        descriptor.encode(order)


@pytest.mark.parametrize("type", MessageType)
def test_the_first_two_bytes_tell_the_order(type: MessageType) -> None:
    for order in ByteOrder:
        assert sniff_byte_order(Descriptor(type).encode(order)[:2]) is order


def test_any_other_two_bytes_open_no_chat() -> None:
    known = {(0, kind) for kind in range(1, 10)} | {(kind, 0) for kind in range(1, 10)}
    for first in range(256):
        for second in range(256):
            found = sniff_byte_order(bytes([first, second]))
            assert (found is not None) == ((first, second) in known)


@pytest.mark.parametrize("start", [b"", b"\0", b"\0\1\0"])
def test_one_byte_tells_no_order(start: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        sniff_byte_order(start)


@given(st.sampled_from(MessageType), st.binary(), st.binary(), orders)
def test_a_frame_is_descriptor_header_content(
    type: MessageType, header: bytes, content: bytes, order: ByteOrder
) -> None:
    descriptor = Descriptor(type, len(header), len(content))
    assert encode_frame(type, header, content, order) == descriptor.encode(order) + header + content


@pytest.mark.parametrize("size", [MAX_HEADER_SIZE - 1, MAX_HEADER_SIZE])
def test_a_header_up_to_its_limit_fits(size: int) -> None:
    assert len(encode_frame(MessageType.FILE, bytes(size), b"", BIG)) == 16 + size


def test_a_header_over_its_limit_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError):
        encode_frame(MessageType.FILE, bytes(MAX_HEADER_SIZE + 1), b"", BIG)


def test_the_types_are_those_of_the_document() -> None:
    assert {kind.name: kind.value for kind in MessageType} == {
        "LOGIN": 1,
        "LOGOUT": 2,
        "USERNAME_EXISTS": 3,
        "BAD_USERNAME": 4,
        "BAD_LOGIN": 5,
        "IMAGE": 6,
        "UTF8": 7,
        "FILE": 8,
        "VOICE": 9,
    }
    assert sorted(MESSAGES) == [6, 7, 8, 9]
    assert sorted(ATTACHMENTS) == [6, 8, 9]
    assert sorted(REFUSALS) == [3, 4, 5]
