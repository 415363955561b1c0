"""Many texts in one piece, as a log that is piped in comes: each is answered, in its place, as if it had come alone."""

from __future__ import annotations

import pytest

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.headers import encode_json
from tests.peers.wire_client import WireClient
from tests.server.server_in_test import TestServer

UTF8, FILE = MessageType.UTF8, MessageType.FILE


def in_one_piece(client: WireClient, *said: tuple[dict[str, str] | None, str]) -> None:
    """Send texts, each with its header, so that they come together, and in the form in which our client writes."""
    client.send_bytes(
        b"".join(
            client.encode(UTF8, encode_json(header) if header else None, text.encode())
            for header, text in said
        )
    )


@pytest.mark.parametrize("order", list(ByteOrder))
def test_each_is_answered_by_its_nonce_and_comes_to_all(
    chat_server: TestServer, order: ByteOrder
) -> None:
    alice, bob = chat_server.join("alice", order=order), chat_server.join("bob")
    alice.expect_joined("bob")

    in_one_piece(alice, *(({"nonce": f"n-{number}"}, f"line {number}") for number in range(200)))

    for number in range(200):
        for guest in (alice, bob):
            guest.expect_text(f"line {number}", "alice", nonce=f"n-{number}", to=None)


def test_each_keeps_its_place_whatever_stands_above_it(chat_server: TestServer) -> None:
    alice, bob = chat_server.join("alice"), chat_server.join("bob")
    alice.expect_joined("bob")

    in_one_piece(
        alice,
        (None, "1"),
        ({"to": "BOB"}, "2"),
        ({"to": "bob", "nonce": "a"}, "3"),
        ({"nonce": "b"}, "4"),
        ({"nonce": "c", "to": "bob"}, "5"),
        (None, "6"),
    )

    for guest in (alice, bob):
        heard = [guest.read_frame() for _ in range(6)]
        assert [(f.text, f.header.get("to"), f.header.get("nonce")) for f in heard] == [
            ("1", None, None),
            ("2", "bob", None),
            ("3", "bob", "a"),
            ("4", None, "b"),
            ("5", "bob", "c"),
            ("6", None, None),
        ]


def test_for_one_who_is_not_here_each_is_refused(chat_server: TestServer) -> None:
    alice, bob = chat_server.join("alice"), chat_server.join("bob")
    alice.expect_joined("bob")

    in_one_piece(alice, ({"to": "eve", "nonce": "a"}, "1"), ({"to": "eve"}, "2"), (None, "3"))

    alice.expect_notice("no-such-user", nonce="a")
    alice.expect_notice("no-such-user")
    for guest in (alice, bob):
        guest.expect_text("3", "alice")
