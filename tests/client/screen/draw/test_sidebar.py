"""The list of views beside the log: every view can be seen in it, whatever it is called and however many there are."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.attention.notify import NotifyMode
from chat.client.connection.events import RoomFacts
from chat.client.screen.draw.layout import Renderer, Size
from chat.client.screen.draw.sidebar import MIN_COLUMNS, Sidebar, sidebar_width
from chat.client.screen.model.entries import PageLine, Said
from chat.client.screen.model.model import Model
from chat.client.screen.model.views import Page, View
from chat.client.screen.text.spans import Row, row_width, text_of

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)
NAMES = st.one_of(
    st.sampled_from(
        [
            "dev",
            "漢字" * 9,
            "e\u0301" * 30,
            "\u0301a",
            "👩\u200d👧",
            "\x1b[31m",
            "x" * 90,
            "\u202eab",
        ]
    ),
    st.text(min_size=1, max_size=40),
)


def opened(model: Model, name: str, kind: str = "open") -> View:
    view = model.open_room(name)
    assert view.room is not None
    view.room.enter(RoomFacts(name, kind))
    return view


def say(view: View, count: int = 1, *, mentions: bool = False) -> None:
    for _ in range(count):
        view.append(Said(NINE, "alice", "hello", mentions=mentions))


def shown(rows: list[Row]) -> list[str]:
    return [text_of(row).rstrip("│").rstrip() for row in rows]


@pytest.fixture
def model() -> Model:
    return Model("chat.example:8080", "bob")


def test_each_view_has_its_row(model: Model) -> None:
    opened(model, "dev")
    opened(model, "den", "closed")
    opened(model, "news", "announcements")
    gone = opened(model, "old")
    assert gone.room is not None
    gone.room.leave()
    quiet = opened(model, "quiet")
    assert quiet.room is not None
    quiet.room.notify = NotifyMode.NONE
    model.open_view("alice")
    say(model.views[1], 12)
    say(model.views[2], 3)
    say(model.views[2], mentions=True)
    say(model.views[3], 2000)
    say(quiet, 5, mentions=True)
    say(model.views[6], 2, mentions=True)
    say(model.current, 7)
    assert shown(Sidebar().rows(model, 18, 8)) == [
        ">1 #lobby",
        " 2 #dev        12",
        " 3 =den      @1 4",
        " 4 !news     999+",
        " 5 -old",
        " 6 #quiet",
        " 7  alice      @2",
        "",
    ]


def test_without_colours_the_current_view_and_mentions_are_told_by_characters(model: Model) -> None:
    opened(model, "dev")
    say(model.views[1], mentions=True)
    for number in (1, 2):
        model.switch(number)
        rows = shown(Sidebar().rows(model, 18, 2))
        assert [row[0] for row in rows] == [">" if number == at else " " for at in (1, 2)]
    model.switch(1)
    say(model.views[1], mentions=True)
    assert shown(Sidebar().rows(model, 18, 2))[1].endswith("@1")


def test_it_scrolls_only_as_far_as_it_must(model: Model) -> None:
    for number in range(20):
        opened(model, f"room{number}")
    sidebar = Sidebar()

    def names(rows: int = 6) -> list[str]:
        return [row[4:].split()[0] for row in shown(sidebar.rows(model, 20, rows))[:-1]]

    assert names() == ["lobby", "room0", "room1", "room2", "room3"]
    assert shown(sidebar.rows(model, 20, 6))[-1] == "… 16 more"
    model.switch(6)
    assert names() == ["room0", "room1", "room2", "room3", "room4"]
    model.switch(3)
    assert names() == ["room0", "room1", "room2", "room3", "room4"]
    model.step(-2)
    assert names()[0] == "lobby"
    model.step(-1)
    assert names()[-1] == "room19"
    say(model.views[0], 3, mentions=True)
    assert shown(sidebar.rows(model, 20, 6))[-1] == "… 16 more        @3"


def test_its_pages_lead_to_every_view(model: Model) -> None:
    for number in range(20):
        opened(model, f"room{number}")
    sidebar = Sidebar()
    seen: set[int] = set()
    for _ in range(5):
        sidebar.rows(model, 20, 6)
        seen |= {id(sidebar.view_at(row)) for row in range(6)} - {id(None)}
        sidebar.turn(model, 6)
    assert seen == {id(view) for view in model.views}


@pytest.mark.parametrize(("columns", "rooms", "wanted", "is_shown"), [
    (MIN_COLUMNS, True, None, True),
    (MIN_COLUMNS - 1, True, None, False),
    (MIN_COLUMNS, False, None, False),
    (MIN_COLUMNS, False, True, True),
    (MIN_COLUMNS, True, False, False),
    (MIN_COLUMNS - 1, True, True, False),
])  # fmt: skip
def test_when_it_is_shown(
    model: Model, columns: int, rooms: bool, wanted: bool | None, is_shown: bool
) -> None:
    if rooms:
        opened(model, "dev")
    model.shows_sidebar = wanted
    assert bool(sidebar_width(model, columns)) is is_shown
    screen = [text_of(row) for row in Renderer().render(model, Size(columns, 10)).rows]
    lists_all = "[2 dev]" in screen[-2]
    assert lists_all is (rooms and not is_shown)
    assert (screen[1].startswith((">1 #lobby", ">1  room"))) is is_shown


def test_the_help_has_the_whole_width_and_a_part_of_the_log_has_not(model: Model) -> None:
    opened(model, "dev")
    model.open_page(Page("keys", [PageLine(NINE, "a key")]))
    assert sidebar_width(model, 100) == 0
    model.open_page(Page("found", [Said(NINE, "alice", "hello")]))
    assert sidebar_width(model, 100) > 0


@given(
    st.lists(st.tuples(NAMES, st.integers(0, 1200), st.booleans()), max_size=12),
    st.integers(0, 11),
    st.integers(MIN_COLUMNS, 220),
    st.integers(0, 14),
)
def test_no_row_is_wider_or_narrower_than_the_column(
    views: list[tuple[str, int, bool]], current: int, columns: int, height: int
) -> None:
    model, sidebar = Model("chat.example:8080", "bob"), Sidebar()
    model.shows_sidebar = True
    for name, unread, is_private in views:
        view = model.open_view(name) if is_private else opened(model, name)
        view.unread, view.calls = unread, unread // 2
    model.switch(current + 1)
    width = sidebar_width(model, columns)
    rows = sidebar.rows(model, width, height)
    assert [row_width(row) for row in rows] == [width] * height
    assert all(text_of(row).endswith("│") for row in rows)
    in_sight = sum(text_of(row).startswith(">") for row in rows)
    assert in_sight == min(1, height), "the current view is in sight"
