from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from chat.client.attention.names_in_texts import Mentions
from chat.client.conversation.recall.search_terms import parse_terms
from chat.client.screen.draw import log_pane
from chat.client.screen.draw.lines import entry_lines
from chat.client.screen.draw.log_pane import LogPane
from chat.client.screen.model import views
from chat.client.screen.model.entries import Entry, Movement, Pending, Said, Shared, Step
from chat.client.screen.model.search import EntryMatcher
from chat.client.screen.model.views import Position, View
from chat.client.screen.text.spans import Row, Span, text_of
from chat.client.screen.text.styles import Colours
from chat.protocol.descriptor import MessageType

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)
MENTIONS = Mentions("bob")
PICTURE: Row = [Span("▀▀▀▀", Colours(0xFF0000, 0x0000FF))]
RULE = "── Tuesday, 24 Nov"


def said(text: str, moment: datetime = NINE) -> Said:
    return Said(moment, "a", text)


@pytest.fixture
def view() -> View:
    """Ten entries of one row each on a screen that is wide enough, under the day's rule."""
    view = View()
    view.show(True)
    for number in range(10):
        view.append(said(f"text {number}"))
    return view


@pytest.fixture
def pane() -> LogPane:
    pane = LogPane()
    pane.prepare(40, MENTIONS, None)
    return pane


def narrow(pane: LogPane) -> None:
    """Two rows for every entry."""
    pane.prepare(18, MENTIONS, None)


def drawn(pane: LogPane, view: View, height: int = 4) -> list[str]:
    """Without times and names, rules cut short."""
    rows = [text_of(row) for row in pane.rows(view, height)]
    return [
        re.sub(r"^<[0-9:]{8}> \[a\]: ?", "", row).strip() if "─" not in row else row[:18]
        for row in rows
    ]


def test_an_empty_log(pane: LogPane) -> None:
    view = View()
    assert pane.rows(view, 5) == []
    pane.scroll(view, -5, 5)
    pane.scroll_to_top(view, 5)
    pane.scroll_to(view, 0, 5)
    assert view.anchor is None


def test_no_height(pane: LogPane, view: View) -> None:
    assert pane.rows(view, 0) == []
    assert pane.rows(view, -3) == []
    pane.scroll(view, -1, 0)
    assert drawn(pane, view, 1) == ["text 8"]


def test_the_last_rows_are_shown(pane: LogPane, view: View) -> None:
    assert drawn(pane, view) == ["text 6", "text 7", "text 8", "text 9"]


def test_a_short_log_begins_with_its_day(pane: LogPane, view: View) -> None:
    rows = pane.rows(view, 50)
    assert len(rows) == 11
    assert text_of(rows[0]) == "── Tuesday, 24 November 2026 ───────────"
    assert rows[0][0].style == "rule"


def test_pending_words_stand_below(pane: LogPane, view: View) -> None:
    view.await_echo(Pending(NINE, 1, "a", "mine"))
    assert drawn(pane, view, 2) == ["text 9", "mine …"]


def test_a_rule_where_the_day_changes(pane: LogPane, view: View) -> None:
    view.append(said("late", NINE + timedelta(hours=3)))
    assert drawn(pane, view, 3) == ["text 9", "── Wednesday, 25 N", "late"]


