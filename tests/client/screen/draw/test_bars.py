from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.screen.draw.bars import status_line, title_line
from chat.client.screen.model.entries import PageLine, Said
from chat.client.screen.model.model import Model, Question
from chat.client.screen.model.search import Search
from chat.client.screen.model.views import Page, Position
from chat.client.screen.text.spans import row_width, text_of
from chat.protocol.descriptor import MessageType

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)


@pytest.fixture
def model() -> Model:
    model = Model("chat.example:8080", "bob")
    model.people.reset(["alice", "bob"])
    model.is_online = model.is_named = True
    model.encrypted = False
    return model


def said(text: str = "hello", to: str | None = None) -> Said:
    return Said(NINE, "alice", text, to)


def status(model: Model, width: int = 80) -> str:
    return text_of(status_line(model, width)).rstrip()


def active(model: Model) -> list[str]:
    return [span.text for span in status_line(model, 80) if span.style == "status-active"]


def alerts(model: Model) -> list[str]:
    return [span.text for span in status_line(model, 80) if span.style == "status-alert"]


class TestTitle:
    @pytest.mark.parametrize(
        ("width", "title"),
        [
            (60, " chat.example:8080 │ bob │ 2 here │ not encrypted           "),
            (50, " chat.example:8080 │ bob │ 2 here │ not encrypted "),
            (49, " chat.example:8080 │ bob │ not encrypted         "),
            (40, " chat.example:8080 │ bob                "),
            (20, " chat.example:8080  "),
            (19, " chat.example:8080 "),
            (17, " chat.example:80…"),
            (1, "…"),
        ],
    )
    def test_as_much_as_fits(self, model: Model, width: int, title: str) -> None:
        assert text_of(title_line(model, width)) == title

    def test_an_encrypted_connection(self, model: Model) -> None:
        model.encrypted = True
        assert text_of(title_line(model, 80)).rstrip().endswith("│ encrypted")

    def test_nothing_that_is_not_known_yet(self) -> None:
        model = Model("chat.example:8080", "bob")
        assert text_of(title_line(model, 80)).rstrip() == " chat.example:8080"
        model.encrypted = False
        assert text_of(title_line(model, 80)).rstrip() == " chat.example:8080 │ not encrypted"

    def test_no_number_of_users_if_the_server_has_sent_no_list(self, model: Model) -> None:
        model.people.reset([])
        model.people.add("alice")
        assert text_of(title_line(model, 80)).rstrip() == " chat.example:8080 │ bob │ not encrypted"

    def test_a_private_conversation(self, model: Model) -> None:
        model.query("alice")
        assert text_of(title_line(model, 80)).startswith(" alice alone, at chat.example:8080 │")

    def test_names_in_other_scripts(self, model: Model) -> None:
        model.rename("漢字")
        assert text_of(title_line(model, 60)).startswith(" chat.example:8080 │ 漢字 │")


