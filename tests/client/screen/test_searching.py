"""A search goes through the screen and the server as one list, newest first."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from chat.client.conversation.requests import FetchEarlier, FetchFound
from chat.client.conversation.ui_events import Failed
from chat.client.screen.model.excerpt import Excerpt
from tests.client.screen.desks import Desk
from tests.client.screen.earlier_log import EarlierLog

LAST = 1000


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def log(desk: Desk) -> EarlierLog:
    """A log of which the screen has the last thirty; cats are in 990, 980, 500, 400, and 300."""
    return log_with(desk, 990, 980, 500, 400, 300)


def log_with(desk: Desk, *cats: int) -> EarlierLog:
    log = EarlierLog(desk, LAST)
    log.cats = set(cats)
    log.replay(30)
    return log


def answer_all(log: EarlierLog) -> None:
    while log.answer():
        pass


def status(desk: Desk) -> str:
    """Return the part of the status line about the search."""
    _, found, rest = desk.screen()[-2].partition("search: ")
    return found and rest.partition(" │")[0].strip()


def current(desk: Desk) -> int | None:
    """Return the number of the message that is the current match."""
    search = desk.model.search
    return None if search is None or search.number is None else search.at[search.number].seq


def marked(desk: Desk) -> list[str]:
    rows = desk.rows()
    return [span.text for row in rows for span in row if span.style == "current-match"]


def test_the_screen_is_searched_at_once_and_the_server_after_a_pause(
    desk: Desk, log: EarlierLog
) -> None:
    desk.type("<ctrl-r>cat")
    assert (current(desk), status(desk)) == (990, "1 of 2+")
    assert desk.asked == []
    desk.run_delayed()
    [asked] = desk.asked
    assert asked.request == FetchFound("cat", before=971, limit=50)
    log.answer()
    assert (current(desk), status(desk)) == (990, "1 of 5")


def test_step_by_step_through_both(desk: Desk, log: EarlierLog) -> None:
    log.most = 2
    desk.type("<ctrl-r>cat")
    seen = [current(desk)]
    for _ in range(5):
        desk.type("<ctrl-r>")
        log.answer()
        seen.append(current(desk))
    assert seen == [990, 980, 500, 400, 300, 300]
    assert status(desk) == "5 of 5, none above"
    assert marked(desk)[1:] == ["Cat"]
    assert "found on the server" in desk.screen()[0]
    back = [current(desk)]
    for _ in range(5):
        desk.type("<ctrl-s>")
        back.append(current(desk))
    assert back == [300, 400, 500, 980, 990, 990]
    assert desk.model.page is None


def test_enter_shows_what_was_said_around_it_and_esc_leads_back(
    desk: Desk, log: EarlierLog
) -> None:
    bottom = desk.screen()
    desk.type("/search cat<enter><ctrl-r><ctrl-r>")
    log.answer()
    assert current(desk) == 500
    desk.type("<enter>")
    assert desk.question() is None
    request = desk.asked[-1].request
    assert isinstance(request, FetchEarlier)
    assert request.around == 500
    log.answer()
    assert isinstance(desk.model.page, Excerpt)
    rows = desk.screen()
    assert any("text 499" in row for row in rows)
    assert any("text 501" in row for row in rows)
    assert (current(desk), status(desk)) == (500, "3 of 5")
    assert marked(desk)[1:] == ["Cat"]
    desk.type("<ctrl-r><ctrl-r>")
    assert current(desk) == 400, "Ctrl-R twice goes on from there"
    desk.type("<enter>")
    log.answer()
    desk.type("<esc>")
    assert desk.model.search is None
    assert desk.screen() == bottom


def test_esc_returns_to_where_the_search_began(desk: Desk, log: EarlierLog) -> None:
    desk.type("<pageup>")
    before = desk.screen()[:-2]
    answer_all(log)
    desk.type("<ctrl-r>cat" + "<ctrl-r>" * 3)
    answer_all(log)
    assert desk.model.page is not None
    desk.type("<esc>")
    assert desk.screen()[:-2] == before
    assert desk.model.search is None


def test_a_search_in_an_excerpt_returns_there(desk: Desk, log: EarlierLog) -> None:
    desk.type("/history 2026-11-20 08:20<enter>")
    log.answer()
    before = desk.screen()[:-2]
    page = desk.model.page
    desk.asked.clear()
    desk.type("<ctrl-r>cat")
    assert current(desk) == 990, "it begins with the newest"
    desk.type("<ctrl-r><ctrl-r>")
    log.answer()
    assert current(desk) == 500
    desk.type("<esc>")
    assert desk.model.page is page
    assert desk.screen()[:-2] == before


def test_a_match_that_is_on_the_screen_by_now(desk: Desk) -> None:
    log = log_with(desk, 965)
    desk.type("<ctrl-r>cat<ctrl-r>")
    log.answer()
    assert (current(desk), status(desk)) == (965, "1 of 1")
    desk.type("<enter>")
    around = desk.asked.pop()
    desk.model.close_page()
    desk.type("<alt-<>")
    log.answer()
    desk.asked = [around]
    log.answer()
    assert desk.model.page is None


def test_nothing_is_found_twice_when_older_messages_come(desk: Desk) -> None:
    log = log_with(desk, 990, 965, 500)
    desk.type("<ctrl-r>cat")
    desk.run_delayed()
    log.answer()
    desk.type("<ctrl-r>")
    assert (current(desk), status(desk)) == (965, "2 of 3")
    desk.controller.reading_back._fetch_older(desk.model.default, 100)
    log.answer()
    assert (current(desk), status(desk)) == (965, "2 of 3")
    desk.type("<ctrl-r>")
    assert current(desk) == 500


def test_only_on_the_server(desk: Desk) -> None:
    log = log_with(desk, 300)
    desk.type("<ctrl-r>cat")
    assert status(desk) == "asking the server"
    desk.run_delayed()
    log.answer()
    assert (current(desk), status(desk)) == (300, "1 of 1")


def test_enter_waits_for_the_match(desk: Desk) -> None:
    log = log_with(desk, 300)
    desk.type("/search cat<enter><enter>")
    assert desk.question() == ("search: ", "cat")
    log.answer()
    desk.type("<enter>")
    assert desk.question() is None
    log.answer()
    assert current(desk) == 300


def test_nowhere(desk: Desk, log: EarlierLog) -> None:
    desk.type("<ctrl-r>dog")
    desk.run_delayed()
    log.answer()
    assert (current(desk), status(desk)) == (None, "not found")


def test_what_is_typed_on_makes_the_answer_void(desk: Desk, log: EarlierLog) -> None:
    desk.type("<ctrl-r>cat")
    desk.run_delayed()
    desk.type("x")
    log.answer()
    assert status(desk) == "asking the server"
    desk.run_delayed()
    log.answer()
    assert status(desk) == "not found"


def test_what_came_to_the_log_before_the_answer_is_no_match_of_the_server(desk: Desk) -> None:
    log = log_with(desk, 965, 500)
    desk.type("<ctrl-r>cat")
    desk.run_delayed()
    desk.controller.reading_back._fetch_older(desk.model.default, 100)
    found, older = desk.asked
    for asked in (older, found):
        desk.asked = [asked]
        log.answer()
        desk.screen()  # counts the matches
    assert status(desk) == "1 of 2"
    desk.type("<ctrl-r>")
    assert current(desk) == 500


def test_each_key_begins_the_pause_anew(desk: Desk, log: EarlierLog) -> None:
    desk.type("<ctrl-r>cat")
    *after_former_keys, after_the_last = desk.delayed
    for pause in after_former_keys:
        pause()
    assert desk.asked == []
    after_the_last()
    assert len(desk.asked) == 1


def test_the_server_is_asked_once_for_what_is_typed_without_a_pause(
    desk: Desk, log: EarlierLog
) -> None:
    desk.type("<ctrl-r>cat<backspace><backspace>at")
    desk.run_delayed()
    assert len(desk.asked) == 1


def test_a_server_that_does_not_answer_is_asked_again(desk: Desk, log: EarlierLog) -> None:
    desk.type("<ctrl-r>cat")
    desk.run_delayed()
    asked = desk.asked.pop()
    desk.take(Failed("lost", "The connection was lost.", asked.tag))
    assert status(desk).startswith("1 of 2+; The connection was")
    desk.type("<ctrl-r><ctrl-r>")
    log.answer()
    assert current(desk) == 500


def test_a_log_in_which_the_server_finds_nothing(desk: Desk, log: EarlierLog) -> None:
    """Such as the private messages of a guest."""
    desk.type("<ctrl-r>cat<ctrl-r><ctrl-r>")
    log.answer(refuse="Not kept.")
    assert status(desk) == "2 of 2, none above; Not kept."
    desk.type("<ctrl-r>")
    assert desk.asked == []


def test_messages_of_ignored_users_are_not_found(desk: Desk, log: EarlierLog) -> None:
    log.ignored, log.most = {500, 400}, 1
    desk.model.attention.ignored.add("mallory")
    desk.type("<ctrl-r>cat<ctrl-r><ctrl-r>")
    while log.answer():
        pass
    assert (current(desk), status(desk)) == (300, "3 of 3")


def test_a_server_without_search(desk: Desk) -> None:
    log = EarlierLog(desk, LAST, search=False)
    log.cats = {990}
    log.replay(30)
    desk.type("<ctrl-r>cat")
    desk.run_delayed()
    assert status(desk) == "1 of 1"
    desk.type("<ctrl-r>")
    assert (desk.asked, status(desk)) == ([], "1 of 1, none above")
    said = "this server has no search: only what is on the screen is searched"
    assert desk.log().count(f"-- {said}") == 1
    desk.type("<esc><ctrl-r>cat<esc>")
    assert desk.log().count(f"-- {said}") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("before:soon", "Invalid date 'soon'"),
        ("has:dog", "Expected has: and one of file,"),
        ("in:den cat", "A search is in the room that you see"),
        ("from:", "Expected from:NAME."),
    ],
)
def test_terms_that_make_no_sense_are_told_while_they_are_typed(
    desk: Desk, log: EarlierLog, text: str, words: str
) -> None:
    desk.type(f"<ctrl-r>{text}")
    desk.run_delayed()
    assert status(desk).startswith(words)
    assert desk.asked == []


def test_terms_for_the_server(desk: Desk, log: EarlierLog) -> None:
    desk.type("/search cat from:alice before:2026-11-21 after:2026-11-20 has:link<enter>")
    assert desk.asked[0].request == FetchFound(
        "cat",
        "alice",
        "2026-11-20T00:00:00.000000Z",
        "2026-11-21T00:00:00.000000Z",
        "link",
        before=971,
        limit=50,
    )


STEPS = st.lists(st.sampled_from(["older"] * 6 + ["newer", "say", "fetch", "wait"]), max_size=40)


@settings(max_examples=60, deadline=None, phases=[Phase.generate])
@given(st.sets(st.integers(700, 1000)), st.integers(1, 9), st.integers(0, 30), STEPS)
def test_the_list_has_every_match_once_in_order(
    cats: set[int], most: int, replayed: int, steps: list[str]
) -> None:
    desk = Desk()
    log = EarlierLog(desk, LAST)
    log.cats, log.most = cats, most
    log.replay(replayed)
    desk.type("<ctrl-r>cat")
    for step in [*steps, "wait"]:
        before = current(desk)
        if step == "older":
            desk.type("<ctrl-r>")
            while log.answer():
                pass
            older = [seq for seq in cats if before is None or seq < before]
            assert current(desk) == (max(older) if older else before)
        elif step == "newer":
            desk.type("<ctrl-s>")
            newer = [seq for seq in cats if before is not None and seq > before]
            assert current(desk) == (min(newer) if newer else before)
        elif step == "say":
            cats.add(log.last + 1)
            log.say()
        elif step == "fetch":
            desk.controller.reading_back._fetch_older(desk.model.default, 100)
            log.answer()
            assert current(desk) == before
        else:
            desk.run_delayed()
            log.answer()
        search = desk.model.search
        assert search is not None
        place = search.place
        if place is not None and (seq := current(desk)) is not None:
            assert place.number == sum(cat >= seq for cat in cats)
            assert place.total <= len(cats)
            assert place.has_more or place.total == len(cats)
