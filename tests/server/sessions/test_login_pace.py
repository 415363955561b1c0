"""Limits per address that a login meets: too many tries, too many connections, a queue to wait in."""

from __future__ import annotations

import logging
import time

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.server.limits import address_limits as address_limits_module
from chat.server.settings import Network
from tests.server.fakes import wait_until
from tests.server.sessions.test_login import BAD_LOGIN, LOGIN, OpenTestServer, refusals, refused

NOBODY_EXEMPT: tuple[Network, ...] = ()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "chat.server")
    return caplog


def test_too_many_tries_from_an_address_are_refused_and_closed(
    open_a_chat_server: OpenTestServer, log: pytest.LogCaptureFixture
) -> None:
    chat_server = open_a_chat_server(exempt=NOBODY_EXEMPT, max_logins=3)
    client = chat_server.connect()
    for _ in range(3):
        assert refused(client.try_login({"to": "?"}))[1] == "bad-username"

    assert refused(client.try_login({"to": "alice"})) == (BAD_LOGIN, "too-many-attempts")
    client.expect_closed()
    assert "refused 127.0.0.1: too-many-attempts" in refusals(log)
    assert chat_server.join("bob", source="127.0.0.2").name == "bob"


def test_a_user_with_a_session_is_let_in_but_not_to_try_other_names(
    open_a_chat_server: OpenTestServer,
) -> None:
    chat_server = open_a_chat_server(exempt=NOBODY_EXEMPT, max_logins=3)
    alice = chat_server.join("alice")
    token = alice.welcome["session"]
    client = chat_server.connect()
    chat_server.join("bob")
    for _ in range(3):
        reply = client.try_login({"to": "bob", "session": token})
        assert refused(reply)[1] == "username-exists"

    reply = client.try_login({"to": "carol", "session": token})
    assert refused(reply) == (BAD_LOGIN, "too-many-attempts")
    assert chat_server.connect().try_login({"to": "ALICE", "session": token}).type == LOGIN


def test_tries_that_succeed_are_never_too_many(open_a_chat_server: OpenTestServer) -> None:
    chat_server = open_a_chat_server(exempt=NOBODY_EXEMPT, max_logins=3)
    for number in range(20):
        chat_server.join(f"guest{number}", raw=True).close()


def test_too_many_connections_in_a_minute_are_told_so_and_then_closed_without_a_byte(
    open_a_chat_server: OpenTestServer,
) -> None:
    chat_server = open_a_chat_server(exempt=NOBODY_EXEMPT, max_connects=3)
    for _ in range(3):
        chat_server.connect()
    late = [chat_server.connect() for _ in range(3)]
    too_late = chat_server.connect()

    for client in late:
        assert refused(client.try_login({"to": "alice"})) == (BAD_LOGIN, "too-many-attempts")
        client.expect_closed()
    assert too_late.at_end()


def test_transfers_of_users_are_let_in_at_any_rate_of_other_connections(
    open_a_chat_server: OpenTestServer,
) -> None:
    chat_server = open_a_chat_server(exempt=NOBODY_EXEMPT, max_connects=3, max_logins=2)
    alice = chat_server.join("alice")
    for _ in range(10):
        chat_server.transfer(alice).close()
    wait_until(lambda: not chat_server.session("alice").transfers, "the transfers to end")
    stranger = chat_server.connect()
    for _ in range(3):
        stranger.try_login({"to": "?"})
    chat_server.connect()

    # Now one more is too much, of connections as of tries.
    chat_server.transfer(alice)
    assert refused(chat_server.connect().try_login({"session": "x"}))[1] == "too-many-attempts"


def test_many_of_one_address_come_in_one_after_the_other(
    open_a_chat_server: OpenTestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_limits_module, "JOINS_PER_SECOND", 10.0)
    chat_server = open_a_chat_server(exempt=NOBODY_EXEMPT, max_per_address=6)
    started = time.monotonic()

    for number in range(12):
        chat_server.join(f"guest{number}", raw=True).close()

    assert time.monotonic() - started >= 0.5
    # Others don't wait in that line.
    assert chat_server.join("bob", source="127.0.0.2").name == "bob"


def test_a_name_that_is_taken_while_one_waits_in_line_is_taken(
    open_a_chat_server: OpenTestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_limits_module, "JOINS_PER_SECOND", 2.0)
    chat_server = open_a_chat_server(exempt=NOBODY_EXEMPT, max_per_address=1)
    chat_server.join("alice").close()
    chat_server.connections_end()
    client = chat_server.connect()
    client.send(LOGIN, {"to": "carol"})
    chat_server.connections_are_accepted()
    gevent.sleep(0.05)  # else the client may find the name taken before it waits: no failure either
    chat_server.join("carol", source="127.0.0.2")

    assert client.read_frame().type == MessageType.USERNAME_EXISTS


def test_a_line_that_is_longer_than_the_time_to_log_in_is_refused(
    open_a_chat_server: OpenTestServer,
) -> None:
    chat_server = open_a_chat_server(exempt=NOBODY_EXEMPT, max_per_address=2, login_timeout=0.5)
    for number in range(2):
        chat_server.join(f"guest{number}", raw=True).close()
    client = chat_server.connect()

    assert refused(client.try_login({"to": "alice"})) == (BAD_LOGIN, "too-many-attempts")
    client.expect_closed()


def test_a_login_at_the_end_of_the_line_succeeds(
    open_a_chat_server: OpenTestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_limits_module, "JOINS_PER_SECOND", 5.0)
    chat_server = open_a_chat_server(exempt=NOBODY_EXEMPT, max_per_address=1)
    chat_server.join("alice").close()
    chat_server.connections_end()
    client = chat_server.connect()

    assert client.try_login({"to": "alice"}).type == LOGIN


def test_the_log_names_so_many_of_one_address_and_counts_the_rest(
    open_a_chat_server: OpenTestServer,
    monkeypatch: pytest.MonkeyPatch,
    log: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(address_limits_module, "LOGGED_JOINS", 2)
    chat_server = open_a_chat_server(exempt=NOBODY_EXEMPT)
    for number in range(4):
        chat_server.join(f"guest{number}", raw=True).close()
    chat_server.connections_end()

    said = [message.partition(" from")[0] for message in refusals(log)]
    assert sorted(said) == [
        "further users",
        "guest0 joined",
        "guest0 left: disconnected",
        "guest1 joined",
        "guest1 left: disconnected",
    ]
