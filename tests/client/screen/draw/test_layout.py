from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from chat.client.connection.events import Attachment, Joined, Left, StatusChanged, Text, Welcome
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import Announced, Failed, UiEvent
from chat.client.screen.draw.layout import Cursor, Renderer, Size, input_width
from chat.client.screen.model.model import Model, Question
from chat.client.screen.model.search import Search
from chat.client.screen.model.views import Draft
from chat.client.screen.text.spans import Row, row_width, text_of
from chat.client.screen.updates.model_updates import ModelUpdater
from chat.protocol.descriptor import MessageType

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)
FAMILY = "👩\u200d👩\u200d👧"


class Desk:
    """A model, what comes in, and what is drawn of it."""

    def __init__(self) -> None:
        self.model = Model("chat.example:8080", "bob")
        self.model.encrypted = False
        self.renderer = Renderer()
        self._intake = ModelUpdater(self.model)
        self.take(Welcome("bob", NINE, ("alice", "bob")))

    def take(self, *news: UiEvent) -> None:
        for one in news:
            self._intake.update(one, NINE)

    def say(self, *texts: str) -> None:
        for text in texts:
            self.take(Text("alice", NINE, text))

    def write(self, text: str, cursor: int | None = None) -> None:
        self.model.current.draft = Draft(text, len(text) if cursor is None else cursor)

    def drawing(self, columns: int, rows: int) -> list[str]:
        """The screen as text: the cursor is ``▏`` before its cell, blanks at the end are left out."""
        screen = self.renderer.render(self.model, Size(columns, rows))
        drawn = [text_of(row) for row in screen.rows]
        if screen.cursor is not None:
            row, column = screen.cursor
            line = drawn[row].ljust(column)
            drawn[row] = f"{line[:column]}▏{line[column:]}"
        return [line.rstrip() for line in drawn]

    def log(self, columns: int, rows: int) -> list[str]:
        return self.drawing(columns, rows)[1:-2]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_conversation_at_80x24(desk: Desk) -> None:
    desk.take(
        Joined("carol", NINE),
        Left("dave", NINE, "timed-out"),
        Text("alice", NINE, "hello, everyone"),
        Text("carol", NINE, "你好，世界。" * 8),
        Text("alice", NINE, "/me waves to bob"),
        Text("alice", NINE, "just for you", to="bob"),
        Announced(
            Attachment(MessageType.IMAGE, "carol", NINE, "cat.png", 3_000_000),
            Transfer(
                1,
                MessageType.IMAGE,
                "cat.png",
                3_000_000,
                state=TransferState.RUNNING,
                done=900_000,
            ),
        ),
        Text(
            "bob",
            NINE + timedelta(hours=3),
            "שלום\nsee https://chat.example/docs/protocol",
            own=True,
        ),
    )
    desk.model.say(1, "is anybody there?", None, NINE + timedelta(hours=3))
    desk.model.say(2, "psst", "eve", NINE + timedelta(hours=3))
    desk.take(Failed("no-such-user", "There is no user 'eve'.", 2))
    desk.write("/file ~/pict")
    assert desk.drawing(80, 24) == [
        " chat.example:8080 │ bob │ 3 here │ not encrypted",
        "── Tuesday, 24 November 2026 ───────────────────────────────────────────────────",
        "<21:04:05> -- you are in the room as bob, with alice",
        "<21:04:05> -- carol joined; dave left (timed out)",
        "<21:04:05> [alice]: hello, everyone",
        "<21:04:05> [carol]: 你好，世界。你好，世界。你好，世界。你好，世界。你好，世界。",
        "           你好，世界。你好，世界。你好，世界。",
        "<21:04:05> * alice waves to bob",
        "<21:04:05> [alice -> bob]: just for you",
        "<21:04:05> -- carol sent an image: cat.png (2.9 MiB), number 1: [###-------] 30",
        "           %",
        "── Wednesday, 25 November 2026 ─────────────────────────────────────────────────",
        "<00:04:05> [bob]:",
        "           שלום",
        "           see https://chat.example/docs/protocol",
        "<00:04:05> [bob -> eve]: psst",
        "           not sent: There is no user 'eve'.",
        "<00:04:05> [bob]: is anybody there? …",
        "",
        "",
        "",
        "",
        " [1 room]",
        "/file ~/pict▏",
    ]


def test_the_same_at_20x5(desk: Desk) -> None:
    desk.say("hello, everyone", "e\u0301" * 30)
    desk.write("a long answer to that")
    assert desk.drawing(20, 5) == [
        " chat.example:8080",
        "   " + "e\u0301" * 17,
        "   " + "e\u0301" * 13,
        " [1 room]",
        "t▏",
    ]


@pytest.mark.parametrize(
    ("rows", "drawing"),
    [
        (4, [" chat.example:8080", "   hello", " [1 room]", "x▏"]),
        (3, ["   hello", " [1 room]", "x▏"]),
        (2, ["   hello", "x▏"]),
        (1, ["x▏"]),
    ],
)
def test_what_is_written_has_room_to_the_last(desk: Desk, rows: int, drawing: list[str]) -> None:
    desk.say("hello")
    desk.write("x")
    assert desk.drawing(20, rows) == drawing


