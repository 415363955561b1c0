"""Another server of the same chat in plain lines: nothing, or one line."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from chat.client.connection.events import Welcome
from chat.client.conversation.ui_events import ServerInfo
from chat.client.frontends import plain
from chat.client.frontends.plain import PlainFrontend
from chat.client.resuming.events import Disconnected
from chat.net.address import Address

NINE = datetime(2026, 1, 2, 21, 4, 5, tzinfo=timezone.utc)
WELCOME = Welcome("bob", NINE, ("bob", "dora"), motd="Hi!")
AGAIN = Welcome("bob", NINE, ("bob", "dora"), motd="Hi!", node="b")
LOST = Disconnected("The server closed the connection.", 0.2, elsewhere=True)


class Desk:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.frontend = PlainFrontend(self.lines.extend, self.warnings.extend, greeting="hello")
        self.frontend.show(WELCOME)
        self.lines.clear()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(plain, "now", lambda: NINE)
    return Desk()


def test_a_move_is_no_line(desk: Desk) -> None:
    desk.frontend.show(AGAIN)
    assert (desk.lines, desk.warnings) == ([], [])


def test_a_loss_for_a_moment_is_one_line(desk: Desk) -> None:
    for event in (LOST, AGAIN, AGAIN):
        desk.frontend.show(event)
    assert desk.lines == ["<21:04:05> -- The server closed the connection. Now at b."]
    assert desk.warnings == []


def test_a_server_without_a_name(desk: Desk) -> None:
    desk.frontend.show(LOST)
    desk.frontend.show(WELCOME)
    assert desk.lines == ["<21:04:05> -- The server closed the connection. Now at another server."]


def test_a_loss_that_lasts_is_told_as_any_other(desk: Desk) -> None:
    for event in (LOST, Disconnected("Both are dead.", 1.0), AGAIN):
        desk.frontend.show(event)
    assert desk.warnings == ["Both are dead. Trying again."]
    assert desk.lines[0] == "<21:04:05> -- you are in the room as bob, with dora"


def test_the_server_is_told_to_those_who_ask(desk: Desk) -> None:
    at, others = Address("a.example", 8080), (Address("b", 1), Address("c", 2))
    desk.frontend.show(ServerInfo("a\x1b", at, "chat/1", encrypted=True, others=others))
    first, second = desk.lines
    assert first.endswith(" -- a␛ (a.example:8080), chat/1, encrypted")
    assert second.endswith("other servers: b:1, c:2")
