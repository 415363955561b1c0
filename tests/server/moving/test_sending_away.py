"""A server that must not speak for its cluster any more ends all connections at once."""

from __future__ import annotations

import ssl

import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.notices import NoticeCode
from chat.server.moving.sending_away import SendingAway
from tests.peers.tls_wire_client import TlsWireClient
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer

UTF8, FILE = MessageType.UTF8, MessageType.FILE
OTHERS = ["chat2.example.org:8080"]


def send_away(chat_server: TestServer, others: list[str]) -> None:
    parts = chat_server.parts
    SendingAway(parts.directory, parts.service, parts.visitors, lambda: others).end_all()


def join_all(chat_server: TestServer) -> list[WireClient]:
    alice, raw = chat_server.join("alice"), chat_server.join("raw", raw=True)
    alice.expect_joined("raw")
    return [alice, raw]


def test_the_last_frame_says_where_to_go(chat_server: TestServer) -> None:
    alice, raw = join_all(chat_server)
    transfer = chat_server.transfer(alice)
    send_away(chat_server, OTHERS)
    assert alice.expect_notice("move", servers=OTHERS)
    assert raw.expect(UTF8).text == "The server is shutting down."
    for client in (alice, raw, transfer):
        assert client.at_end()
    chat_server.connections_end()


def test_the_last_frame_is_encrypted_too(safe_chat_server: TestServer) -> None:
    alice = safe_chat_server.remember(TlsWireClient.joined(safe_chat_server.address, "alice"))
    send_away(safe_chat_server, OTHERS)
    assert alice.expect_notice("move", servers=OTHERS)
    # At once: without a goodbye, which would have to wait.
    with pytest.raises((ssl.SSLEOFError, EOFError, ConnectionError)):
        alice.read_frame()


def test_without_another_server_the_last_frame_says_that_this_one_stops(
    chat_server: TestServer,
) -> None:
    alice, _ = join_all(chat_server)
    send_away(chat_server, [])
    alice.expect_notice("shutting-down")
    assert alice.at_end()


def test_what_was_pending_is_dropped(chat_server: TestServer) -> None:
    alice, raw = join_all(chat_server)
    session = chat_server.session("alice")
    chat_server.parts.service.notify(session, NoticeCode.ANNOUNCEMENT, "This comes too late.")
    chat_server.parts.service.announce(NoticeCode.ANNOUNCEMENT, "And this.")
    send_away(chat_server, OTHERS)
    alice.expect_notice("move")
    assert alice.at_end()
    assert raw.expect(UTF8).text == "The server is shutting down."
    assert raw.at_end()


def test_a_slow_reader_is_reset(chat_server: TestServer) -> None:
    chat_server.join("slow", receive_buffer=4096)
    alice = chat_server.join("alice")
    session = chat_server.session("slow")
    number = 0
    while not session.send_queue.is_behind:
        alice.send(FILE, None, b"x" * 1_000_000)
        alice.read_until(FILE, b"x" * 1_000_000)
        number += 1
        assert number < 30
    send_away(chat_server, OTHERS)
    assert session.send_queue.waiting == 0
    wait_until(lambda: chat_server.here() == [], "both to leave")
    chat_server.connections_end()