def test_a_single_cell(desk: Desk) -> None:
    desk.say("hello")
    desk.write("漢x", 1)
    assert desk.drawing(1, 1) == ["▏x"]
    desk.write("漢x", 0)
    assert desk.drawing(1, 1) == ["▏…"]


@pytest.mark.parametrize("size", [Size(0, 0), Size(0, 3), Size(10, 0)])
def test_no_screen_at_all(desk: Desk, size: Size) -> None:
    screen = desk.renderer.render(desk.model, size)
    assert screen.rows == [[]] * size.rows
    assert screen.cursor is None


class TestInput:
    def test_it_grows_to_a_third_of_the_screen(self, desk: Desk) -> None:
        desk.write("\n".join("abcdefgh"))
        assert desk.drawing(40, 9)[-3:] == ["f", "g", "h▏"]
        assert desk.drawing(40, 9)[0].startswith(" chat.example")
        assert len(desk.drawing(40, 9)) == 9

    def test_the_cursor_is_always_seen(self, desk: Desk) -> None:
        desk.write("\n".join("abcdefgh"), 0)
        assert desk.drawing(40, 9)[-3:] == ["▏a", "b", "c"]

    def test_a_private_conversation_is_plain_to_see(self, desk: Desk) -> None:
        desk.model.query("alice")
        desk.write("hello\nyou")
        assert desk.drawing(40, 6)[-2:] == ["to alice alone: hello", "                you▏"]
        assert desk.drawing(12, 4)[-1] == "to al…you▏"
        assert input_width(desk.model, Size(40, 6)) == 24

    def test_each_view_has_its_own_draft(self, desk: Desk) -> None:
        desk.write("for all")
        desk.model.query("alice")
        desk.write("for her")
        desk.model.switch(1)
        assert desk.drawing(40, 5)[-1] == "for all▏"
        assert input_width(desk.model, Size(40, 5)) == 40

    def test_a_question_stands_before_the_draft(self, desk: Desk) -> None:
        desk.write("kept")
        desk.model.question = Question("search: ", Draft("cat", 1))
        assert desk.drawing(40, 5)[-1] == "search: c▏at"
        desk.model.question = None
        assert desk.drawing(40, 5)[-1] == "kept▏"

    def test_emoji_and_controls(self, desk: Desk) -> None:
        desk.write(f"{FAMILY}\x1b")
        screen = desk.renderer.render(desk.model, Size(40, 5))
        assert text_of(screen.rows[-1]) == f"{FAMILY}␛"
        assert screen.cursor == Cursor(4, 7)


class TestNames:
    def test_a_column_of_who_is_here(self, desk: Desk) -> None:
        desk.model.shows_names = True
        desk.take(Joined("Карл", NINE))
        assert desk.log(60, 7) == [
            "── Tuesday, 24 November 2026 ────────────────────────│ alice",
            "<21:04:05> -- you are in the room as bob, with alice │ bob",
            "<21:04:05> -- Карл joined                            │ Карл",
            "  F1: keys   /help: commands   /quit: leave          │",
        ]

    def test_moderators_and_registered_users_are_marked(self, desk: Desk) -> None:
        desk.model.shows_names = True
        desk.take(Joined("carol", NINE, registered=True, moderator=True))
        desk.take(StatusChanged("alice", NINE, registered=True, moderator=False))
        beside = [line[53:] for line in desk.log(60, 7)]
        assert beside == ["│+alice", "│ bob", "│@carol", "│"]
        desk.take(StatusChanged("carol", NINE, registered=False, moderator=False))
        assert [line[53:] for line in desk.log(60, 7)][2] == "│ carol"

    def test_a_long_address_covers_it(self, desk: Desk) -> None:
        desk.model.shows_names = True
        url = "https://chat.example/" + "x" * 36
        desk.say(f"see {url} and {'y' * 60}", "short")
        log = desk.log(60, 12)
        assert url in log  # in one row, with no name beside it
        assert [row.rpartition("│ ")[2] for row in log if "│ " in row][:2] == ["alice", "bob"]
        # A longer one uses all of the screen's columns.
        desk.say(f"https://chat.example/{'z' * 100}")
        assert f"https://chat.example/{'z' * 39}" in desk.log(60, 16)
        # The end of an address never touches a name either.
        desk.say(f"https://chat.example/{'z' * (60 - 21)}{'w' * 53}")
        assert "w" * 53 in desk.log(60, 16)
        # Other text never does.
        assert all(len(row) <= 60 for row in desk.log(60, 16))
        assert not any("y" * 54 in row for row in log)

    def test_more_than_fit(self, desk: Desk) -> None:
        desk.model.shows_names = True
        desk.model.people.reset(f"user-{number:02}-of-a-very-long-name" for number in range(20))
        beside = [line[40:] for line in desk.log(60, 6)]
        assert beside == ["│ user-00-of-a-very…", "│ user-01-of-a-very…", "│ … 18 more"]
        assert desk.drawing(60, 1) == ["▏"]

    def test_one_of_them_is_ours(self, desk: Desk) -> None:
        desk.model.shows_names = True
        rows = desk.renderer.render(desk.model, Size(60, 7)).rows
        styles = {span.text: span.style for row in rows for span in row}
        assert styles["bob"] == "own-name"
        assert styles["alice"] == "name-7"

    @pytest.mark.parametrize("columns", [37, 20, 5])
    def test_not_where_the_log_needs_the_room(self, desk: Desk, columns: int) -> None:
        without = desk.log(columns, 7)
        desk.model.shows_names = True
        assert desk.log(columns, 7) == without

    def test_nobody_is_here(self, desk: Desk) -> None:
        desk.model.shows_names = True
        desk.model.people.reset([])
        assert desk.log(60, 6)[-1].endswith("│")


