from __future__ import annotations

import pytest

from chat.client.program.settings import Table
from chat.client.screen.input.keys import (
    BINDINGS,
    Action,
    KeyContext,
    action_of,
    help_lines,
    view_number,
)
from chat.client.screen.input.own_keys import OwnKeys
from chat.config.command_line import UsageError
from tests.tables import table

TYPING, SEARCH, QUESTION = KeyContext.TYPING, KeyContext.SEARCH, KeyContext.QUESTION


def own(**entries: str) -> OwnKeys:
    return OwnKeys(Table(tuple(entries.items()), "f: keys"))


def action(keys: OwnKeys, key: str, where: KeyContext = TYPING) -> Action | None:
    meant = keys.meant(key, where)
    return None if meant is None else action_of(meant, where)


@table(
    ("written", "key"),
    [
        ("Alt-N", "<alt-n>"),
        ("alt+n", "<alt-n>"),
        ("M-n", "<alt-n>"),
        ("<alt-n>", "<alt-n>"),
        ("Ctrl-Alt-Up", "<ctrl-alt-up>"),
        ("alt-ctrl-up", "<ctrl-alt-up>"),
        ("Page Up", "<pageup>"),
        ("PgUp", "<pageup>"),
        ("Shift-Page-Up", "<shift-pageup>"),
        ("F5", "<f5>"),
        ("Alt--", "<alt-->"),
        ("Alt-<", "<alt-<>"),
        ("Return", "<enter>"),
    ],
)
def test_a_key_as_people_write_it(written: str, key: str) -> None:
    assert action(own(**{written: "redraw", "Ctrl-X": "submit"}), key) is Action.REDRAW


def test_every_action_can_have_another_key() -> None:
    for binding in BINDINGS:
        if binding.action is not Action.VIEW:
            keys = own(F9=binding.action.value)
            assert action(keys, "<f9>", binding.where) is binding.action
            for key in binding.keys:
                assert action(keys, key, binding.where) is binding.action


def test_a_key_of_a_view() -> None:
    assert view_number(own(F2="view-7").meant("<f2>", TYPING) or "") == 7


def test_a_key_to_leave() -> None:
    assert action(own(**{"Ctrl-Q": "leave"}), "<ctrl-q>") is Action.LEAVE


def test_keys_may_change_places() -> None:
    keys = own(**{"Ctrl-A": "line-end", "Ctrl-E": "line-start"})
    assert action(keys, "<ctrl-a>") is Action.LINE_END
    assert action(keys, "<ctrl-e>") is Action.LINE_START


def test_a_key_that_does_nothing() -> None:
    keys = own(**{"Ctrl-Z": "none", "Ctrl-R": "none"})
    assert keys.meant("<ctrl-z>", TYPING) is None
    assert keys.meant("<ctrl-r>", SEARCH) is None


def test_a_key_keeps_its_meaning_where_it_has_another() -> None:
    keys = own(**{"Ctrl-R": "page-up", "F3": "search-older"})
    assert action(keys, "<ctrl-r>") is Action.PAGE_UP
    assert action(keys, "<ctrl-r>", SEARCH) is Action.SEARCH_OLDER
    assert action(keys, "<f3>", SEARCH) is Action.SEARCH_OLDER
    assert action(keys, "<f3>") is None


def test_no_key_answers_a_question_by_accident() -> None:
    keys = own(F4="submit", j="yes")
    assert action(keys, "<f4>", QUESTION) is None
    assert action(keys, "j", QUESTION) is Action.YES
    assert action(keys, "J", QUESTION) is Action.YES
    assert keys.meant("j", TYPING) == "j"


def test_the_list_of_keys_is_the_users() -> None:
    keys = own(**{"Ctrl-T": "none", "Ctrl-A": "line-end", "F2": "view-1"})
    lines = [" ".join(line.split()) for line in help_lines(keys.bindings())]
    assert "Ctrl-E, End, Ctrl-A to the end of the line, or of a scrolled log" in lines
    assert "Home to the start of the line, or of a scrolled log" in lines
    assert not any("swap two characters" in line for line in lines)
    assert help_lines(OwnKeys().bindings()) == help_lines()


@table(
    ("entries", "problem"),
    [
        ({"Ctrl-N": "nxet-unread"}, "f: keys: Ctrl-N: no action is called 'nxet-unread'; expected next-unread?"),
        ({"Ctrl-N": "dance"}, "f: keys: Ctrl-N: no action is called 'dance'; expected an action, see"),
        ({"Ctrl-N": "view-10"}, "f: keys: Ctrl-N: no action is called 'view-10'; expected view-1?"),
        ({"Ctrl-Pageupp": "redraw"}, "f: keys: Ctrl-Pageupp: no such key; expected pageup?"),
        ({"Hyper-X": "redraw"}, "f: keys: Hyper-X: no such key; expected a key such as"),
        ({"Ctrl-": "redraw"}, "f: keys: Ctrl-: no such key; expected a key such as"),
        ({"": "redraw"}, "f: keys: : no such key; expected a key such as"),
        ({"Ctrl-I": "redraw"}, "f: keys: Ctrl-I: a terminal sends the same as for Tab; expected Tab"),
        ({"a": "redraw"}, "f: keys: a: types a character; expected another key, such as Alt-N"),
        ({"Enter": "redraw"}, "f: keys: no key is left for submit; expected one, such as Enter"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_a_suggestion(entries: dict[str, str], problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        own(**entries)
    assert str(caught.value).startswith(problem)
    assert "\n" not in str(caught.value)
