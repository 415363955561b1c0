"""Plain texts, many at a time: the same as one by one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType, encode_frame
from chat.protocol.errors import LocalProtocolError
from chat.protocol.frames import Frame
from chat.protocol.headers import (
    ClientHeader,
    ServerHeader,
    encode_client_header,
    encode_json,
    encode_server_header,
    parse_client_header,
)
from chat.protocol.runs import Run, TextFrames, encode_shared_header, split_run
from tests.tables import table

BIG = ByteOrder.BIG
BOTH_ORDERS = pytest.mark.parametrize("order", list(ByteOrder))


def text(content: bytes, order: ByteOrder = BIG, header: bytes = b"") -> bytes:
    return encode_frame(MessageType.UTF8, header, content, order)


def run_of(
    *contents: bytes, nonces: Sequence[bytes | None] | None = None, to: str | None = None
) -> Run:
    """Texts that came together; without ``nonces``, none has one."""
    size = sum(map(len, contents))
    return Run(MessageType.UTF8, list(contents), nonces or [None] * len(contents), size, to)


HEADERS = {
    b"": (None, None),
    b'{"nonce":"a-1"}': (None, b"a-1"),
    b'{"to":"bob"}': ("bob", None),
    '{"to":"борис","nonce":"_"}'.encode(): ("борис", b"_"),
}
OTHER_HEADERS = [
    b"{}",
    b"raw",
    b'{"to":"bob",}',
    b'{"to":"bob""nonce":"a"}',
    b'{"nonce":"a","to":"bob"}',  # good, but nobody writes it so
    b'{"nonce": "a"}',
    b'{"to":"bob","to":"eve"}',
    b'{"to":"bob","nonce":"a","nonce":"a"}',
    b'{"to":""}',
    b'{"to":null}',
    b'{"to":"b\\u006fb"}',
    b'{"to":"a\nb"}',
    b'{"to":"\xd1"}',
    b'{"nonce":""}',
    b'{"nonce":"a b"}',
    b'{"nonce":"%b"}' % (b"x" * 65),
    b'{"nonce":"a"} ',
    b' {"nonce":"a"}',
    b'{"nonce":"a","fetch":"x"}',
    b'{"command":"who"}',
]


def is_plain(type: int, header: bytes, content: bytes, max_size: int) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return type == MessageType.UTF8 and header in HEADERS and 0 < len(content) <= max_size


# Mostly plain texts, of few bytes, so that runs are long; and pieces of characters, which may seem whole when joined.
headers = st.sampled_from([b""] * 9 + [b"{}"]) | st.sampled_from([*HEADERS, *OTHER_HEADERS])
frames = st.lists(
    st.tuples(
        st.sampled_from([MessageType.UTF8] * 9 + [MessageType.FILE]),
        headers,
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
    contents: list[bytes] = []
    labels: list[tuple[str | None, bytes | None]] = []
    end = 0
    for type, header, content in sent:
        next_end = end + 16 + len(header) + len(content)
        if not is_plain(type, header, content, 8) or next_end > len(data) or len(contents) >= limit:
            break
        if labels and HEADERS[header][0] != labels[0][0]:
            break
        contents.append(content)
        labels.append(HEADERS[header])
        end = next_end

    before = b"before"
    split = split_run(before + data, len(before), order, 8, limit)

    if not contents:
        assert split is None
        return
    assert split is not None
    run, split_end = split
    assert split_end == len(before) + end
    assert list(run.contents) == contents
    assert run.size == sum(map(len, contents))
    assert [(run.to, nonce) for nonce in run.nonces] == labels


@pytest.mark.parametrize("header", [header for header in HEADERS if header])
def test_a_plain_header_says_what_it_would_say_at_a_closer_look(header: bytes) -> None:
    parsed = parse_client_header(header, names_a_file=False)

    split = split_run(text(b"hi", BIG, header), 0, BIG, 100, 10)

    nonce = parsed.nonce.encode() if parsed.nonce is not None else None
    assert split == (run_of(b"hi", nonces=[nonce], to=parsed.to), 18 + len(header))
    assert parsed == ClientHeader(to=parsed.to, nonce=parsed.nonce)


@table("header", OTHER_HEADERS)
def test_any_other_header_takes_a_closer_look(header: bytes) -> None:
    assert split_run(text(b"hi", BIG, header), 0, BIG, 100, 10) is None


@given(
    st.none() | st.text(min_size=1),
    st.none() | st.from_regex("[A-Za-z0-9_-]{1,64}", fullmatch=True),
)
def test_what_our_client_writes_above_a_text_is_plain(to: str | None, nonce: str | None) -> None:
    if to is not None and any(character in '"\\' or character < " " for character in to):
        to = "somebody"
    header = encode_client_header(ClientHeader(to=to, nonce=nonce))

    split = split_run(text(b"hi", BIG, header), 0, BIG, 100, 10)

    expected = run_of(b"hi", nonces=[nonce.encode() if nonce else None], to=to)
    assert split == (expected, 18 + len(header))


@BOTH_ORDERS
def test_what_is_reserved_is_not_looked_at(order: ByteOrder) -> None:
    data = bytearray(text(b"hi", order))
    data[4:8] = b"\1\2\3\4"
    assert split_run(bytes(data), 0, order, 100, 10) == (run_of(b"hi"), 18)


def test_a_size_beyond_all_measure_ends_a_run() -> None:
    data = text(b"hi") + Descriptor(MessageType.UTF8, 0, 2**64 - 1).encode(BIG)
    assert split_run(data, 0, BIG, 2**64, 10) == (run_of(b"hi"), 18)


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_run_ends_before_what_is_no_utf8(bad: int) -> None:
    contents = [b"one", b"two", b"three"]
    contents[bad] = b"\xff"
    header = b'{"nonce":"a"}'
    data = b"".join(text(each, BIG, header) for each in contents)

    split = split_run(data, 0, BIG, 100, 10)

    if not bad:
        assert split is None
        return
    assert split is not None
    run, end = split
    assert list(run.contents) == contents[:bad]
    assert end == sum(16 + len(header) + len(each) for each in contents[:bad])


def test_another_destination_ends_a_run() -> None:
    header = b'{"to":"bob"}'
    data = text(b"one", BIG, header) + text(b"two")

    assert split_run(data, 0, BIG, 100, 10) == (run_of(b"one", to="bob"), 19 + len(header))
    assert split_run(data, 19 + len(header), BIG, 100, 10) == (run_of(b"two"), len(data))


nonces = st.none() | st.sampled_from(["a", "-_9"])


@given(
    st.lists(st.tuples(st.binary(max_size=5), nonces)),
    st.sampled_from(ByteOrder),
    st.sampled_from([None, "bob", "борис"]),
    st.integers(1, 10**15),
)
def test_texts_are_encoded_as_frames_are(
    said: list[tuple[bytes, str | None]], order: ByteOrder, to: str | None, first: int
) -> None:
    run = run_of(
        *(content for content, _ in said),
        nonces=[nonce.encode() if nonce else None for _, nonce in said],
    )
    header = ServerHeader("Zoë-2", "2026-11-24T09:30:00Z", to=to)
    one_by_one = [
        Frame(
            MessageType.UTF8,
            encode_server_header(header._replace(seq=first + number, nonce=nonce)),
            content,
        )
        for number, (content, nonce) in enumerate(said)
    ]
    expected = b"".join(frame.encode(order) for frame in one_by_one)

    to_json = encode_json(to) if to is not None else None
    shared = encode_shared_header(encode_json("Zoë-2"), "2026-11-24T09:30:00Z", to_json)

    assert TextFrames(shared, run, first).encode(order) == expected


@pytest.mark.parametrize(("size", "nonce"), [(65536, None), (65530, b"nonce")])
def test_a_header_that_is_too_long_is_our_fault(size: int, nonce: bytes | None) -> None:
    with pytest.raises(LocalProtocolError):
        TextFrames(b"x" * size, run_of(b"hi", nonces=[nonce]), 1).encode(BIG)