class TestScrolling:
    SIZE = Size(60, 8)

    @pytest.fixture
    def desk(self) -> Desk:
        desk = Desk()
        desk.say(*(f"text {number}" for number in range(30)))
        return desk

    def top(self, desk: Desk) -> str:
        return desk.log(*self.SIZE)[0].rpartition(": ")[2]

    def test_lines_pages_and_ends(self, desk: Desk) -> None:
        assert self.top(desk) == "text 25"
        desk.renderer.scroll(desk.model, -2, self.SIZE)
        assert self.top(desk) == "text 23"
        desk.renderer.scroll_pages(desk.model, -1, self.SIZE)
        assert self.top(desk) == "text 19"
        desk.renderer.scroll_pages(desk.model, 1, self.SIZE)
        assert self.top(desk) == "text 23"
        desk.renderer.scroll_to_top(desk.model, self.SIZE)
        assert self.top(desk).startswith("── Tuesday")
        desk.renderer.scroll_to_bottom(desk.model)
        assert self.top(desk) == "text 25"

    def test_the_view_stays_while_lines_come_and_counts_them(self, desk: Desk) -> None:
        desk.renderer.scroll(desk.model, -2, self.SIZE)
        before = desk.log(*self.SIZE)
        desk.say("more", "and more")
        assert desk.log(*self.SIZE) == before
        assert desk.drawing(*self.SIZE)[-2].startswith(" [1 room] │ 2 new below")

    def test_to_what_was_found(self, desk: Desk) -> None:
        desk.renderer.scroll_to_match(desk.model, self.SIZE)
        search = desk.model.search = Search(desk.model.default)
        desk.renderer.scroll_to_match(desk.model, self.SIZE)
        assert self.top(desk) == "text 25"
        search.find("text 7")
        desk.renderer.scroll_to_match(desk.model, self.SIZE)
        assert self.top(desk) == "text 25"
        rows = desk.renderer.render(desk.model, self.SIZE).rows
        assert [span.text for row in rows for span in row if span.style == "current-match"] == [
            "<21:04:05> ",
            "text",
            "7",
        ]

    def test_a_search_marks_its_own_view_alone(self, desk: Desk) -> None:
        desk.model.search = Search(desk.model.query("alice"))
        desk.model.search.find("text")
        desk.model.switch(1)
        rows = desk.renderer.render(desk.model, self.SIZE).rows
        assert "match" not in {span.style for row in rows for span in row}

    def test_a_match_in_another_view_or_forgotten_by_now_is_not_gone_to(self, desk: Desk) -> None:
        search = desk.model.search = Search(desk.model.default)
        search.find("text 7")
        desk.model.query("alice")
        desk.renderer.scroll_to_match(desk.model, self.SIZE)
        assert desk.model.current.anchor is None
        desk.model.switch(1)
        desk.model.default.clear()
        desk.renderer.scroll_to_match(desk.model, self.SIZE)
        assert desk.model.default.anchor is None

    @pytest.mark.parametrize("size", [Size(0, 0), Size(1, 1), Size(5, 2), Size(0, 9)])
    def test_on_hardly_any_screen(self, desk: Desk, size: Size) -> None:
        desk.model.search = Search(desk.model.default)
        desk.model.search.find("text 7")
        for move in (desk.renderer.scroll, desk.renderer.scroll_pages):
            for by in (-1, 1, -99, 99):
                move(desk.model, by, size)
        desk.renderer.scroll_to_top(desk.model, size)
        desk.renderer.scroll_to_match(desk.model, size)
        assert len(desk.renderer.render(desk.model, size).rows) == size.rows


def test_drawing_again_makes_no_new_rows(desk: Desk) -> None:
    desk.say("hello " * 30)
    size = Size(60, 8)
    first: list[Row] = desk.renderer.render(desk.model, size).rows
    desk.write("x")
    second = desk.renderer.render(desk.model, size).rows
    assert [a is b for a, b in zip(first, second, strict=True)][2:5] == [True] * 3
    assert all(row_width(row) <= 60 for row in second)
