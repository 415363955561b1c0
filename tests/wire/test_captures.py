"""Captured bytes of the original programs, read by our code."""

from __future__ import annotations

import json

import pytest

from chat.framing import FrameReader
from chat.protocol.descriptor import (
    ATTACHMENTS,
    REFUSALS,
    ByteOrder,
    Descriptor,
    MessageType,
)
from chat.protocol.errors import HeaderError
from chat.protocol.headers import parse_client_header, parse_login_header, parse_server_header
from chat.protocol.names import UserName, parse_user_name
from tests.tables import table
from tests.wire.replay import (
    Capture,
    ChunkedSocket,
    original_captures,
    read_frames,
    read_in_every_way,
)

CAPTURES = original_captures()
ORIGINALS = [capture for capture in CAPTURES if capture.connection != "big-endian-login"]
FROM_CLIENTS = [capture for capture in ORIGINALS if capture.sender == "client"]
FROM_SERVERS = [capture for capture in CAPTURES if capture.sender == "server"]

LOGIN, LOGOUT, UTF8, FILE = (
    MessageType.LOGIN,
    MessageType.LOGOUT,
    MessageType.UTF8,
    MessageType.FILE,
)
NOTES = b"line one\nline two\n"

# (type, sender, file name, content) of what the server says after its bare reply to the login.
SAID = {
    "alice": [
        (LOGIN, "alice", None, b""),
        (LOGIN, "борис", None, b""),
        (UTF8, "alice", None, b"hello"),
        (UTF8, "борис", None, "привет, alice".encode()),
        (FILE, "alice", "notes.txt", NOTES),
        (LOGOUT, "борис", None, b""),
    ],
    "борис": [
        (LOGIN, "борис", None, b""),
        (UTF8, "alice", None, b"hello"),
        (UTF8, "борис", None, "привет, alice".encode()),
        (FILE, "alice", "notes.txt", NOTES),
    ],
    "taken-holder": [(LOGIN, "carol", None, b"")],
}
REFUSED = {
    "taken": MessageType.USERNAME_EXISTS,
    "not-utf8": MessageType.BAD_USERNAME,
    "not-a-login": MessageType.BAD_LOGIN,
    "big-endian-login": MessageType.BAD_LOGIN,
}


def test_the_corpus_holds_every_kind_of_connection() -> None:
    assert {capture.connection for capture in FROM_SERVERS} == SAID.keys() | REFUSED.keys()


@table(
    "capture",
    ORIGINALS,
)
def test_a_captured_stream_reads_the_same_however_it_arrives(capture: Capture) -> None:
    frames = read_in_every_way(capture.data, ByteOrder.LITTLE)
    assert len(frames) >= 1
    assert sum(16 + len(frame.header) + len(frame.content) for frame in frames) == len(capture.data)


@table(
    "capture",
    ORIGINALS,
)
def test_the_first_two_bytes_of_the_original_tell_little_endian(capture: Capture) -> None:
    reader = FrameReader(ChunkedSocket([capture.data]))
    assert reader.read_byte_order() is ByteOrder.LITTLE
    assert list(read_frames(reader)) == read_in_every_way(capture.data, ByteOrder.LITTLE)


def test_the_captured_big_endian_login_is_told_as_big_endian() -> None:
    (capture,) = [c for c in CAPTURES if str(c) == "big-endian-login-client"]
    reader = FrameReader(ChunkedSocket([capture.data]))
    assert reader.read_byte_order() is ByteOrder.BIG
    (frame,) = read_frames(reader)
    assert frame == (LOGIN, b"eve", b"")


@pytest.mark.parametrize("connection", SAID)
def test_server_headers_parse(connection: str) -> None:
    (capture,) = [c for c in FROM_SERVERS if c.connection == connection]
    reply, *frames = read_in_every_way(capture.data, ByteOrder.LITTLE)
    assert reply == (LOGIN, b"", b"")
    said = []
    for frame in frames:
        header = parse_server_header(frame.header)
        assert header.timestamp == json.loads(frame.header)["timestamp"]
        said.append((frame.type, header.sender, header.filename, frame.content))
    assert said == SAID[connection]


@pytest.mark.parametrize("connection", REFUSED)
def test_refusals_are_one_bare_descriptor(connection: str) -> None:
    (capture,) = [c for c in FROM_SERVERS if c.connection == connection]
    assert Descriptor.decode(capture.data, ByteOrder.LITTLE) == (REFUSED[connection], 0, 0)
    assert len(capture.data) == 16
    assert REFUSED[connection] in REFUSALS


@pytest.mark.parametrize("capture", FROM_CLIENTS, ids=str)
def test_client_frames_parse(capture: Capture) -> None:
    login, *messages = read_in_every_way(capture.data, ByteOrder.LITTLE)
    if capture.connection == "not-a-login":
        assert login == (UTF8, b"", b"")
        return
    assert login.type == LOGIN
    if capture.connection == "not-utf8":
        with pytest.raises(HeaderError):
            parse_login_header(login.header)
        return
    header = parse_login_header(login.header)
    assert not header.is_json
    assert parse_user_name(header.name) == UserName(header.name, header.name)
    for frame in messages:
        message = parse_client_header(frame.header, names_a_file=frame.type in ATTACHMENTS)
        assert message.to is None
        assert message.filename == ("notes.txt" if frame.type == FILE else None)
        assert frame.content.decode()
