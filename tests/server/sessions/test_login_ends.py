"""Conversations before a login that end without a user being let in."""

from __future__ import annotations

import logging

import gevent
import pytest

from chat.server.sessions import accept as accept_module
from tests.server.server_in_test import TestServer
from tests.server.sessions.test_login import LOGIN, OpenTestServer, refusals


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "chat.server")
    return caplog


def test_a_refused_client_may_close_instead_of_trying_again(chat_server: TestServer) -> None:
    client = chat_server.connect()
    client.try_login("")
    client.finish()

    client.expect_closed()


@pytest.mark.parametrize("sent", [b"", b"\0", b"\0\1\0\5", b"\0\7\0\0\0\0\0\0\0\0\0\0\0\0\1\0abc"])
def test_one_who_does_not_get_on_with_it_is_closed(
    open_a_chat_server: OpenTestServer, log: pytest.LogCaptureFixture, sent: bytes
) -> None:
    chat_server = open_a_chat_server(login_timeout=0.1)
    client = chat_server.connect()

    client.send_bytes(sent)

    assert client.at_end()
    assert refusals(log) == ["refused 127.0.0.1: took too long to log in"]


def test_a_login_that_trickles_is_closed_in_time(open_a_chat_server: OpenTestServer) -> None:
    chat_server = open_a_chat_server(login_timeout=0.2)
    client = chat_server.connect()

    def trickle() -> None:
        try:
            for byte in client.encode(LOGIN, "x" * 4000):
                client.send_bytes(bytes([byte]))
                gevent.sleep(0.01)
        except OSError:
            return

    trickling = gevent.spawn(trickle)

    assert client.at_end()
    trickling.kill()


def test_the_time_to_log_in_is_not_one_to_stay(open_a_chat_server: OpenTestServer) -> None:
    chat_server = open_a_chat_server(login_timeout=0.1)
    alice = chat_server.join("alice")
    late = chat_server.connect()

    assert late.at_end()  # by now the time is over

    alice.say("still here")
    alice.expect_text("still here", "alice")


def test_one_who_is_not_let_in_anyway_has_less_time(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer
) -> None:
    monkeypatch.setattr(accept_module, "REFUSED_TIMEOUT", 0.05)
    chat_server = open_a_chat_server(max_per_address=1, exempt=())
    first = chat_server.connect()

    assert chat_server.connect().at_end()

    assert first.try_login("alice").type == LOGIN


def test_refusals_are_logged_and_folded_without_what_the_peer_sent(
    chat_server: TestServer, log: pytest.LogCaptureFixture
) -> None:
    client = chat_server.connect()
    for _ in range(5):
        client.try_login("\x1b[31mevil\n")
    client.expect_closed()

    assert refusals(log) == ["refused 127.0.0.1: bad-username"]


def test_an_answer_that_cannot_be_sent_ends_it(chat_server: TestServer) -> None:
    client = chat_server.connect()
    client.send_bytes(client.encode(LOGIN, "")[:16] * 3)
    client.reset()

    chat_server.connections_end()
