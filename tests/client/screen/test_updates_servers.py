"""Another server of the same chat on the screen: nothing, or one line."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chat.client.connection.events import Notice, Welcome
from chat.client.conversation.ui_events import Lag, ServerInfo, Unconfirmed
from chat.client.resuming.events import Disconnected
from chat.net.address import Address
from tests.client.screen.intake_bench import NINE, Bench, shown_status

AGAIN = Welcome("bob", NINE, ("bob", "dora"), motd="Hi!", node="b")
LOST = "The server closed the connection."


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_move_leaves_no_trace_but_the_users_who_are_here(bench: Bench) -> None:
    bench.take(AGAIN)
    assert bench.lines() == []
    assert [*bench.model.people.in_order()] == ["bob", "dora"]
    assert shown_status(bench.model) == " [1 room]"


def test_a_loss_for_a_moment_is_one_line(bench: Bench) -> None:
    bench.take(Disconnected(LOST, 0.2, elsewhere=True))
    assert bench.lines() == []
    assert shown_status(bench.model) == " going to another server │ [1 room]"
    assert bench.model.is_online
    bench.take(AGAIN)
    assert bench.lines() == [f"-- {LOST} Now at b."]
    assert shown_status(bench.model) == " [1 room]"
    bench.take(AGAIN)
    assert len(bench.lines()) == 1


def test_a_loss_that_lasts_is_told_as_any_other(bench: Bench) -> None:
    bench.take(Disconnected(LOST, 0.2, elsewhere=True), Disconnected("Both are dead.", 1.0))
    assert "no connection" in shown_status(bench.model)
    bench.take(AGAIN, at=5)
    assert [line.strip() for line in bench.lines()] == [
        "-- Both are dead. Trying again.",
        "-- back in the room as bob after 5 s",
        "Hi!",
    ]


def test_the_status_says_for_how_long_messages_wait(bench: Bench) -> None:
    bench.take(Lag(5.0))
    bench.take(Notice("waiting", "Not yet.", NINE), Unconfirmed(NINE - timedelta(seconds=7)))
    words = "the server cannot confirm messages now"
    assert shown_status(bench.model) == f" {words}, for 7 s │ [1 room]"
    bench.model.tick(NINE + timedelta(seconds=2))
    assert shown_status(bench.model) == f" {words}, for 9 s │ [1 room]"
    assert bench.model.changes_by_itself
    bench.take(Unconfirmed(None))
    assert shown_status(bench.model) == " [1 room]"
    assert not bench.model.changes_by_itself


def test_the_server_is_told_to_those_who_ask(bench: Bench) -> None:
    at = Address("a.example", 8080)
    bench.take(ServerInfo("a\x1b", at, "chat/1", encrypted=True, others=(Address("b", 1),)))
    bench.take(ServerInfo(None, at, None, encrypted=False))
    assert [line.strip() for line in bench.lines()] == [
        "-- a␛ (a.example:8080), chat/1, encrypted",
        "other servers: b:1",
        "-- the server (a.example:8080), version unknown, not encrypted",
    ]
