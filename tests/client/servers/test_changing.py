"""A change of server that the user ends just as it begins."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from chat.client.connection.connection import Connection
from chat.client.connection.events import Notice
from chat.client.runtime.runtime import PLAIN, Runtime
from chat.client.servers import changing
from chat.client.servers.changing import ServerChanges
from chat.client.servers.server_choice import ServerChoice
from chat.client.trust.connector import TrustPolicy
from chat.net.address import Address
from tests.client.fake_connection import NINE, FakeConnection
from tests.server.fakes import FakeClock

MOVE = Notice("move", "Go on.", NINE, servers=(Address("b", 8080),))


class Interrupting:
    """A runtime in which another task has its turn just when a task is to be started."""

    def __init__(self) -> None:
        self.turn: Callable[[], object] = lambda: None
        self.started: list[Callable[[], object]] = []

    def event(self) -> Any:
        return PLAIN.event()

    def spawn(self, function: Callable[[], object]) -> None:
        self.turn()
        self.started.append(function)


def changes_of(runtime: Interrupting, logins: list[object]) -> ServerChanges:
    def log_in(old: Connection, among: Sequence[Address]) -> Connection:
        logins.append(among)
        return FakeConnection().as_connection

    servers = ServerChoice(PLAIN, [Address("a", 8080)], TrustPolicy())
    return ServerChanges(cast(Runtime, runtime), servers, log_in)


def test_a_user_who_leaves_just_then_does_not_come_back() -> None:
    runtime, logins = Interrupting(), list[object]()
    changes = changes_of(runtime, logins)
    runtime.turn = changes.end
    assert changes.take(MOVE, FakeConnection().as_connection)
    (task,) = runtime.started
    task()
    assert logins == []


def test_servers_that_send_a_client_to_and_fro_do_not_keep_it_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, delays = FakeClock(), list[float]()
    monkeypatch.setattr(changing, "uptime", clock)
    monkeypatch.setattr(random, "uniform", max)
    monkeypatch.setattr(
        "chat.client.servers.moving.Move",
        lambda runtime, old, connect, delay: delays.append(delay),
    )
    changes = changes_of(Interrupting(), [])
    for _ in range(9):
        changes.take(MOVE, FakeConnection().as_connection)
        clock.advance(1)
    assert delays == [0.0, 0.375, 0.75, 1.5, 3.0, 6.0, 12.0, 24.0, 48.0]
    clock.advance(10)
    changes.take(MOVE, FakeConnection().as_connection)
    assert delays[-1] == 0.0


def test_a_user_who_has_left_is_not_moved() -> None:
    runtime = Interrupting()
    changes = changes_of(runtime, [])
    changes.end()
    assert changes.take(MOVE, FakeConnection().as_connection)
    assert runtime.started == []
