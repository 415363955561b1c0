from __future__ import annotations

import pytest

from chat.client.screen.draw.layout import Size
from tests.client.screen.desks import Desk

HELP = "  F1: keys   /help: commands   /quit: leave"


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.controller.size = Size(80, 24)
    return desk


def test_an_empty_room_says_what_to_do(desk: Desk) -> None:
    assert desk.screen()[3:7] == [
        "",
        "  This is the room at chat.example:8080.",
        "  Type a text: Enter sends it to everyone here.",
        HELP,
    ]


def test_an_empty_private_view_says_so_too(desk: Desk) -> None:
    desk.type("/query alice<enter>")
    assert "  Only alice gets what you write here." in desk.screen()
    assert HELP in desk.screen()
    desk.hear("psst", to="bob")
    assert HELP not in desk.screen()


@pytest.mark.parametrize("own", [False, True])
def test_it_goes_with_the_first_message(desk: Desk, own: bool) -> None:
    if own:
        desk.type("hello<enter>")
    else:
        desk.hear("hello")
    assert HELP not in desk.screen()
    desk.type("/clear<enter>")
    assert HELP not in desk.screen()


def test_not_while_nothing_can_be_sent(desk: Desk) -> None:
    desk.model.is_online = False
    assert HELP not in desk.screen()
    desk.model.is_online = True
    desk.type("<ctrl-r>")
    assert HELP not in desk.screen()


@pytest.mark.parametrize(
    ("size", "advice"),
    [
        (
            Size(40, 10),
            [
                "  This is the room at chat.example:8080.",
                "  Type a text: Enter sends it to",
                "  everyone here.",
                "  F1: keys   /help: commands",
            ],
        ),
        (Size(100, 6), [HELP]),
        (Size(20, 5), []),
    ],
)
def test_what_does_not_fit_is_left_out_and_the_help_last(
    desk: Desk, size: Size, advice: list[str]
) -> None:
    desk.controller.size = size
    rows = desk.screen()[1:-2]
    last = next(number for number, row in enumerate(rows) if row.endswith("carol"))
    assert rows[last + 1 :] == advice
