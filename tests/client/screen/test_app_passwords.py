"""Passwords that the screen asks for without showing them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from chat.client.connection.events import Notice, Welcome
from chat.client.connection.receipts import Status
from chat.client.errors import Dismissed, LoginRefused
from chat.client.program.password_file import FilePassword
from chat.protocol.commands import Command, Verb
from chat.protocol.notices import Refusal
from chat.structs import replace
from tests.client.fake_connection import NINE, FakeConnection
from tests.client.screen.fake_terminal import PATIENCE
from tests.client.screen.test_app import SETTINGS, Run

NEEDED = LoginRefused(Refusal.PASSWORD_NEEDED.value, "This name is registered.")
WRONG = LoginRefused(Refusal.WRONG_PASSWORD.value, "That is not its password.")
PROMPT = "the password of bob:"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    run = Run(monkeypatch)
    yield run
    run.kill()


def answer(run: Run, sentence: str) -> None:
    """Answer the last command that was sent to the server."""
    receipt = run.connection.sent[-1]
    receipt.settle(Status.ACCEPTED, answer=sentence)
    run.connection.receive(Notice("done", sentence, NINE, receipt))


def test_it_asks_again_until_the_password_is_right(run: Run) -> None:
    run.outcomes = [NEEDED, WRONG, run.connection]
    run.start()
    run.terminal.wait_for(PROMPT)
    run.terminal.type("secrex")
    run.terminal.wait_for(f"{PROMPT} ******")
    title, *_, status, _ = run.terminal.rows
    assert (title, status) == (" 127.0.0.1:8080", " [1 room]")  # nothing else is known yet
    run.terminal.type("<enter>")
    run.terminal.wait_for("That is not its password.")
    run.terminal.type("secret<enter>")
    run.connection.receive(Welcome("bob", NINE))
    run.terminal.wait_for("you are in the room as bob")
    assert run.passwords == [None, "secrex", "secret"]
    assert not any("secre" in row for row in run.terminal.rows)


def test_a_user_without_the_password_takes_another_name(run: Run) -> None:
    run.outcomes = [WRONG, run.connection]
    run.start(replace(SETTINGS, password=FilePassword("secret")))
    run.terminal.wait_for(PROMPT)
    run.terminal.type("<enter>")
    run.terminal.wait_for("another name: bob")
    run.terminal.type("by<enter>")
    run.connection.receive(Welcome("bobby", NINE))
    run.terminal.wait_for("you are in the room as bobby")
    assert run.names == ["bob", "bobby"]


def test_the_password_that_worked_comes_along_when_the_connection_is_lost(run: Run) -> None:
    again = FakeConnection()
    run.outcomes = [NEEDED, run.connection, again]
    run.start()
    run.terminal.wait_for(PROMPT)
    run.terminal.type("secret<enter>")
    run.connection.receive(Welcome("bob", NINE))
    run.terminal.wait_for("you are in the room as bob")
    run.connection.lose()
    again.receive(Welcome("bob", NINE))
    run.terminal.wait_for("back in the room as bob")
    assert run.passwords == [None, "secret", "secret"]


def test_one_that_holds_no_more_is_asked_for(run: Run) -> None:
    """Somebody has changed the password meanwhile, from elsewhere."""
    again = FakeConnection()
    run.outcomes = [run.connection, WRONG, again]
    run.start(replace(SETTINGS, password=FilePassword("old")))
    run.connection.receive(Welcome("bob", NINE))
    run.terminal.wait_for("you are in the room as bob")
    run.connection.lose()
    run.terminal.wait_for(PROMPT)
    run.terminal.type("new<enter>")
    again.receive(Welcome("bob", NINE))
    run.terminal.wait_for("back in the room as bob")
    assert run.passwords == ["old", "old", "new"]


def test_registering(run: Run) -> None:
    run.enter()
    run.terminal.type("/register<enter>")
    run.terminal.wait_for("your new password (8 characters or more):")
    run.terminal.type("a secret<enter>")
    run.terminal.wait_for("the new password again:")
    run.terminal.type("a secret<enter><up>")  # into the history
    run.terminal.wait_for("/register")
    # The input is drawn before the command is sent.
    with gevent.Timeout(PATIENCE, AssertionError("nothing was sent")):
        while not run.connection.sent:
            gevent.sleep(0)
    assert [sent.command for sent in run.connection.sent] == [
        Command(Verb.REGISTER, password="a secret")
    ]
    answer(run, "The name is yours.")
    run.terminal.wait_for("the server says: The name is yours.")
    again = FakeConnection()
    run.outcomes = [again]
    again.receive(Welcome("bob", NINE))
    run.connection.lose()
    run.terminal.wait_for("back in the room as bob")
    assert run.passwords[-1] == "a secret"


def test_a_slip_of_the_finger(run: Run) -> None:
    run.enter()
    run.terminal.type("/passwd<enter>")
    for prompt, typed in (
        ("current password:", "old"),
        ("your new password (", "battery staple"),
        ("again:", "battery maple"),
    ):
        run.terminal.wait_for(prompt)
        run.terminal.type(f"{typed}<enter>")
    run.terminal.wait_for("The two passwords are different.")
    assert run.connection.sent == []


def test_nobody_is_asked_for_what_could_not_be_sent(run: Run) -> None:
    run.connection.is_private = False
    run.enter()
    run.terminal.type("/register<enter>")
    run.terminal.wait_for("The connection is not encrypted, so no")
    run.terminal.wait_for("/register")  # to be tried again


def test_a_file_that_others_can_read(run: Run) -> None:
    run.enter(replace(SETTINGS, password=FilePassword("secret", "Others can read it.")))
    run.terminal.wait_for("Others can read it.")
    assert run.passwords == ["secret"]


def test_a_dismissed_client_stays(run: Run) -> None:
    run.enter()
    run.connection.receive(Notice("moderated", "You were kicked by eve.", NINE, dismisses=True))
    run.connection.lose(Dismissed("moderated", "You were kicked by eve."))
    run.terminal.wait_for("Disconnected; /reconnect connects again")
    again = FakeConnection()
    run.outcomes = [again]
    again.receive(Welcome("bob", NINE))
    run.terminal.type("/reconnect<enter>")
    run.terminal.wait_for("back in the room as bob")
