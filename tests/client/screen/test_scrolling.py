"""Keys that scroll the log."""

from __future__ import annotations

import pytest

from chat.client.screen.model.views import Position
from tests.client.screen.desks import Desk


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.hear(*(f"text {number}" for number in range(30)))
    return desk


@pytest.mark.parametrize(
    "keys",
    ["<pageup>", "<shift-up>", "<wheel-up>", "<scroll-up>", "<alt-<>", "<pageup><pagedown>"],
)
def test_up_and_back_by_one_key(desk: Desk, keys: str) -> None:
    bottom = desk.screen()
    desk.type(keys)
    if keys != "<pageup><pagedown>":
        assert desk.screen() != bottom
    desk.type("<esc>")
    assert desk.model.current.anchor is None
    assert desk.screen() == bottom


def test_an_arrow_with_a_draft_moves_the_log_and_not_the_draft(desk: Desk) -> None:
    desk.type("said<enter>draft<up>")
    assert desk.draft() == "draft"
    assert desk.model.current.anchor is not None
    desk.type("<down>")
    assert desk.model.current.anchor is None


@pytest.mark.parametrize("key", ["<end>", "<ctrl-e>"])
def test_the_end_of_an_empty_line_is_the_end_of_the_log(desk: Desk, key: str) -> None:
    bottom = desk.screen()
    desk.type(f"<pageup>{key}")
    assert desk.screen() == bottom


def test_the_start_of_an_empty_line_is_the_start_of_a_scrolled_log(desk: Desk) -> None:
    desk.type("<home>")
    assert desk.model.current.anchor is None, "nothing happens at the end of the log"
    desk.type("<shift-up><home>")
    home = desk.screen()
    desk.type("<ctrl-home>")
    assert desk.screen() == home


def test_with_a_draft_they_move_the_cursor(desk: Desk) -> None:
    desk.type("raft<pageup>")
    above = desk.model.current.anchor
    desk.type("<home>d<end>s")
    assert desk.draft() == "drafts"
    assert desk.model.current.anchor == above is not None


def test_by_lines_down_again(desk: Desk) -> None:
    desk.type("<wheel-up><shift-down><shift-down>")
    assert desk.model.current.anchor == Position(29, 0)
    desk.type("<wheel-down>")
    assert desk.model.current.anchor is None