class TestStatus:
    def test_the_room_alone(self, model: Model) -> None:
        assert text_of(status_line(model, 12)) == " [1 room]   "

    def test_no_connection_yet(self, model: Model) -> None:
        model.is_online = False
        assert status(model) == " connecting │ [1 room]"
        assert alerts(model) == ["connecting"]

    def test_no_word_of_connecting_while_the_login_waits_for_the_user(self, model: Model) -> None:
        model.is_online = False
        model.question = Question("the password of bob: ")
        assert (status(model), alerts(model)) == (" [1 room]", [])
        model.search = Search(model.default)  # its question is the user's own
        assert status(model) == " connecting │ [1 room]"

    @pytest.mark.parametrize(
        ("seconds", "words"), [(5, "next try in 5 s"), (0, "trying again"), (-9, "trying again")]
    )
    def test_a_lost_connection(self, model: Model, seconds: int, words: str) -> None:
        model.is_online, model.retry_in = False, float(max(seconds, 0))
        assert alerts(model) == [f"no connection, {words}"]

    def test_a_server_that_owes_an_answer(self, model: Model) -> None:
        model.lag = 7.4
        assert alerts(model) == ["no answer for 7 s"]

    def test_one_that_comes_back_only_if_somebody_wants_it(self, model: Model) -> None:
        model.is_online, model.is_dismissed = False, True
        assert alerts(model) == ["no connection: /reconnect or /quit"]

    def test_scrolled_up(self, model: Model) -> None:
        model.default.append(said())
        model.default.scroll_to(Position(0, 0))
        assert alerts(model) == ["scrolled up"]
        model.default.append(said())
        model.default.append(said())
        assert alerts(model) == ["2 new below"]

    def test_a_search(self, model: Model) -> None:
        for text in ("cat", "bird", "Cats"):
            model.default.append(said(text))
        model.search = search = Search(model.default)
        assert status(model) == " [1 room]"
        search.find("dog")
        assert status(model) == " [1 room] │ search: not found"
        search.find("cat")
        assert status(model) == " [1 room] │ search: 1 of 2"
        search.newer()
        assert status(model) == " [1 room] │ search: 1 of 2, none below"
        search.older()
        assert status(model) == " [1 room] │ search: 2 of 2"
        search.older()
        assert status(model) == " [1 room] │ search: 2 of 2, none above"
        model.default.append(said("a third cat"))
        assert status(model) == " [1 room] │ search: 3 of 3, none above"

    def test_the_keys_of_a_search_while_it_goes_on(self, model: Model) -> None:
        for text in ("cat", "bird", "Cats"):
            model.default.append(said(text))
        model.search = search = Search(model.default)
        model.question = Question("search: ")
        assert status(model) == " [1 room]"
        search.find("bird")
        assert status(model) == " [1 room] │ search: 1 of 1 │ Esc: back"
        search.find("cat")
        keys = " │ Ctrl-R, Ctrl-S: other matches, Esc: back"
        whole = f" [1 room] │ search: 1 of 2{keys}"
        assert status(model) == whole
        assert status(model, len(whole)) == " [1 room] │ search: 1 of 2 │ Esc: back"
        model.query("alice")
        assert status(model) == " [1 room] [2 alice]", "the search is in another view"

    @pytest.mark.parametrize("unread", [0, 2])
    def test_the_way_back_to_the_end_of_the_log(self, model: Model, unread: int) -> None:
        model.default.append(said())
        model.default.scroll_to(Position(0, 0))
        for _ in range(unread):
            model.default.append(said())
        below = " [1 room] │ " + (f"{unread} new below" if unread else "scrolled up")
        whole = f"{below} │ Esc: to the end"
        assert status(model) == whole
        assert status(model, len(whole) + 1) == whole
        assert status(model, len(whole)) == below, "what is cut short is left out"

    def test_the_way_back_to_the_room(self, model: Model) -> None:
        view = model.query("alice")
        view.append(said())
        assert status(model) == " [1 room] [2 alice] │ Alt-1: to the room"
        model.leaves_if_cleared = True
        assert status(model) == " [1 room] [2 alice] │ Ctrl-C again leaves"

    def test_a_search_in_another_view(self, model: Model) -> None:
        model.default.append(said("cat"))
        model.search = Search(model.default)
        model.search.find("cat")
        model.query("alice")
        assert "search" not in status(model)

    def test_all_open_views(self, model: Model) -> None:
        alice = model.query("alice")
        assert status(model) == " [1 room] [2 alice] │ Alt-1: to the room"
        assert active(model) == ["[2 alice]"]
        model.default.append(said())
        assert status(model) == " [1 room 1] [2 alice] │ Alt-1: to the room"
        model.switch(1)
        assert status(model) == " [1 room] [2 alice]"
        assert active(model) == ["[1 room]"]
        alice.append(said(to="bob"))
        alice.append(said())
        assert alerts(model) == ["[2 alice 2]"]

    def test_a_page_is_listed_while_it_is_open(self, model: Model) -> None:
        model.open_page(Page("keys", [PageLine(NINE, "a key")]))
        model.default.append(said())
        assert status(model).startswith(" [1 room 1] [keys]")
        assert active(model) == ["[keys]"]

    @pytest.mark.parametrize(
        ("width", "shown"),
        [
            (70, " [1 room] [2 alexandrina-the-gre…] [3 bartholomew 1] [4 carol]"),
            (52, " [1 room] [2 alexandri…] [3 bartholom… 1] [4 carol]"),
            (40, " [1 room] [2] [3 bartholom… 1] [4]"),
            (30, " [1 room] [2] [3 bart… 1] [4]"),
            (28, " [1 room] [2] [3 ba… 1] [4]"),
        ],
    )
    def test_a_narrow_screen_shortens_the_list(self, model: Model, width: int, shown: str) -> None:
        for name in ("alexandrina-the-great", "bartholomew", "carol"):
            model.query(name)
        model.views[2].show(False)
        model.switch(1)
        model.views[2].append(said(to="bob"))
        assert status(model, width) == shown

    def test_other_words_leave_less_room_for_the_list(self, model: Model) -> None:
        for name in ("alexandrina-the-great", "bartholomew", "carol"):
            model.query(name)
        model.is_online = False
        assert status(model, 48) == " connecting │ [1] [2] [3] [4 carol]"

    def test_running_transfers(self, model: Model) -> None:
        model.running = {
            1: Transfer(
                1, MessageType.FILE, "a\x1b.iso", 100, state=TransferState.RUNNING, done=30
            ),
            2: Transfer(
                2, MessageType.FILE, "b" * 30, 100, outgoing=True, state=TransferState.RUNNING
            ),
        }
        assert status(model) == (
            " [1 room] │ fetching 1. a␛.iso 30 % │ sending 2. bbbbbbbbbbbbbbbbbbb… 0 %"
        )

    def test_the_most_urgent_comes_first(self, model: Model) -> None:
        model.query("alice")
        model.is_online = False
        assert status(model).startswith(" connecting │ [1 room] [2 alice]")
        assert status(model, 14) == " connecting │"


@given(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.integers(1, 120),
)
def test_the_bars_fill_the_screen(address: str, name: str, width: int) -> None:
    model = Model(address, name)
    model.query(name)
    model.running[1] = Transfer(1, MessageType.FILE, name, 100)
    for line in (title_line(model, width), status_line(model, width)):
        assert row_width(line) == width
