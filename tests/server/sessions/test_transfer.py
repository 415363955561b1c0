"""Transfer connections: large contents of one user, sent and fetched beside their chat."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.server.attachments.spool import SpooledFile
from tests.peers.wire_client import WireClient
from tests.server.fakes import run_ready_greenlets, wait_until
from tests.server.server_in_test import TestServer

FILE, IMAGE, UTF8 = MessageType.FILE, MessageType.IMAGE, MessageType.UTF8
M = 1024**2
LARGE = os.urandom(300_000)

OpenTestServer = Callable[..., TestServer]


def offer(chat_server: TestServer, content: bytes) -> tuple[WireClient, WireClient, str]:
    """Return a user who was offered ``content``, their transfer connection, and the id of the offer."""
    client = chat_server.join("alice", inline=0)
    transfer = chat_server.transfer(client)
    transfer.send(FILE, {"filename": "a.bin"}, content)
    transfer.expect(FILE)
    return client, transfer, client.expect(FILE, size=len(content)).header["id"]


# Sending


@pytest.mark.parametrize("type", [FILE, IMAGE, MessageType.VOICE])
@pytest.mark.parametrize("content", [b"", b"small", LARGE])
@pytest.mark.parametrize("order", list(ByteOrder))
def test_contents_sent_here_are_said_in_the_room(
    chat_server: TestServer, type: MessageType, content: bytes, order: ByteOrder
) -> None:
    bob = chat_server.join("bob", raw=True)
    alice = chat_server.join("alice", order=order)
    bob.expect_joined("alice")
    transfer = chat_server.transfer(alice)

    transfer.send(type, {"filename": "a.bin", "nonce": "n"}, content)

    assert transfer.read_frame() == (type, {}, b"")
    alice.expect(type, content, sender="alice", filename="a.bin", nonce="n")
    bob.expect(type, content, sender="alice", filename="a.bin")


def test_it_may_be_private(chat_server: TestServer) -> None:
    alice, bob, carol = (
        chat_server.join("alice"),
        chat_server.join("bob"),
        chat_server.join("carol"),
    )
    transfer = chat_server.transfer(alice)
    transfer.send(FILE, {"to": "bob"}, b"secret")
    transfer.expect(FILE)
    transfer.send(FILE, None, b"for all")

    for guest in (bob, alice):
        guest.read_until(FILE, b"secret")
    carol.expect(FILE, b"for all")


@pytest.mark.parametrize(
    ("type", "header", "content", "notice"),
    [
        (UTF8, {"nonce": "n"}, b"hello", "bad-type"),
        (UTF8, {"nonce": "n"}, b"", "empty"),
        (77, {"nonce": "n"}, b"", "bad-type"),
        (FILE, {"nonce": "n", "to": "nobody"}, b"content", "no-such-user"),
        (FILE, {"nonce": "n", "fetch": "no-id"}, b"", "gone"),
        (FILE, {"nonce": "n", "fetch": "no-id"}, b"content", "bad-header"),
        (IMAGE, {"nonce": "n", "fetch": "no-id"}, b"", "bad-header"),
        (FILE, {"nonce": "n"}, b"x" * 300_000, "no-space"),
    ],
)
def test_a_refusal_is_told_here_and_the_connection_goes_on(
    open_a_chat_server: OpenTestServer,
    type: int,
    header: dict[str, Any],
    content: bytes,
    notice: str,
) -> None:
    chat_server = open_a_chat_server(max_spool=M)
    alice = chat_server.join("alice")
    transfer = chat_server.transfer(alice)
    transfer.name = "alice"

    transfer.send(type, header, content)
    transfer.send(FILE, None, b"next")

    transfer.expect_notice(notice, nonce="n")
    transfer.expect(FILE)
    alice.expect(FILE, b"next")


def test_more_than_a_file_may_have_is_answered_then_closed(
    open_a_chat_server: OpenTestServer,
) -> None:
    chat_server = open_a_chat_server(max_file=1000)
    alice = chat_server.join("alice")
    transfer = chat_server.transfer(alice)
    transfer.name = "alice"

    transfer.send_bytes(transfer.encode(FILE, content_size=1001))

    transfer.expect_notice("too-large")
    transfer.expect_closed()
    alice.say("still here")
    alice.expect_text("still here", "alice")


def test_the_room_goes_on_while_a_transfer_comes_in(chat_server: TestServer) -> None:
    alice = chat_server.join("alice")
    transfer = chat_server.transfer(alice)
    transfer.send_bytes(transfer.encode(FILE, None, LARGE[:150_000], content_size=len(LARGE)))
    chat_server.upload_begins(len(LARGE))

    alice.say("meanwhile")
    alice.expect_text("meanwhile", "alice")
    transfer.send_bytes(LARGE[150_000:])

    transfer.expect(FILE)
    alice.expect(FILE, LARGE)


# Fetching


@pytest.mark.parametrize("content", [b"a small content", LARGE])
@pytest.mark.parametrize("offset", [0, 1, 7])
def test_an_offer_is_fetched_from_an_offset_on(
    chat_server: TestServer, content: bytes, offset: int
) -> None:
    _, transfer, id = offer(chat_server, content)

    transfer.send(FILE, {"fetch": id, "offset": offset, "nonce": "n"})

    frame = transfer.expect(
        FILE, content[offset:], sender="alice", filename="a.bin", nonce="n", id=id, offset=offset
    )
    assert frame.header["size"] == len(content)


@pytest.mark.parametrize("content", [b"a small content", LARGE])
def test_an_offset_at_the_end_fetches_nothing_and_one_after_it_is_refused(
    chat_server: TestServer, content: bytes
) -> None:
    _, transfer, id = offer(chat_server, content)
    transfer.name = "alice"

    transfer.send(FILE, {"fetch": id, "offset": len(content)})
    transfer.expect(FILE, b"", size=len(content))
    transfer.send(FILE, {"fetch": id, "offset": len(content) + 1})
    transfer.expect_notice("bad-header")


def test_only_users_who_were_offered_it_may_fetch(chat_server: TestServer) -> None:
    _, _, id = offer(chat_server, b"content")
    late = chat_server.join("late")
    transfer = chat_server.transfer(late)
    transfer.name = "late"

    transfer.send(FILE, {"fetch": id})

    transfer.expect_notice("gone")


def test_fetches_that_are_not_read_are_served_one_at_a_time(chat_server: TestServer) -> None:
    _, transfer, id = offer(chat_server, os.urandom(10 * M))
    found = chat_server.parts.offers.find(id, chat_server.session("alice").serial)
    assert found is not None
    content = found.content
    assert isinstance(content, SpooledFile)

    transfer.send_bytes(transfer.encode(FILE, {"fetch": id}) * 20)
    wait_until(lambda: content.holders == 2, "the first to be on its way")
    run_ready_greenlets()
    assert content.holders == 2  # the offer, and one on its way

    for _ in range(3):
        transfer.expect(FILE)
        run_ready_greenlets()
        assert content.holders <= 2
    transfer.close()
    wait_until(lambda: content.holders == 1, "the last to be let go")


def test_a_fetch_that_is_cut_off_leaves_the_offer(chat_server: TestServer) -> None:
    alice, transfer, id = offer(chat_server, os.urandom(10 * M))
    transfer.send(FILE, {"fetch": id})
    transfer.receive_exactly(1000)
    transfer.reset()

    again = chat_server.transfer(alice)
    again.send(FILE, {"fetch": id, "offset": 10 * M - 5})

    assert len(again.expect(FILE, offset=10 * M - 5).content) == 5


def test_an_offer_that_made_way_is_gone(open_a_chat_server: OpenTestServer) -> None:
    chat_server = open_a_chat_server(max_spool=8 * len(LARGE))
    alice, transfer, id = offer(chat_server, LARGE)
    transfer.name = "alice"
    for _ in range(2):  # two are a user's share
        transfer.send(FILE, None, LARGE)
        transfer.expect(FILE)

    transfer.send(FILE, {"fetch": id})

    transfer.expect_notice("gone")
    assert alice.expect(FILE).header["size"] == len(LARGE)
