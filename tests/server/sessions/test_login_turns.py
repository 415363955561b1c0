"""Each step of a login runs in a turn of ``LoopShare``, on every way in; some of very many logins are refused."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, cast

import gevent
import pytest
from gevent.event import Event

from chat import framing
from chat.protocol.descriptor import MessageType
from chat.server.limits import address_limits as address_limits_module
from chat.server.net import handshakes as handshakes_module
from chat.server.net.connection_slots import ConnectionSlots
from chat.server.net.transport import Transport
from chat.server.process import loop_share
from chat.server.sessions.session import Session
from tests.peers.tls_wire_client import TlsWireClient
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer
from tests.server.sessions.test_login import BAD_LOGIN, LOGIN, OpenTestServer, refused


@pytest.fixture
def in_turn(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Record whether each user came into the room, and left it, in a turn."""
    seen: list[bool] = []

    def watch(name: str) -> None:
        method = getattr(Session, name)

        def watched(session: Session, *arguments: Any, **options: Any) -> None:
            seen.append(session._share.has_turn)
            method(session, *arguments, **options)

        monkeypatch.setattr(Session, name, watched)

    watch("enter")
    watch("depart")
    return seen


def at_once(chat_server: TestServer) -> None:
    chat_server.connect().send(LOGIN, "alice")


def later(chat_server: TestServer) -> None:
    client = chat_server.connect()
    chat_server.connections_are_accepted()
    gevent.sleep(0.01)
    client.send(LOGIN, "alice")


def byte_by_byte(chat_server: TestServer) -> None:
    client = chat_server.connect()
    for byte in client.encode(LOGIN, "alice"):
        client.send_bytes(bytes([byte]))
        gevent.sleep(0)


def at_the_second_try(chat_server: TestServer) -> None:
    client = chat_server.connect()
    client.try_login("?")
    client.send(LOGIN, "alice")


def over_tls(chat_server: TestServer) -> None:
    chat_server.remember(TlsWireClient(chat_server.address)).send(LOGIN, "alice")


@pytest.mark.parametrize("come", [at_once, later, byte_by_byte, at_the_second_try, over_tls])
def test_a_login_and_its_end_run_in_turns(
    safe_chat_server: TestServer, in_turn: list[bool], come: Callable[[TestServer], None]
) -> None:
    come(safe_chat_server)
    wait_until(lambda: safe_chat_server.here(), "the login")
    for guest in safe_chat_server._guests:
        guest.reset()
    safe_chat_server.connections_end()

    assert in_turn == [True, True]


def test_one_who_had_to_stand_in_line_comes_in_in_a_turn(
    open_a_chat_server: OpenTestServer, in_turn: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_limits_module, "JOINS_PER_SECOND", 20.0)
    chat_server = open_a_chat_server(exempt=(), max_per_address=1)
    for name in ("alice", "bob"):
        chat_server.join(name).close()
        chat_server.connections_end()

    assert in_turn == [True] * 4


@pytest.mark.parametrize("which", ["chat_server", "safe_chat_server"])
@pytest.mark.parametrize("says", [b"", b"\0", b"rubbish", b"\x16rubbish"])
def test_one_who_never_comes_in_goes_in_a_turn(
    which: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, says: bytes
) -> None:
    safe_chat_server = cast(TestServer, request.getfixturevalue(which))
    seen: list[bool] = []

    connection_slots_leave = ConnectionSlots.leave

    def connection_slots_watched(connection_slots: ConnectionSlots, sock: object) -> None:
        seen.append(safe_chat_server.has_turn)
        connection_slots_leave(connection_slots, sock)  # type: ignore[arg-type]

    monkeypatch.setattr(ConnectionSlots, "leave", connection_slots_watched)
    client = safe_chat_server.connect()
    safe_chat_server.connections_are_accepted()
    gevent.sleep(0.01)
    if says:
        client.send_bytes(says)
    client.reset()
    safe_chat_server.connections_end()

    assert seen == [True]


