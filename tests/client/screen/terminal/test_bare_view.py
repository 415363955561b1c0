"""The bare view: the log alone, in lines that the terminal wraps."""

from __future__ import annotations

import pytest

from chat.client.program.settings import Table
from chat.client.screen.draw.bare import fitting
from chat.client.screen.draw.layout import Renderer, Size
from chat.client.screen.input.own_keys import OwnKeys
from tests.client.screen.desks import Desk

URL = "https://chat.example/" + "very-long/" * 12


@pytest.fixture
def desk() -> Desk:
    return Desk()


def bare(desk: Desk) -> list[str]:
    """Return the lines that the terminal gets."""
    lines = Renderer().render(desk.model, desk.controller.size).bare
    assert lines is not None
    return list(lines)


def test_lines_are_whole_and_stand_alone(desk: Desk) -> None:
    desk.type("/names<enter>")
    desk.hear(f"see {URL}", "if x:\n\treturn")
    desk.type("<alt-c>")
    assert bare(desk)[-4:] == [
        f"<21:04:05> [alice]: see {URL}",
        "<21:04:05> [alice]:",
        "if x:",
        "        return",
    ]


def test_as_many_as_fit(desk: Desk) -> None:
    desk.hear(*(f"text {number}" for number in range(30)), "x" * 100)
    desk.controller.size = Size(60, 12)
    desk.type("<alt-c>")
    # The last line takes three of the twelve rows.
    assert [line[20:] for line in bare(desk)] == [
        *(f"text {number}" for number in range(20, 30)),
        "x" * 100,
    ]


def test_from_where_one_has_scrolled_up_to_and_on(desk: Desk) -> None:
    desk.hear(*(f"text {number}" for number in range(50)))
    desk.type("<pageup><alt-c>")
    assert bare(desk)[-1].endswith("text 41")
    desk.type("<pageup>")
    assert bare(desk)[-1].endswith("text 33")
    desk.type("<ctrl-end>")
    assert bare(desk)[-1].endswith("text 49")


def test_a_long_text_ends_where_the_screen_does(desk: Desk) -> None:
    desk.hear("\n".join(f"line {number}" for number in range(100)))
    desk.type("<pageup><alt-c>")
    shown = desk.model.default.anchor
    assert shown is not None
    assert bare(desk)[-1] == f"line {shown.line - 1}"


@pytest.mark.parametrize("key", ["<esc>", "<alt-c>", "<ctrl-c>"])
def test_back_to_the_screen(desk: Desk, key: str) -> None:
    desk.hear("hello")
    desk.type("a draft")
    before = desk.screen()
    desk.type(f"<alt-c>{key}")
    assert (desk.model.bare, desk.screen()) == (None, before)


def test_other_keys_end_it_and_do_what_they_always_do(desk: Desk) -> None:
    desk.type("<alt-c>h")
    desk.type("<alt-c>")
    desk.paste("i")
    assert (desk.model.bare, desk.draft()) == (None, "hi")


def test_what_comes_meanwhile_changes_nothing_and_is_unread(desk: Desk) -> None:
    desk.hear("before")
    desk.type("<alt-c>")
    lines = bare(desk)
    desk.hear("meanwhile")
    assert bare(desk) == lines
    assert desk.model.default.unread == 1
    desk.type("<esc>")
    assert desk.model.default.unread == 0
    assert "── 1 new since 21:04 " in "\n".join(desk.screen())


def test_keys_of_the_user_work_in_it() -> None:
    keys = (("F2", "bare"), ("F3", "page-up"), ("Ctrl-C", "none"))
    desk = Desk(own_keys=OwnKeys(Table(keys, "file: keys")))
    desk.hear(*(f"text {number}" for number in range(50)))
    desk.type("<f2><f3>")
    # The screen of 12 rows has 9 for the log. Two pages share a row.
    assert bare(desk)[-1].endswith("text 41")
    before = bare(desk)
    desk.type("<ctrl-c>")
    assert bare(desk) == before
    desk.type("<f2>")
    assert desk.model.bare is None


def test_a_question_ends_it(desk: Desk) -> None:
    desk.type("<alt-c>")
    desk.controller.search("x")
    assert desk.model.bare is None


def test_an_empty_log(desk: Desk) -> None:
    desk.type("/clear<enter><alt-c>")
    assert bare(desk) == []


def test_wide_characters_and_a_line_beyond_the_screen() -> None:
    assert fitting(["漢字漢字", "a", "b"], 4, 3) == ("a", "漢字漢字")
    assert fitting(["x" * 100, "a"], 4, 3) == ("x" * 100,)
    assert fitting(["a", "b"], 0, 2) == ("b", "a")
