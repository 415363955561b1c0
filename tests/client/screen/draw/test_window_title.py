from __future__ import annotations

import unicodedata
from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from chat.client.screen.draw.window_title import window_title
from chat.client.screen.model.entries import Said
from chat.client.screen.model.model import Model
from chat.client.screen.text.cells import cells

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)


def said(to: str | None = None) -> Said:
    return Said(NINE, "alice", "hello", to)


def test_what_is_unread_in_all_views() -> None:
    model = Model("chat.example:8080", "bob")
    assert window_title(model) == "chat.example:8080"
    view = model.query("alice")
    model.default.append(said())
    assert window_title(model) == "(1) chat.example:8080"
    model.focus(False)
    view.append(said("bob"))
    view.append(said())
    assert window_title(model) == "(3!) chat.example:8080"
    model.focus(True)
    assert window_title(model) == "(1) chat.example:8080"
    model.switch(1)
    assert window_title(model) == "chat.example:8080"


def test_a_title_changes_no_more_once_there_are_very_many() -> None:
    model = Model("chat.example:8080", "bob")
    model.focus(False)
    for _ in range(100):
        model.default.append(said())
    assert window_title(model) == "(99+) chat.example:8080"
    model.default.append(said())
    assert window_title(model) == "(99+) chat.example:8080"


@given(st.text(st.characters(codec="utf-8")))
def test_no_title_ends_its_sequence(address: str) -> None:
    title = window_title(Model(address, "bob"))
    assert not any(unicodedata.category(character) == "Cc" for character in title)
    assert cells(title) <= 60
