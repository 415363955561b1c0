"""The screen stays when the server ends the connection: with the log, the drafts and the views."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client.connection.events import Text, Welcome
from chat.client.errors import Dismissed, LoginRefused
from chat.client.screen.draw.layout import Size
from chat.protocol.notices import Refusal
from tests.client.fake_connection import NINE, FakeConnection
from tests.client.screen.test_app import Run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    run = Run(monkeypatch)
    yield run
    run.kill()


def test_a_refusal_keeps_the_log_the_draft_and_the_views(run: Run) -> None:
    run.terminal.size = Size(60, 24)
    banned = LoginRefused(Refusal.BANNED.value, "You are banned until further notice.")
    last = FakeConnection()
    run.outcomes += [banned, last]
    run.enter().terminal.type("/query alice<enter><alt-1>a draft")
    run.connection.receive(Text("alice", NINE, "what was said"))
    run.terminal.wait_for("what was said", "a draft")
    run.connection.lose(Dismissed("moderated", "You were kicked by eve."))
    run.terminal.wait_for("You were kicked by eve.", "no connection: /reconnect or /quit")
    run.terminal.type("<ctrl-u>/reconnect<enter><ctrl-y>")
    run.terminal.wait_for("You are banned until further notice.", "what was said", "a draft")
    run.terminal.type("<alt-2>")
    run.terminal.wait_for("to alice alone:")
    run.terminal.type("/reconnect<enter>")
    last.receive(Welcome("bob", NINE))
    run.terminal.type("<alt-1>")
    run.terminal.wait_for("back in the room as bob", "a draft")
    assert run.names == ["bob", "bob", "bob"]


def test_a_password_that_is_not_given_keeps_everything(run: Run) -> None:
    wrong = LoginRefused(Refusal.WRONG_PASSWORD.value, "That is not its password.")
    last = FakeConnection()
    run.outcomes += [wrong, last]
    run.enter().terminal.type("a draft")
    run.connection.lose()
    run.terminal.wait_for("the password of bob:")
    run.terminal.type("<ctrl-c>")
    run.terminal.wait_for("another name:")
    run.terminal.type("<ctrl-u><ctrl-d>")
    run.terminal.wait_for("Disconnected; /reconnect", "a draft")
    run.terminal.type("<ctrl-u>/reconnect<enter>")
    last.receive(Welcome("bob", NINE))
    run.terminal.wait_for("back in the room as bob")