def test_days_follow_the_time_zone(
    pane: LogPane, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Tuesday, 24 November" in text_of(pane.rows(view, 20)[0])
    monkeypatch.setenv("TZ", "XXX-14")  # POSIX: 14 hours ahead of UTC
    time.tzset()
    pane.forget()
    assert "Wednesday, 25 November" in text_of(pane.rows(view, 20)[0])


def test_a_marker_where_one_left_off_reading(pane: LogPane, view: View) -> None:
    view.show(False)
    view.append(said("new", NINE + timedelta(hours=3)))
    rows = pane.rows(view, 3)
    assert text_of(rows[0]) == "── 1 new since 2026-11-24 21:04 " + "─" * 8
    assert rows[0][0].style == "unread-marker"
    assert drawn(pane, view, 3)[1:] == ["── Wednesday, 25 N", "new"]


def test_no_marker_above_everything(pane: LogPane) -> None:
    view = View()
    view.append(said("new"))
    assert view.left_off == 0
    assert drawn(pane, view) == [RULE, "new"]


class TestScrolling:
    def test_up_and_down(self, pane: LogPane, view: View) -> None:
        pane.scroll(view, -3, 4)
        assert drawn(pane, view) == ["text 3", "text 4", "text 5", "text 6"]
        pane.scroll(view, 1, 4)
        assert drawn(pane, view)[-1] == "text 7"
        pane.scroll(view, 2, 4)
        assert view.anchor is None

    def test_never_past_the_ends(self, pane: LogPane, view: View) -> None:
        pane.scroll(view, -99, 4)
        assert drawn(pane, view) == [RULE, "text 0", "text 1", "text 2"]
        pane.scroll(view, -1, 4)
        assert drawn(pane, view)[0] == RULE
        pane.scroll(view, 99, 4)
        assert view.anchor is None

    def test_what_fits_does_not_scroll(self, pane: LogPane, view: View) -> None:
        pane.scroll(view, -5, 20)
        assert view.anchor is None

    def test_to_the_top(self, pane: LogPane, view: View) -> None:
        pane.scroll_to_top(view, 4)
        assert drawn(pane, view)[0] == RULE
        pane.scroll_to_top(view, 20)
        assert view.anchor is None

    def test_by_rows_of_long_entries(self, pane: LogPane, view: View) -> None:
        narrow(pane)
        pane.scroll(view, -1, 3)
        assert drawn(pane, view, 3) == ["", "text 8", ""]
        assert view.anchor == Position(9, 0)
        pane.scroll(view, -2, 3)
        assert view.anchor == Position(8, 0)
        pane.scroll(view, 3, 3)
        assert view.anchor is None

    def test_the_view_stays_while_lines_come(self, pane: LogPane, view: View) -> None:
        pane.scroll(view, -3, 4)
        before = pane.rows(view, 4)
        for _ in range(20):
            view.append(said("more"))
        assert pane.rows(view, 4) == before
        assert view.unread == 20

    def test_until_what_it_shows_is_forgotten(
        self, pane: LogPane, view: View, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pane.scroll(view, -3, 4)
        monkeypatch.setattr(views, "MAX_ENTRIES", 5)
        view.append(said("more"))
        assert drawn(pane, view)[:2] == [RULE, "text 6"]
        view.append(said("more"))
        assert drawn(pane, view) == [RULE, "text 7", "text 8", "text 9"]

    def test_a_larger_screen_is_filled(self, pane: LogPane, view: View) -> None:
        pane.scroll_to_top(view, 4)
        assert len(pane.rows(view, 8)) == 8
        assert drawn(pane, view, 8)[-1] == "text 6"
        assert len(pane.rows(view, 80)) == 11

    def test_another_width(self, pane: LogPane, view: View) -> None:
        narrow(pane)
        pane.scroll(view, -3, 4)
        assert view.anchor == Position(8, 0)
        view.scroll_to(Position(8, 1))
        pane.prepare(40, MENTIONS, None)
        assert drawn(pane, view)[-1] == "text 8"

    def test_the_anchor_was_pending(self, pane: LogPane, view: View) -> None:
        view.await_echo(Pending(NINE, 1, "a", "mine"))
        view.await_echo(Pending(NINE, 2, "a", "mine too"))
        pane.scroll(view, -1, 4)
        assert view.anchor == Position(10, 0)
        view.pop_pending(1)
        view.pop_pending(2)
        assert drawn(pane, view)[-1] == "text 9"


class TestJumping:
    def test_an_entry_in_the_middle(self, pane: LogPane, view: View) -> None:
        pane.scroll_to(view, 4, 5)
        assert drawn(pane, view, 5)[2] == "text 4"

    def test_near_the_ends(self, pane: LogPane, view: View) -> None:
        pane.scroll_to(view, 0, 5)
        assert drawn(pane, view, 5)[:2] == [RULE, "text 0"]
        pane.scroll_to(view, 9, 5)
        assert view.anchor is None

    @pytest.mark.parametrize("number", [-1, 10])
    def test_one_that_is_not_there(self, pane: LogPane, view: View, number: int) -> None:
        pane.scroll(view, -3, 4)
        before = view.anchor
        pane.scroll_to(view, number, 4)
        assert view.anchor == before


class TestRows:
    @pytest.mark.parametrize(
        ("width", "indent"), [(200, 11), (80, 11), (40, 6), (20, 3), (8, 2), (2, 1)]
    )
    def test_further_rows_are_indented(self, width: int, indent: int) -> None:
        pane = LogPane()
        pane.prepare(width, MENTIONS, None)
        view = View()
        view.append(said(f"{'word ' * 40}\n<21:04:05> [eve]: fake"))
        for row in pane.rows(view, 1000)[2:]:
            assert text_of(row).startswith(" " * indent)

    def test_a_single_column(self, view: View) -> None:
        pane = LogPane()
        pane.prepare(0, MENTIONS, None)
        assert {len(text_of(row)) for row in pane.rows(view, 1000)} <= {0, 1}

    def test_a_picture_stands_below_its_line(self, pane: LogPane, view: View) -> None:
        shared = Shared(NINE, "a", MessageType.IMAGE, "cat.png", 1, own=True)
        view.append(shared)
        pane.rows(view, 4)
        shared.picture = (PICTURE, PICTURE)
        rows = pane.rows(view, 3)
        assert rows[1:] == [[Span(" " * 6), *PICTURE]] * 2
        assert text_of(rows[0]).endswith("(1 byte)")

    def test_a_picture_is_cut_not_wrapped(self, pane: LogPane, view: View) -> None:
        shared = Shared(NINE, "a", MessageType.IMAGE, "cat.png", 1, own=True)
        shared.picture = (PICTURE,)
        view.append(shared)
        pane.prepare(5, MENTIONS, None)
        assert pane.rows(view, 1) == [[Span(" "), Span("▀▀▀▀", PICTURE[0].style)]]
        pane.prepare(3, MENTIONS, None)
        assert pane.rows(view, 1) == [[Span(" "), Span("▀▀", PICTURE[0].style)]]

    def test_a_text_of_very_many_lines_is_cut(self, pane: LogPane, view: View) -> None:
        view.append(said("\n".join(map(str, range(2000)))))
        rows = drawn(pane, view, 502)
        assert rows[-1] == "… and 1500 more lines"
        assert rows[-2] == "499"
        view.append(said("\n".join(map(str, range(500)))))
        assert drawn(pane, view, 1) == ["499"]


def marks(rows: list[Row], style: str) -> list[str]:
    return [span.text for row in rows for span in row if span.style == style]


class TestSearch:
    CAT = EntryMatcher(parse_terms("cat"))

    def test_the_current_match_is_marked_apart_from_the_others(
        self, pane: LogPane, view: View
    ) -> None:
        view.append(said("a cat"))
        view.append(said("Cats"))
        pane.prepare(40, MENTIONS, self.CAT, current=view.last)
        assert marks(pane.rows(view, 2), "match") == ["cat"]
        assert marks(pane.rows(view, 2), "current-match") == ["<21:04:05> ", "Cat"]
        pane.prepare(40, MENTIONS, self.CAT, current=view.last - 1)
        assert marks(pane.rows(view, 2), "match") == ["Cat"]
        assert marks(pane.rows(view, 2), "current-match") == ["<21:04:05> ", "cat"]

    def test_words_of_the_client_are_no_match(self, pane: LogPane, view: View) -> None:
        view.append(Shared(NINE, "alice", MessageType.IMAGE, "sun.png", 5))
        pane.prepare(60, MENTIONS, EntryMatcher(parse_terms("image")))
        assert marks(pane.rows(view, 1), "match") == []
        pane.prepare(60, MENTIONS, EntryMatcher(parse_terms("sun")))
        assert marks(pane.rows(view, 1), "match") == ["sun"]

    def test_a_match_far_down_in_a_long_text_is_scrolled_to(
        self, pane: LogPane, view: View
    ) -> None:
        view.append(said("\n".join(["dog"] * 50 + ["cat"] + ["dog"] * 50)))
        pane.prepare(40, MENTIONS, self.CAT, current=view.last)
        pane.scroll_to(view, view.last, 5)
        assert [row.strip() for row in drawn(pane, view, 5)] == ["dog", "dog", "cat", "dog", "dog"]


class TestMemory:
    @pytest.fixture
    def formatted(self, monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
        """All entries that had to be made rows of, in that order."""
        seen: list[Entry] = []
        original: Callable[..., list[Row]] = entry_lines

        def watched(entry: Entry, *arguments: object, **named: object) -> list[Row]:
            seen.append(entry)
            return original(entry, *arguments, **named)

        monkeypatch.setattr(log_pane, "entry_lines", watched)
        return seen

    def test_only_what_is_drawn_is_wrapped(
        self, pane: LogPane, view: View, formatted: list[Entry]
    ) -> None:
        pane.rows(view, 4)
        assert formatted == [view[number] for number in (9, 8, 7, 6)]

    def test_and_only_once(self, pane: LogPane, view: View, formatted: list[Entry]) -> None:
        for _ in range(3):
            pane.rows(view, 4)
            pane.prepare(40, MENTIONS, None)
        assert len(formatted) == 4

    @pytest.mark.parametrize(
        "arguments",
        [
            (41, MENTIONS, None),
            (40, Mentions("eve"), None),
            (40, MENTIONS, EntryMatcher(parse_terms("x"))),
        ],
    )
    def test_again_when_it_would_look_different(
        self,
        pane: LogPane,
        view: View,
        formatted: list[Entry],
        arguments: tuple[int, Mentions, EntryMatcher | None],
    ) -> None:
        pane.rows(view, 4)
        pane.prepare(*arguments)
        pane.rows(view, 4)
        assert len(formatted) == 8

    def test_what_changed_is_drawn_anew(self, pane: LogPane, view: View) -> None:
        movement = Movement(Step(NINE, "eve", joined=True))
        view.append(movement)
        pane.rows(view, 4)
        movement.fold(Step(NINE, "dave", joined=True))
        assert text_of(pane.rows(view, 1)[0]).endswith("eve and dave joined")

    def test_not_all_is_remembered(
        self,
        pane: LogPane,
        view: View,
        formatted: list[Entry],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(log_pane, "MAX_REMEMBERED", 6)
        pane.scroll_to_top(view, 1)
        for number in range(10):
            pane.scroll_to(view, number, 1)
            pane.rows(view, 1)
        # The cache is not visible in the rows.
        assert len(pane._rows) <= 6
        assert len(formatted) > 10
