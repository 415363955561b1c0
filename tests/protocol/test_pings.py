"""Pings that are read without a parser: the same as those that are parsed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.protocol.commands import Command, Verb
from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType, encode_frame
from chat.protocol.headers import (
    ClientHeader,
    encode_client_header,
    parse_client_header,
    parse_server_header,
)
from chat.protocol.pings import MAX_PING, PING_ANSWER, encode_ping_answer, read_ping
from tests.tables import table

BIG = ByteOrder.BIG
UTF8, FILE = MessageType.UTF8, MessageType.FILE
BOTH_ORDERS = pytest.mark.parametrize("order", list(ByteOrder))

OURS = encode_client_header(ClientHeader(nonce="a-1", command=Command(Verb.PING.value)))
GOOD = [
    OURS,
    b'{"nonce":"a-1","command":"ping"}',
    b'{"command":"ping","nonce":"a-1"}',
    b'{"command": "ping", "nonce": "a-1"}',
]
# Of these some are good pings, too; but they are for the parser.
OTHERS = [
    b"",
    b"{}",
    b'{"command":"ping"}',
    b'{"nonce":"a-1"}',
    b'{"nonce":"a-1","command":"pong"}',
    b'{"nonce":"a 1","command":"ping"}',
    b'{"nonce":"","command":"ping"}',
    b'{"nonce":"%b","command":"ping"}' % (b"x" * 65),
    b'{"nonce":"a-1","command":"ping","to":"bob"}',
    b'{"nonce":"a-1","nonce":"a-1","command":"ping"}',
    b'{"nonce":"a-1","command":"ping"',
    b' {"nonce":"a-1","command":"ping"}',
    b'{"nonce":"a-1","command":"ping"}\n',
]


def frame(header: bytes, order: ByteOrder = BIG) -> bytes:
    return encode_frame(UTF8, header, b"", order)


@BOTH_ORDERS
@pytest.mark.parametrize("header", GOOD)
def test_a_ping(header: bytes, order: ByteOrder) -> None:
    data = frame(header, order)
    assert len(data) <= MAX_PING
    assert read_ping(data, 0, order) == (b"a-1", len(data))
    assert read_ping(b"before" + data + b"after", 6, order) == (b"a-1", 6 + len(data))
    parsed = parse_client_header(header, names_a_file=False)
    assert parsed.command == Command("ping")
    assert parsed.nonce == "a-1"


@table("header", OTHERS)
def test_what_is_for_the_parser(header: bytes) -> None:
    assert read_ping(frame(header), 0, BIG) is None


@given(st.integers(0, len(frame(OURS)) - 1))
def test_a_part_of_one(size: int) -> None:
    assert read_ping(frame(OURS)[:size], 0, BIG) is None


@pytest.mark.parametrize(
    "descriptor",
    [
        Descriptor(UTF8, len(OURS), 1),
        Descriptor(FILE, len(OURS), 0),
        Descriptor(4711, len(OURS), 0),
    ],
)
def test_another_frame_under_the_same_header(descriptor: Descriptor) -> None:
    assert read_ping(descriptor.encode(BIG) + OURS + b"x", 0, BIG) is None


def test_a_frame_that_goes_on_behind_its_header() -> None:
    data = Descriptor(UTF8, len(OURS) + 1, 0).encode(BIG) + OURS
    assert read_ping(data, 0, BIG) is None


@BOTH_ORDERS
def test_the_answer(order: ByteOrder) -> None:
    name = "Борис"
    moment = "2026-11-24T09:30:00.123456Z"
    data = encode_ping_answer(moment, json.dumps(name, ensure_ascii=False).encode(), b"a-1", order)
    descriptor = Descriptor.decode(data[:16], order)
    header, content = data[16:][: descriptor.header_size], data[16 + descriptor.header_size :]
    parsed = parse_server_header(header)
    assert (parsed.sender, parsed.timestamp, parsed.to) == ("server", moment, name)
    assert (parsed.nonce, parsed.notice) == ("a-1", "done")
    assert (descriptor.type, content.decode()) == (UTF8, PING_ANSWER)
    assert len(content) == descriptor.content_size
