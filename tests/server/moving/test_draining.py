"""Users are asked to go to other servers, some at a time, before their server stops."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
import pytest
from gevent.event import Event

from chat.protocol.descriptor import MessageType
from chat.server.moving import draining as draining_module
from chat.server.moving.draining import Draining
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer

LOGIN, UTF8, BAD_LOGIN = MessageType.LOGIN, MessageType.UTF8, MessageType.BAD_LOGIN
OTHERS = ["chat2.example.org:8080", "chat3.example.org:8080"]

OpenTestServer = Callable[..., TestServer]


class DrainedServer:
    """A server that is drained, and its users."""

    def __init__(
        self, chat_server: TestServer, others: list[str], own: tuple[str, ...] = ()
    ) -> None:
        self.chat_server = chat_server
        self.ended = Event()
        self.others = others
        self.login = chat_server.parts.handler._login
        self.draining = Draining(
            chat_server.parts.directory,
            chat_server.parts.service,
            other_addresses=lambda: self.others,
            own_addresses=own,
            close_entrance=self.login.close,
            end_connections=lambda: chat_server.parts.handler.end_all(5),
            ended=self.ended,
        )

    def join(self, count: int) -> list[WireClient]:
        return [self.chat_server.join(f"user{number}") for number in range(count)]


@pytest.fixture
def drained(chat_server: TestServer) -> DrainedServer:
    return DrainedServer(chat_server, list(OTHERS))


def wait_for_move(client: WireClient) -> float:
    """Return when the notice came."""
    while (frame := client.read_frame()).header.get("notice") != "move":
        pass
    assert frame.header["servers"] == OTHERS
    return time.monotonic()


def test_users_are_moved_in_batches(
    drained: DrainedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining_module, "BATCH", 4)
    clients = drained.join(10)
    raw = drained.chat_server.join("raw", raw=True)
    assert drained.draining.plan() == (11, 2)
    task = gevent.spawn(drained.draining.run)
    came = [gevent.spawn(wait_for_move, client) for client in clients]
    gevent.joinall(came, raise_error=True)
    times = [each.get() for each in came]
    for first, second in ((3, 4), (7, 8)):
        assert times[second] - times[first] > 0.05
    assert max(times[:4]) - min(times[:4]) < 0.05
    for client in clients:
        client.leave()
    task.get(timeout=30)
    assert raw.read_to_end()[-1].text == "The server is shutting down."
    assert drained.chat_server.here() == []


def test_many_are_moved_within_the_time_for_all(
    drained: DrainedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining_module, "BATCH", 1)
    monkeypatch.setattr(draining_module, "SPREAD", 0.6)
    monkeypatch.setattr(draining_module, "PERIOD", 0.3)
    clients = drained.join(20)
    began = time.monotonic()
    task = gevent.spawn(drained.draining.run)
    for client in clients:
        wait_for_move(client)
    assert time.monotonic() - began < 20 * draining_module.PERIOD
    for client in clients:
        client.leave()
    task.get(timeout=30)


@pytest.mark.parametrize(
    ("own", "is_late"), [("chat2.example.org:8080", True), ("chat1.example.org:8080", False)]
)
def test_a_balancer_has_time_to_notice(
    own: str, is_late: bool, chat_server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining_module, "NOTICED", 0.3)
    drained = DrainedServer(chat_server, list(OTHERS), (own,))
    [alice] = drained.join(1)
    began = time.monotonic()
    task = gevent.spawn(drained.draining.run)
    assert (wait_for_move(alice) - began > 0.25) is is_late
    alice.leave()
    task.get(timeout=5)


def test_logins_are_refused_meanwhile_and_transfers_are_not(drained: DrainedServer) -> None:
    [alice] = drained.join(1)
    task = gevent.spawn(drained.draining.run)
    wait_for_move(alice)
    refusal = drained.chat_server.connect().try_login({"to": "bob"})
    assert (refusal.type, refusal.header["error"]) == (BAD_LOGIN, "busy")
    again = drained.chat_server.connect()
    token = alice.welcome["session"]
    assert again.try_login({"to": "user0", "session": token}).header["error"] == "busy"
    drained.chat_server.transfer(alice).close()
    alice.say("still here")
    alice.expect_text("still here", "user0")
    alice.leave()
    task.get(timeout=30)


def test_users_who_do_not_go_are_not_waited_for_for_ever(
    drained: DrainedServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(draining_module, "PATIENCE", 0.2)
    drained.join(2)
    began = time.monotonic()
    drained.draining.run()
    assert time.monotonic() - began > 0.2
    assert "2 sessions did not move to another server" in caplog.text


def test_without_another_server_users_hear_that_this_one_stops(chat_server: TestServer) -> None:
    drained = DrainedServer(chat_server, [])
    alice, bob = drained.join(2)
    alice.expect_joined("user1")
    drained.draining.run()
    bob.expect_notice("shutting-down")
    assert alice.expect_notice("shutting-down")
    assert chat_server.here() == []


def test_nobody_is_waited_for_without_users(chat_server: TestServer) -> None:
    began = time.monotonic()
    DrainedServer(chat_server, OTHERS).draining.run()
    assert time.monotonic() - began < draining_module.PATIENCE


def test_a_drain_ends_when_the_server_has_to_leave_the_log(drained: DrainedServer) -> None:
    [alice] = drained.join(1)
    task = gevent.spawn(drained.draining.run)
    wait_for_move(alice)
    began = time.monotonic()
    drained.ended.set()
    task.get(timeout=30)
    assert time.monotonic() - began < draining_module.PATIENCE


def test_a_login_that_waits_is_refused_when_the_drain_begins(
    open_a_chat_server: OpenTestServer,
) -> None:
    drained = DrainedServer(open_a_chat_server(), list(OTHERS))
    [alice] = drained.join(1)
    late = drained.chat_server.connect()
    drained.chat_server.connections_are_accepted(2)
    share = drained.chat_server.parts.share
    released = Event()
    waits = share.wait
    share.wait = lambda: (released.wait(30), waits())  # type: ignore[method-assign, assignment]
    late.send(LOGIN, {"to": "bob"})
    gevent.sleep(0.05)
    task = gevent.spawn(drained.draining.run)
    wait_for_move(alice)
    released.set()
    assert late.read_frame().header["error"] == "busy"
    share.wait = waits  # type: ignore[method-assign]
    alice.leave()
    task.get(timeout=30)
    wait_until(lambda: not drained.chat_server.here(), "alice to leave")
