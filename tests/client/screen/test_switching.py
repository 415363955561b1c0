"""The switcher: any letters lead to a view or a user."""

from __future__ import annotations

import re
from itertools import takewhile

import pytest

from chat.client.connection.events import Welcome
from chat.client.conversation.room_requests import ListRooms
from chat.client.program.settings import Table
from chat.client.screen.draw.layout import Size
from chat.client.screen.draw.switcher_rows import switcher_rows
from chat.client.screen.input.decoder import Paste
from chat.client.screen.input.own_keys import OwnKeys
from chat.client.screen.model.switcher import Destination, Switcher
from chat.client.screen.text.spans import text_of
from tests.client.screen.desks import NINE, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


# A place, the number of others, or that there is none.
PLACE = re.compile(r"[> ] (?: \d|\d\d|  ) [@+ ]\S.*|  (?:… \d+ more|no view.*|there is.*)")


def listed(desk: Desk) -> list[str]:
    """Return the rows of the list, above the status line and the input."""
    rows = desk.screen()[:-2]
    return list(takewhile(PLACE.fullmatch, reversed(rows)))[::-1]


def where(desk: Desk) -> str:
    return desk.model.current.peer or "room"


def test_letters_lead_to_a_user_without_a_view(desk: Desk) -> None:
    desk.type("<alt-k>")
    assert listed(desk) == [">     alice", "      carol"]
    assert desk.screen()[-1] == "go to:"
    desk.type("cr")
    assert listed(desk) == [">     carol"]
    desk.type("<enter>")
    assert where(desk) == "carol"
    assert listed(desk) == []
    assert [type(asked.request) for asked in desk.asked] == [ListRooms]


def test_views_come_first_with_their_unread_messages(desk: Desk) -> None:
    desk.type("/query alice<enter>/query carol<enter>")
    desk.hear("one", "two", to="bob")
    desk.hear("public")
    desk.type("<alt-k>")
    assert listed(desk) == [">  2  alice  2 new", "   1  room  1 new"]
    desk.type("<down><enter>")
    assert where(desk) == "room"
    # And back to where one was before, by two keys.
    desk.type("<alt-k><enter>")
    assert where(desk) == "carol"


def test_up_from_the_first_is_the_last(desk: Desk) -> None:
    desk.type("<alt-k><up><enter>")
    assert where(desk) == "carol"


@pytest.mark.parametrize("key", ["<esc>", "<alt-k>", "<ctrl-c>", "<ctrl-g>"])
def test_it_ends_where_it_began_and_the_draft_stays(desk: Desk, key: str) -> None:
    desk.type(f"a draft<alt-k>al{key}!")
    assert where(desk) == "room"
    assert desk.screen()[-1] == "a draft!"


def test_letters_that_fit_nothing(desk: Desk) -> None:
    desk.type("<alt-k>zz<enter>")
    assert listed(desk) == ["  no view and nobody here has these letters in this order"]
    desk.type("<backspace><backspace>ca<enter>")
    assert where(desk) == "carol"


def test_nobody_else_is_here(desk: Desk) -> None:
    desk.take(Welcome("bob", NINE, ("bob",)))
    desk.type("<alt-k>")
    assert listed(desk) == ["  there is no other view, and nobody else is here"]


def test_a_name_can_be_pasted(desk: Desk) -> None:
    desk.type("<alt-k>")
    desk.controller.press(Paste("carol\n"))
    desk.type("<enter>")
    assert where(desk) == "carol"


def test_it_stands_over_a_page_and_ends_with_a_key_to_another_view(desk: Desk) -> None:
    desk.type("<f1><alt-k><esc>")
    assert desk.model.page is not None
    desk.type("<alt-k>al<enter>")
    assert desk.model.page is None
    assert where(desk) == "alice"
    desk.type("<alt-k>ca<alt-1>")
    assert where(desk) == "room"
    assert desk.question() is None


def test_a_search_ends_when_one_goes_elsewhere(desk: Desk) -> None:
    desk.hear("one")
    desk.type("<ctrl-r>one<alt-k>al<enter>x")
    assert where(desk) == "alice"
    assert desk.screen()[-1] == "to alice alone: x"


def test_a_closed_view_is_no_place(desk: Desk) -> None:
    desk.type("/query alice<enter>/close<enter><alt-k>")
    assert listed(desk) == [">     alice", "      carol"]


def test_keys_of_the_user() -> None:
    keys = Table(
        (("Ctrl-O", "switch"), ("F2", "switch-down"), ("F3", "switch-accept")), "file: keys"
    )
    desk = Desk(own_keys=OwnKeys(keys))
    desk.controller.size = Size(80, 24)
    desk.type("<ctrl-o>")
    assert "Enter: go there, Esc: back" in desk.screen()[-2]
    desk.type("<f2><f3>")
    assert where(desk) == "carol"


@pytest.mark.parametrize(
    ("size", "count"), [(Size(80, 24), 10), (Size(60, 12), 5), (Size(20, 5), 1)]
)
def test_many_places_leave_room_for_the_log(desk: Desk, size: Size, count: int) -> None:
    names = tuple(f"n{number:02}" for number in range(50))
    desk.take(Welcome("bob", NINE, ("bob", *names)))
    desk.controller.size = size
    desk.type("<alt-k>")
    desk.type("<down>" * 30)
    rows = listed(desk)
    assert len(rows) == count
    assert ">     n30" in rows
    assert count == 1 or rows[-1] == f"  … {50 - count + 1} more"


def test_the_letters_that_fit_are_marked() -> None:
    switcher = Switcher([Destination("ab-c"), Destination("axc\u202e")])
    switcher.find("ac")
    first, second = switcher_rows(switcher, 40, 5)
    assert [span.text for span in first if span.style == "current-match"] == ["ab-c"]
    assert text_of(second) == "      axc<U+202E>"
    switcher.move(1)
    (first, _) = switcher_rows(switcher, 40, 5)
    assert [span.text for span in first if span.style == "match"] == ["a", "c"]
