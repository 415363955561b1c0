"""A client that asks for a sign of life gets one, whatever else is delayed, and costs nobody else anything."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.delivery.send_queue import SendQueue, dialect_of
from chat.server.limits.limits import FREE_PING_EVERY, SenderRates
from chat.server.moderation.bans import Mute
from chat.server.sessions import sender as sender_module
from chat.server.settings import Rate
from tests.peers.wire_client import WireClient
from tests.server.fakes import FakeClock
from tests.server.server_in_test import TestServer
from tests.server.sessions.test_session import OpenTestServer
from tests.server.sessions.test_session_rates import Sleeps

UTF8, FILE = MessageType.UTF8, MessageType.FILE


# The one is answered without a parser, the other as any command is.
IN_EITHER_FORM = pytest.mark.parametrize("nonce", ["n", None], ids=["usual", "bare"])


def ping(client: WireClient, nonce: str | None = "n") -> None:
    fields = {"command": "ping"} if nonce is None else {"command": "ping", "nonce": nonce}
    client.send(UTF8, fields)


def test_a_ping_is_answered_to_its_sender_alone(chat_server: TestServer) -> None:
    alice, bob = chat_server.join("alice"), chat_server.join("bob")
    alice.expect_joined("bob")
    bob.say("before")
    for client in (alice, bob):
        client.expect_text("before", "bob")

    ping(alice, nonce="7")
    alice.expect_notice("done", nonce="7")
    bob.say("after")
    bob.expect_text("after", "bob")
    alice.expect_text("after", "bob")


def test_a_raw_client_may_ping_too(chat_server: TestServer) -> None:
    alice = chat_server.join("alice", raw=True)
    ping(alice)
    alice.expect_notice("done", nonce="n")


@IN_EITHER_FORM
def test_a_muted_user_is_here_as_well(chat_server: TestServer, nonce: str | None) -> None:
    alice = chat_server.join("alice")
    chat_server.parts.moderation.entries.add(Mute("alice", None, "bob", None, 0))
    alice.say("hello?")
    alice.expect_notice("muted")
    ping(alice, nonce)
    assert alice.expect_notice("done").header.get("nonce") == nonce


def test_nothing_of_it_is_logged(chat_server: TestServer, caplog: pytest.LogCaptureFixture) -> None:
    alice = chat_server.join("alice")
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        ping(alice)
        alice.expect_notice("done")
    assert caplog.records == []


def test_a_user_who_has_used_up_their_rate_is_still_answered_at_once(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer
) -> None:
    chat_server = open_a_chat_server(rate=Rate(1, 1), byte_rate=None)
    alice = chat_server.join("alice")
    sleeps = Sleeps(monkeypatch)
    alice.say("one")
    alice.expect_text("one", "alice")
    ping(alice)
    alice.expect_notice("done")
    assert sleeps.delays == []


@IN_EITHER_FORM
def test_a_ping_now_and_then_is_free_and_a_flood_of_them_is_not(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer, nonce: str | None
) -> None:
    chat_server = open_a_chat_server(rate=Rate(1, 1), byte_rate=None)
    clock = FakeClock()
    monkeypatch.setattr(sender_module, "SenderRates", partial(SenderRates, clock=clock))
    alice = chat_server.join("alice")
    sleeps = Sleeps(monkeypatch)
    for _ in range(2):
        ping(alice, nonce)
        alice.expect_notice("done")
        clock.advance(FREE_PING_EVERY)
    assert sleeps.delays == []

    for _ in range(3):
        ping(alice, nonce)
        alice.expect_notice("done")
    # The first was free, the second took the burst.
    assert sleeps.delays == pytest.approx([1], abs=0.5)


@pytest.mark.parametrize("header", [b'{"command":"ping"', b'{"command":"pong"}', b'{"command":7}'])
def test_what_is_no_ping_counts_as_ever(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer, header: bytes
) -> None:
    chat_server = open_a_chat_server(rate=Rate(1, 1), byte_rate=None)
    alice = chat_server.join("alice")
    sleeps = Sleeps(monkeypatch)
    for _ in range(2):
        alice.send(UTF8, header)
        alice.read_frame()
    assert sleeps.delays == pytest.approx([1], abs=0.5)


@pytest.mark.parametrize(
    ("type", "content"), [(UTF8, b"hi"), (FILE, b"")], ids=["with a content", "of a file"]
)
def test_a_ping_that_is_none_is_refused(
    chat_server: TestServer, type: MessageType, content: bytes
) -> None:
    alice = chat_server.join("alice")
    alice.send(type, {"command": "ping"}, content)
    alice.expect_notice("bad-header")


@IN_EITHER_FORM
def test_an_answer_to_one_touches_nobody_else(
    chat_server: TestServer, monkeypatch: pytest.MonkeyPatch, nonce: str | None
) -> None:
    """The server does not even loop over the other users, of whom there may be ten thousand."""
    alice = chat_server.join("alice")
    broadcast = chat_server.parts.broadcast
    audience = broadcast._pending[dialect_of(alice.order)].audience

    gone_through: list[str | None] = []

    class Watched(dict[SendQueue, None]):
        def __iter__(self) -> Iterator[SendQueue]:
            gone_through.append(nonce)
            return super().__iter__()

    monkeypatch.setattr(broadcast._pending[dialect_of(alice.order)], "audience", Watched(audience))
    ping(alice, nonce)
    alice.expect_notice("done")
    monkeypatch.undo()
    assert gone_through == []