def test_one_who_is_too_slow_goes_in_a_turn(
    chat_server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    refused = chat_server.parts.folding_log.refused

    def watched(address: str, reason: str) -> None:
        seen.append(chat_server.has_turn)
        refused(address, reason)

    monkeypatch.setattr(chat_server.parts.folding_log, "refused", watched)
    monkeypatch.setattr(framing, "STALL_WINDOW", 0.05)
    client = chat_server.connect()
    client.send_bytes(b"\0")

    assert client.at_end()
    assert seen == [True]


def test_steps_of_a_handshake_run_in_turns_and_leave_the_line(
    safe_chat_server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    handshakes = safe_chat_server.parts.handshakes
    assert handshakes is not None
    seen: list[tuple[str, bool]] = []

    def watch(name: str) -> None:
        method = getattr(handshakes, name)

        def watched(*arguments: Any) -> object:
            seen.append((name, safe_chat_server.has_turn))
            return method(*arguments)

        monkeypatch.setattr(handshakes, name, watched)

    watch("shake")
    watch("_wait_for_turn")
    stranger = safe_chat_server.connect()
    safe_chat_server.connections_are_accepted()
    gevent.sleep(0.01)
    stranger.send_bytes(b"\x16garbage")
    with pytest.raises(EOFError):
        stranger.receive_exactly(1000)  # an alert at most
    over_tls(safe_chat_server)
    wait_until(lambda: safe_chat_server.here(), "the login")

    assert {name for name, _ in seen} == {"shake", "_wait_for_turn"}
    assert len(seen) >= 5
    assert all(has_turn for _, has_turn in seen)
    assert handshakes._in_line == 0


def test_one_who_says_nothing_is_given_up_in_a_turn(
    open_a_safe_chat_server: OpenTestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat_server = open_a_safe_chat_server(login_timeout=0.1)
    seen: list[bool] = []
    monkeypatch.setattr(
        chat_server.parts.folding_log,
        "refused",
        lambda address, reason: seen.append(chat_server.has_turn),
    )

    assert chat_server.connect().at_end()
    assert seen == [True]


def test_one_whose_password_was_checked_meanwhile_comes_in_in_a_turn(
    open_a_chat_server: OpenTestServer, in_turn: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    chat_server = open_a_chat_server(password="open sesame")

    def verify(*arguments: object) -> bool:
        gevent.sleep(0.01)  # as for a thread
        return True

    monkeypatch.setattr(chat_server.parts.password_guard, "verify", verify)
    client = chat_server.connect()
    assert client.try_login({"to": "alice", "password": "open sesame"}).type == LOGIN

    assert in_turn == [True]


def test_one_who_is_refused_has_the_connection_ended_in_a_turn(
    chat_server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    finish = Transport.finish

    def watched(transport: Transport, timeout: float) -> None:
        seen.append(chat_server.has_turn)
        finish(transport, timeout)

    monkeypatch.setattr(Transport, "finish", watched)
    client = chat_server.connect()
    chat_server.connections_are_accepted()
    gevent.sleep(0.01)
    client.send_bytes(b"rubbish")

    assert client.at_end()
    assert seen == [True]


def test_a_connection_is_accepted_and_checked_in_a_turn(
    chat_server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted: list[bool] = []
    looked_at: list[bool] = []
    spawn = chat_server.connections.spawn
    accept = chat_server.parts.acceptor.accept

    def watched_spawn(*arguments: Any) -> object:
        accepted.append(chat_server.has_turn)
        return spawn(*arguments)

    def watched_accept(*arguments: Any) -> object:
        looked_at.append(chat_server.has_turn)
        return accept(*arguments)

    monkeypatch.setattr(chat_server.connections, "spawn", watched_spawn)
    monkeypatch.setattr(chat_server.parts.acceptor, "accept", watched_accept)
    chat_server.join("alice")

    assert accepted == [True]
    assert looked_at == [True]


@pytest.mark.parametrize("ends", ["closed", "fails"])
def test_a_listener_that_ends_before_its_turn_is_no_fault_of_the_loop(
    chat_server: TestServer, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """An exception in a turn would end the slice, and be logged as a fault of the server."""
    [listener] = chat_server.server._listeners
    faults: list[object] = []
    monkeypatch.setattr(gevent.get_hub(), "handle_error", lambda *fault: faults.append(fault[2]))
    problem = OSError(errno.EIO, "as told")

    def fail() -> None:
        raise problem

    listener._do_read()
    if ends == "closed":
        listener.close()
    else:
        monkeypatch.setattr(listener, "do_read", fail)
    wait_until(lambda: not chat_server.parts.share.waiting, "the turn")

    assert faults == ([problem] if ends == "fails" else [])


def silent(chat_server: TestServer) -> object:
    """A connection that has been accepted, and waits."""
    client = chat_server.connect()
    wait_until(lambda: chat_server.parts.connection_slots._waiting, "it to be accepted")
    gevent.sleep(0.01)
    return client


def test_where_very_many_wait_one_more_is_refused_in_words_but_never_who_is_inside(
    open_a_chat_server: OpenTestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat_server = open_a_chat_server()
    alice = chat_server.join("alice")
    clients = [chat_server.connect() for _ in range(3)]
    chat_server.connections_are_accepted(4)
    gevent.sleep(0.01)
    monkeypatch.setattr(loop_share, "MAX_WAITING", 0)
    stranger, transfer, again = clients
    token = alice.welcome["session"]

    assert refused(stranger.try_login({"to": "bob"})) == (BAD_LOGIN, "busy")
    stranger.expect_closed()
    assert transfer.try_login({"session": token}).type == LOGIN
    assert again.try_login({"to": "alice", "session": token}).type == LOGIN
    assert chat_server.parts.counters.refusals["busy"] == 1  # type: ignore[index]


def test_one_whose_turn_comes_too_late_is_refused_in_words(
    open_a_chat_server: OpenTestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat_server = open_a_chat_server(login_timeout=0.1)
    monkeypatch.setattr(chat_server.parts.share, "wait_if_few", lambda: gevent.sleep(0.15))

    assert refused(chat_server.connect().try_login({"to": "bob"})) == (BAD_LOGIN, "busy")


def test_while_the_line_for_handshakes_is_long_nobody_is_accepted(
    safe_chat_server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused: list[bool] = []
    listener = safe_chat_server.server._listeners[0]
    pause = listener._pause

    def watched() -> None:
        paused.append(True)
        pause()

    monkeypatch.setattr(listener, "_pause", watched)
    monkeypatch.setattr(handshakes_module, "_LONG_LINE", -1)
    client = safe_chat_server.connect()
    client.send(LOGIN, "alice")
    wait_until(lambda: len(paused) >= 2, "it to be tried again")
    assert len(safe_chat_server.parts.connection_slots) == 0

    monkeypatch.setattr(handshakes_module, "_LONG_LINE", 64)
    assert client.read_frame().type == MessageType.LOGIN


def test_a_server_that_stops_stops_though_many_wait_for_a_turn(
    open_a_chat_server: OpenTestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat_server = open_a_chat_server()
    monkeypatch.setattr(chat_server.parts.share, "wait", lambda: Event().wait())
    for _ in range(5):
        chat_server.connect()
    wait_until(lambda: len(chat_server.connections) == 5, "them to wait")

    chat_server.server.stop()

    assert not chat_server.connections
