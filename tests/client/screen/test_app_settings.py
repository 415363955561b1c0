"""The program of the screen with settings of the user."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat.client.connection.events import Text
from chat.client.program.settings import Table
from chat.client.screen.text.styles import Layered
from chat.structs import replace
from tests.client.fake_connection import NINE
from tests.client.screen.test_app import SETTINGS, Run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    run = Run(monkeypatch)
    yield run
    run.kill()


def test_the_title_of_the_window(run: Run) -> None:
    run.enter().terminal.type("<focus-out>")
    run.connection.receive(Text("alice", NINE, "lunch?"))
    run.terminal.wait_for("lunch?")
    assert run.terminal.title == "(1) 127.0.0.1:8080"


def test_a_title_that_is_not_wanted(run: Run) -> None:
    run.enter(replace(SETTINGS, title=False))
    assert run.terminal.title is None


def test_texts_are_raw_from_the_start(run: Run) -> None:
    run.enter(replace(SETTINGS, raw=True)).terminal.type("/raw<enter>")
    run.terminal.wait_for("texts are shown with the styles")


def test_code_gets_its_colours_after_it_was_shown(run: Run) -> None:
    run.enter()
    run.connection.receive(Text("alice", NINE, "```python\nreturn 2\n```"))
    run.terminal.wait_for("return 2")
    run.terminal.wait_for_style(Layered("text", ("code", "code-keyword")))


def test_keys_of_the_user(run: Run) -> None:
    keys = Table((("F2", "no"), ("Ctrl-Q", "leave"), ("Ctrl-C", "none")), "file: keys")
    run.enter(replace(SETTINGS, keys=keys)).terminal.type("draft<ctrl-c><f1><ctrl-end>")
    run.terminal.wait_for("n, Esc, Ctrl-G, F2")
    assert run.terminal.rows[-1] == "draft"
    run.terminal.type("<ctrl-q>")
    assert run.wait() == 0
