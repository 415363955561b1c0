"""From the first byte to a name in the room, in all its outcomes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest

from chat.protocol.descriptor import ByteOrder, MessageType
from tests.peers.wire_client import Header, WireFrame
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer

LOGIN, BAD_LOGIN = MessageType.LOGIN, MessageType.BAD_LOGIN
BAD_NAME, NAME_EXISTS = MessageType.BAD_USERNAME, MessageType.USERNAME_EXISTS
K = 1024

OpenTestServer = Callable[..., TestServer]
BOTH_ORDERS = pytest.mark.parametrize("order", list(ByteOrder))


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "chat.server")
    return caplog


def refusals(log: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in log.messages if not message.startswith("listening on")]


def refused(frame: WireFrame) -> tuple[int, str]:
    """The type and code of a refusal in the JSON form, which must explain itself too."""
    assert frame.content == b""
    assert set(frame.header) == {"error", "message"}
    assert frame.header["message"].endswith(".")
    return frame.type, frame.header["error"]


# Success


@BOTH_ORDERS
def test_a_raw_login_is_answered_by_a_bare_descriptor_and_the_own_announcement(
    chat_server: TestServer, order: ByteOrder
) -> None:
    client = chat_server.connect(order=order)

    assert client.try_login("alice") == (LOGIN, {}, b"")

    frame = client.read_frame()
    assert frame.type == LOGIN
    assert set(frame.header) == {"from", "timestamp"}
    assert frame.sender == "alice"
    assert frame.content == b""


@BOTH_ORDERS
def test_a_json_login_has_the_welcome_in_its_own_announcement(
    chat_server: TestServer, order: ByteOrder
) -> None:
    client = chat_server.connect(order=order)

    assert client.try_login({"to": "alice", "inline": None, "colour": "red"}) == (LOGIN, {}, b"")

    frame = client.expect(LOGIN, sender="alice")
    assert json.loads(frame.content)["users"] == ["alice"]


def test_the_name_is_the_one_that_the_server_knows(chat_server: TestServer) -> None:
    client = chat_server.join("Ａlice")  # full width

    assert client.name == "Alice"


@pytest.mark.parametrize("header", ["alice", {"to": "alice"}])
def test_a_content_of_a_login_is_skipped(chat_server: TestServer, header: Header) -> None:
    client = chat_server.connect()

    assert client.try_login(header, b"x" * (64 * K)).type == LOGIN

    client.expect(LOGIN, sender="alice")
    client.say("in step")
    client.expect_text("in step", "alice")


def test_a_header_may_have_4_kibibytes(chat_server: TestServer) -> None:
    client = chat_server.connect()
    padding = 4 * K - len('{"to": "alice", "x": ""}')

    assert client.try_login('{"to": "alice", "x": "%s"}' % ("x" * padding)).type == LOGIN


def test_what_follows_a_login_in_the_same_write_is_heard(chat_server: TestServer) -> None:
    client = chat_server.connect()
    client.send_bytes(
        client.encode(LOGIN, "alice") + client.encode(MessageType.UTF8, None, b"hello")
    )

    assert client.read_frame() == (LOGIN, {}, b"")
    client.expect(LOGIN, sender="alice")
    client.expect_text("hello", "alice")


# Refusals


@pytest.mark.parametrize(
    ("header", "type", "error"),
    [
        ("bob", NAME_EXISTS, "username-exists"),
        ("BOB", NAME_EXISTS, "username-exists"),
        ("", BAD_NAME, "bad-username"),
        ("a b", BAD_NAME, "bad-username"),
        ("x" * 33, BAD_NAME, "bad-username"),
        ("server", BAD_NAME, "bad-username"),
        ("ѕerver", BAD_NAME, "bad-username"),
    ],
)
def test_a_name_that_cannot_be_had(
    chat_server: TestServer, header: str, type: MessageType, error: str
) -> None:
    chat_server.join("bob")

    assert chat_server.connect().try_login(header) == (type, {}, b"")
    assert refused(chat_server.connect().try_login({"to": header})) == (type, error)


@pytest.mark.parametrize(
    ("header", "type"),
    [
        (b"\xff", BAD_NAME),
        (b'{"to": "\xff"}', BAD_NAME),
        (b'{"to": "alice"', BAD_LOGIN),
        (b'{"to": 7}', BAD_LOGIN),
        (b'{"to": "alice", "inline": -1}', BAD_LOGIN),
        (b'{"to": "alice", "session": 7}', BAD_LOGIN),
        (b'{"to": "\\ud800"}', BAD_LOGIN),
        (b'{"a":' * 700, BAD_LOGIN),
        (b"{}", BAD_NAME),
        (b'{"session": "no such"}', BAD_LOGIN),
        (b'{"session": ""}', BAD_LOGIN),
    ],
)
def test_a_header_that_cannot_be_used(
    chat_server: TestServer, header: bytes, type: MessageType
) -> None:
    client = chat_server.connect()

    assert client.try_login(header).type == type
    assert client.try_login("alice").type == LOGIN


@BOTH_ORDERS
def test_after_a_refusal_one_may_try_again_in_either_form(
    chat_server: TestServer, order: ByteOrder
) -> None:
    chat_server.join("bob")
    client = chat_server.connect(order=order)

    assert client.try_login({"to": "bob"}).header["error"] == "username-exists"
    assert client.try_login("bob") == (NAME_EXISTS, {}, b"")
    assert client.try_login({"to": ""}).header["error"] == "bad-username"
    assert client.try_login("alice") == (LOGIN, {}, b"")


def test_the_fifth_try_is_the_last(chat_server: TestServer) -> None:
    lucky, late = chat_server.connect(), chat_server.connect()
    for client in (lucky, late):
        for _ in range(4):
            assert client.try_login("").type == BAD_NAME

    assert lucky.try_login("lucky").type == LOGIN
    assert late.try_login("").type == BAD_NAME
    late.expect_closed()


@pytest.mark.parametrize("type", [t for t in MessageType if t != LOGIN])
def test_what_comes_before_a_login_is_refused_and_skipped_whole(
    chat_server: TestServer, type: MessageType
) -> None:
    client = chat_server.connect()
    client.send(type, "a header", b"x" * 100_000)

    assert client.read_frame() == (BAD_LOGIN, {}, b"")
    assert client.try_login("alice").type == LOGIN


def test_a_type_that_is_none_is_refused_after_the_first_frame(chat_server: TestServer) -> None:
    client = chat_server.connect()
    client.try_login({"to": ""})
    client.send(77, "a header", b"content")

    assert refused(client.read_frame()) == (BAD_LOGIN, "not-logged-in")


@pytest.mark.parametrize(
    ("header_size", "content_size"), [(16 * K + 1, 0), (5, 64 * K + 1), (5, 1 << 63), (65535, 0)]
)
def test_a_login_that_is_too_large_is_refused_on_its_descriptor_alone(
    chat_server: TestServer, header_size: int, content_size: int
) -> None:
    client = chat_server.connect()

    client.send_bytes(client.encode(LOGIN, header_size=header_size, content_size=content_size))

    assert client.read_frame() == (BAD_LOGIN, {}, b"")
    client.expect_closed()


def test_what_is_too_large_to_skip_is_refused_and_closed(chat_server: TestServer) -> None:
    client = chat_server.connect()
    client.send(MessageType.FILE, None, bytes(K * K))
    assert client.read_frame().type == BAD_LOGIN

    client.send_bytes(client.encode(MessageType.FILE, content_size=K * K + 1))

    assert client.read_frame().type == BAD_LOGIN
    client.expect_closed()


def test_a_full_room_says_so_and_closes(open_a_chat_server: OpenTestServer) -> None:
    chat_server = open_a_chat_server(max_users=2)
    alice = chat_server.join("alice")
    chat_server.join("bob")
    alice.expect_joined("bob")
    late = chat_server.connect()

    assert refused(late.try_login({"to": "carol"})) == (BAD_LOGIN, "server-full")
    late.expect_closed()

    chat_server.transfer(alice)  # takes no place in the room
    alice.leave()
    alice.expect_closed()
    chat_server.join("carol")


def test_too_many_of_one_address_are_told_so(open_a_chat_server: OpenTestServer) -> None:
    chat_server = open_a_chat_server(max_per_address=2, exempt=())
    alice = chat_server.join("alice")
    chat_server.connect()
    third = chat_server.connect()

    reply = third.try_login({"to": "carol"})

    assert refused(reply) == (BAD_LOGIN, "too-many-connections")
    third.expect_closed()
    third.close()
    assert chat_server.join("dave", source="127.0.0.2").name == "dave"
    alice.close()
    wait_until(lambda: len(chat_server.connections) == 2, "a place")
    assert chat_server.connect().try_login("carol").type == LOGIN


def test_far_too_many_of_one_address_are_not_even_told(
    open_a_chat_server: OpenTestServer, log: pytest.LogCaptureFixture
) -> None:
    chat_server = open_a_chat_server(max_per_address=2, exempt=())
    for _ in range(4):
        chat_server.connect()

    for _ in range(3):
        chat_server.connect().expect_closed()

    assert refusals(log) == ["refused 127.0.0.1: too-many-connections"]


# Transfers


def test_a_session_has_four_transfers(chat_server: TestServer) -> None:
    alice = chat_server.join("alice")
    transfers = [chat_server.transfer(alice) for _ in range(4)]
    fifth = chat_server.connect()
    token = alice.welcome["session"]

    assert refused(fifth.try_login({"session": token})) == (BAD_LOGIN, "too-many-transfers")

    transfers[0].close()
    wait_until(lambda: len(chat_server.session("alice").transfers) == 3, "the transfer to end")
    assert fifth.try_login({"session": token}) == (LOGIN, {}, b"")


def test_a_session_that_has_ended_has_no_transfers(chat_server: TestServer) -> None:
    alice = chat_server.join("alice")
    alice.leave()
    alice.expect_closed()

    reply = chat_server.connect().try_login({"session": alice.welcome["session"]})

    assert refused(reply) == (BAD_LOGIN, "no-such-session")


def test_a_transfer_is_announced_to_nobody(chat_server: TestServer) -> None:
    alice = chat_server.join("alice")
    chat_server.transfer(alice)

    alice.say("next")

    alice.expect_text("next", "alice")


def test_with_a_name_and_a_session_it_is_a_user(chat_server: TestServer) -> None:
    alice, client = chat_server.join("alice"), chat_server.connect()

    reply = client.try_login({"to": "bob", "session": alice.welcome["session"]})

    assert reply.type == LOGIN
    alice.expect_joined("bob")


# Other ways to end


@pytest.mark.parametrize(
    "first", [b"GET / HTTP/1.1\r\n", b"\0\0", b"\x16\x03", b"\0\x0a", b"\1\1", b"\xff" * 100]
)
def test_what_opens_no_chat_is_closed_without_a_byte(
    chat_server: TestServer, log: pytest.LogCaptureFixture, first: bytes
) -> None:
    client = chat_server.connect()

    client.send_bytes(first)

    assert client.at_end()
    assert refusals(log) == ["refused 127.0.0.1: does not speak this protocol"]


def test_a_connection_that_only_looks_is_not_logged(
    chat_server: TestServer, log: pytest.LogCaptureFixture
) -> None:
    chat_server.connect().close()
    half = chat_server.connect()
    half.send_bytes(b"\0")
    half.close()
    cut = chat_server.connect()
    cut.send_bytes(cut.encode(LOGIN, "alice")[:-1])
    cut.close()
    reset = chat_server.connect()
    reset.send_bytes(b"\0\1")
    reset.reset()
    chat_server.connections_end()

    assert refusals(log) == []
