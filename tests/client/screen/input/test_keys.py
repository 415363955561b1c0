from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.screen.input.keys import (
    BINDINGS,
    Action,
    KeyContext,
    action_of,
    help_lines,
    is_character,
    label,
    split_keys,
    view_number,
)
from tests.tables import table

USUAL = [KeyContext.TYPING, KeyContext.LOG, KeyContext.VIEWS]


def test_a_bound_key_has_a_name_and_does_what_the_table_says() -> None:
    for binding in BINDINGS:
        for key in binding.keys:
            assert split_keys(key) == [key]
            assert action_of(key, binding.where) is binding.action, key


@pytest.mark.parametrize(
    "place", [USUAL, [KeyContext.SEARCH], [KeyContext.SWITCHER], [KeyContext.QUESTION]]
)
def test_no_key_does_two_things_in_one_place(place: list[KeyContext]) -> None:
    keys = [key for binding in BINDINGS if binding.where in place for key in binding.keys]
    assert len(keys) == len(set(keys))


def test_every_action_has_a_key_but_the_one_that_a_key_may_become() -> None:
    assert {binding.action for binding in BINDINGS} == set(Action) - {Action.LEAVE}


@pytest.mark.parametrize("key", ["a", "<", "中", " ", "<ctrl-o>", "<f9>"])
def test_other_keys_do_nothing(key: str) -> None:
    assert action_of(key) is None


def test_the_fingers_of_a_reader_of_shells_are_right() -> None:
    fingers = {
        "<ctrl-a>": Action.LINE_START,
        "<ctrl-e>": Action.LINE_END,
        "<ctrl-b>": Action.LEFT,
        "<ctrl-f>": Action.RIGHT,
        "<ctrl-k>": Action.KILL_TO_END,
        "<ctrl-u>": Action.KILL_TO_START,
        "<ctrl-w>": Action.KILL_BLANK_WORD_LEFT,
        "<ctrl-y>": Action.YANK,
        "<ctrl-t>": Action.TRANSPOSE,
        "<ctrl-l>": Action.REDRAW,
        "<ctrl-d>": Action.DELETE_OR_LEAVE,
        "<alt-b>": Action.WORD_LEFT,
        "<alt-f>": Action.WORD_RIGHT,
        "<alt-d>": Action.KILL_WORD_RIGHT,
        "<alt-backspace>": Action.KILL_WORD_LEFT,
        "<ctrl-_>": Action.UNDO,
        "<ctrl-r>": Action.SEARCH,
    }
    assert {key: action_of(key) for key in fingers} == fingers


def test_a_search_has_keys_of_its_own_and_the_usual_ones() -> None:
    assert action_of("<enter>", KeyContext.SEARCH) is Action.SEARCH_ACCEPT
    assert action_of("<ctrl-r>", KeyContext.SEARCH) is Action.SEARCH_OLDER
    assert action_of("<ctrl-w>", KeyContext.SEARCH) is Action.KILL_BLANK_WORD_LEFT


def test_a_question_knows_only_its_answers() -> None:
    assert action_of("y", KeyContext.QUESTION) is Action.YES
    assert action_of("N", KeyContext.QUESTION) is Action.NO
    assert action_of("<ctrl-w>", KeyContext.QUESTION) is None
    assert action_of("x", KeyContext.QUESTION) is None


def test_views_have_their_numbers() -> None:
    numbers = [key for key in split_keys("<alt-1><alt-5><alt-9>") if action_of(key) is Action.VIEW]
    assert list(map(view_number, numbers)) == [1, 5, 9]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", []),
        ("hi<home>x", ["h", "i", "<home>", "x"]),
        ("<ctrl-a><alt-<><alt->>", ["<ctrl-a>", "<alt-<>", "<alt->>"]),
        ("<ctrl-alt-shift-up>", ["<ctrl-alt-shift-up>"]),
        ("<b>", ["<", "b", ">"]),
        ("a < b", ["a", " ", "<", " ", "b"]),
        ("<wheel-up><f12>", ["<wheel-up>", "<f12>"]),
    ],
)
def test_keys_are_written_among_text(text: str, keys: list[str]) -> None:
    assert split_keys(text) == keys


@given(st.text())
def test_splitting_loses_nothing(text: str) -> None:
    assert "".join(split_keys(text)) == text


def test_a_character_is_no_named_key() -> None:
    assert is_character("<")
    assert is_character("é")
    assert not is_character("<enter>")


@table(
    ("key", "written"),
    [
        ("y", "y"),
        ("<ctrl-a>", "Ctrl-A"),
        ("<alt-backspace>", "Alt-Backspace"),
        ("<pageup>", "Page Up"),
        ("<wheel-down>", "Wheel Down"),
        ("<alt-<>", "Alt-<"),
        ("<ctrl-_>", "Ctrl-_"),
        ("<ctrl-alt-h>", "Ctrl-Alt-H"),
        ("<shift-tab>", "Shift-Tab"),
        ("<f1>", "F1"),
    ],
)
def test_keys_are_shown_as_people_write_them(key: str, written: str) -> None:
    assert label(key) == written


def test_the_help_is_the_table() -> None:
    lines = help_lines()
    headings = [line for line in lines if not line.startswith(" ")]
    assert headings == [f"{where.value}:" for where in KeyContext]
    assert len(lines) == len(headings) + len(BINDINGS)
    assert any(
        re.fullmatch(r"  Ctrl-A, Home +to the start of the line, or of a scrolled log", line)
        for line in lines
    )
    assert any(
        re.fullmatch(r"  Alt-1 to Alt-9 +to the view with that number", line) for line in lines
    )
    assert max(map(len, lines)) < 80
