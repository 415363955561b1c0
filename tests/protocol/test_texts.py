"""Plain texts, many at a time: the same as one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType, encode_frame
from chat.protocol.errors import LocalProtocolError
from chat.protocol.frames import Frame
from chat.protocol.texts import encode_texts, split_texts

BIG = ByteOrder.BIG
BOTH_ORDERS = pytest.mark.parametrize("order", list(ByteOrder))


def text(content: bytes, order: ByteOrder = BIG) -> bytes:
    return encode_frame(MessageType.UTF8, b"", content, order)


def is_plain(type: int, header: bytes, content: bytes, max_size: int) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return type == MessageType.UTF8 and not header and 0 < len(content) <= max_size


# Mostly plain texts, of few bytes, so that runs are long; and pieces of characters, which may seem whole when joined.
frames = st.lists(
    st.tuples(
        st.sampled_from([MessageType.UTF8] * 9 + [MessageType.FILE]),
        st.sampled_from([b""] * 9 + [b"{}"]),
        st.sampled_from([b"hi", b"", "я".encode(), b"\xd1", b"\x8f", b"x" * 9, b"\0", b"\n"]),
    ),
    max_size=20,
)


@given(frames, st.sampled_from(ByteOrder), st.integers(0, 20), st.integers(0, 25))
def test_what_is_split_off_is_what_one_look_at_a_time_would_find(
    sent: list[tuple[MessageType, bytes, bytes]], order: ByteOrder, cut: int, limit: int
) -> None:
    data = b"".join(encode_frame(*frame, order) for frame in sent)
    data = data[: max(len(data) - cut, 0)]
    expected: list[bytes] = []
    end = 0
    for type, header, content in sent:
        next_end = end + 16 + len(header) + len(content)
        if not is_plain(type, header, content, 8) or next_end > len(data) or len(expected) >= limit:
            break
        expected.append(content)
        end = next_end

    before = b"before"
    assert split_texts(before + data, len(before), order, 8, limit) == (expected, len(before) + end)


@BOTH_ORDERS
def test_what_is_reserved_is_not_looked_at(order: ByteOrder) -> None:
    data = bytearray(text(b"hi", order))
    data[4:8] = b"\1\2\3\4"
    assert split_texts(bytes(data), 0, order, 100, 10) == ([b"hi"], 18)


def test_a_size_beyond_all_measure_ends_a_run() -> None:
    data = text(b"hi") + Descriptor(MessageType.UTF8, 0, 2**64 - 1).encode(BIG)
    assert split_texts(data, 0, BIG, 2**64, 10) == ([b"hi"], 18)


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_run_ends_before_what_is_no_utf8(bad: int) -> None:
    contents = [b"one", b"two", b"three"]
    contents[bad] = b"\xff"
    data = b"".join(map(text, contents))
    expected = contents[:bad]
    assert split_texts(data, 0, BIG, 100, 10) == (expected, sum(16 + len(c) for c in expected))


@given(st.lists(st.binary(max_size=5)), st.sampled_from(ByteOrder))
def test_texts_are_encoded_as_frames_are(contents: list[bytes], order: ByteOrder) -> None:
    one_by_one = [Frame(MessageType.UTF8, b"header", each).encode(order) for each in contents]
    assert encode_texts(b"header", contents, order) == b"".join(one_by_one)


def test_a_header_that_is_too_long_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError):
        encode_texts(b"x" * 65536, [b"hi"], BIG)
