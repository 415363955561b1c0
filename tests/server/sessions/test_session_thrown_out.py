"""A session that others end: the reason is its last message, and everyone else hears that the user has left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.sessions import session as session_module
from chat.server.settings import TlsMode
from tests.peers.tls_wire_client import TlsWireClient
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer

UTF8, FILE = MessageType.UTF8, MessageType.FILE
M = 1024**2


def throw_out(chat_server: TestServer, name: str) -> None:
    sentence = "You were kicked."
    chat_server.session(name).eject(LeaveReason.KICKED, NoticeCode.MODERATED, sentence)


def nothing(guest: WireClient) -> None:
    """Do nothing: the user just waits."""


def half_a_text(guest: WireClient) -> None:
    guest.send_bytes(guest.encode(UTF8, content_size=100) + b"x")


def half_a_file(guest: WireClient) -> None:
    guest.send_bytes(guest.encode(FILE, content_size=M) + b"x" * 1000)


@pytest.mark.parametrize("doing", [nothing, half_a_text, half_a_file])
@pytest.mark.parametrize("raw", [False, True])
def test_an_ejected_user_hears_why_and_the_name_is_free_at_once(
    chat_server: TestServer, doing: Callable[[WireClient], None], raw: bool
) -> None:
    alice, bob = chat_server.join("alice", raw=raw), chat_server.join("bob")
    alice.expect_joined("bob")
    bob.say("hello")
    alice.expect_text("hello", "bob")
    doing(alice)
    gevent.sleep(0.02)

    throw_out(chat_server, "alice")
    chat_server.parts.service.announce(NoticeCode.MODERATED, "alice was kicked.")
    second = chat_server.join("alice")

    assert alice.expect_notice("moderated").text == "You were kicked."
    alice.expect_closed()
    bob.expect_text("hello", "bob")
    bob.expect_left("alice", "kicked")
    told = bob.expect(UTF8, b"alice was kicked.", sender="server", notice="moderated")
    assert "to" not in told.header
    bob.expect_joined("alice")
    second.say("again")
    second.expect_text("again", "alice")
    alice.close()
    wait_until(lambda: len(chat_server.connections) == 2, "the connection to end")
    chat_server.space_is_given_back()


def test_contents_of_an_ejected_user_on_a_transfer_reach_nobody(chat_server: TestServer) -> None:
    alice, bob = chat_server.join("alice"), chat_server.join("bob")
    transfer = chat_server.transfer(alice)
    transfer.send_bytes(transfer.encode(FILE, content_size=M) + b"x" * 1000)
    chat_server.upload_begins(M)

    throw_out(chat_server, "alice")

    bob.expect_left("alice", "kicked")
    assert transfer.at_end()
    chat_server.space_is_given_back()


def test_one_who_does_not_read_is_not_waited_for(
    open_a_chat_server: Callable[..., TestServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "LAST_WORDS_TIMEOUT", 0.05)
    chat_server = open_a_chat_server(rate=None, byte_rate=None)
    bob = chat_server.join("bob")
    chat_server.join("alice", receive_buffer=4096)
    bob.expect_joined("alice")
    session = chat_server.session("alice")
    while not session.send_queue.waiting:
        bob.say("x" * 60_000)
        bob.expect(UTF8)

    throw_out(chat_server, "alice")

    bob.expect_left("alice", "kicked")
    wait_until(lambda: len(chat_server.connections) == 1, "the connection to end")
    assert chat_server.parts.backlogs.used == 0


def test_one_who_has_left_is_not_thrown_out(chat_server: TestServer) -> None:
    alice, bob = chat_server.join("alice"), chat_server.join("bob")
    alice.expect_joined("bob")
    session = chat_server.session("alice")
    alice.leave()
    bob.expect_left("alice", "quit")

    session.eject(LeaveReason.KICKED, NoticeCode.MODERATED, "You were kicked.")
    bob.say("next")

    bob.expect_text("next", "bob")
    alice.expect_closed()


def test_a_session_that_fails_ends_at_once_for_its_first_reason(chat_server: TestServer) -> None:
    chat_server.join("alice")
    bob = chat_server.join("bob")
    session = chat_server.session("alice")

    session.send_queue.fail(LeaveReason.TOO_SLOW)
    throw_out(chat_server, "alice")

    assert not chat_server.parts.service.is_here(session)
    bob.expect_left("alice", "too-slow")
    wait_until(lambda: len(chat_server.connections) == 1, "the connection to end")


@pytest.mark.parametrize("doing", [nothing, half_a_text, half_a_file])
def test_over_tls_it_is_the_same(
    open_a_chat_server: Callable[..., TestServer],
    tmp_path: Path,
    doing: Callable[[WireClient], None],
) -> None:
    chat_server = open_a_chat_server(data_directory=tmp_path / "data", tls=TlsMode.OPTIONAL)
    bob, alice = chat_server.join("bob"), chat_server.remember(TlsWireClient(chat_server.address))
    alice.login("alice")
    bob.expect_joined("alice")
    doing(alice)
    gevent.sleep(0.02)

    throw_out(chat_server, "alice")

    bob.expect_left("alice", "kicked")
    alice.expect_notice("moderated")
    alice.expect_closed()
    # A content that a thread is writing is released when the write ends.
    chat_server.space_is_given_back()
