from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.screen.model import views
from chat.client.screen.model.entries import Movement, Said, Step
from chat.client.screen.model.search import Search
from chat.client.screen.model.views import Position, View

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)


def view_of(*texts: str) -> View:
    view = View()
    for text in texts:
        view.append(Said(NINE, "alice", text))
    return view


def test_from_match_to_match() -> None:
    search = Search(view_of("cat", "dog", "Cats", "bird"))
    assert search.find("cat") == 2
    assert search.older() == 0
    assert not search.failed
    assert search.older() == 0
    assert search.failed
    assert search.newer() == 2
    assert not search.failed
    assert search.newer() == 2
    assert search.failed


def test_what_somebody_has_said_is_found_and_not_their_name() -> None:
    assert Search(view_of("cat")).find("from:ALICE") == 0
    assert Search(view_of("cat")).find("from:ALICE dog") is None
    assert Search(view_of("cat")).find("alice") is None


def test_nothing_is_found() -> None:
    search = Search(view_of("cat"))
    assert search.find("bird") is None
    assert search.failed
    assert search.older() is None
    assert search.newer() is None


def test_nothing_is_looked_for() -> None:
    search = Search(view_of("cat"))
    assert search.find("") is None
    assert search.matcher is None
    assert search.newer() is None
    assert not search.failed


def test_typing_on_begins_again_at_the_newest() -> None:
    search = Search(view_of("cats", "cat", "dog"))
    assert search.find("cat") == 1
    assert search.find("cats") == 0
    assert search.find("cat") == 1


def test_what_would_be_a_pattern_is_taken_by_the_letter() -> None:
    search = Search(view_of("a.b", "axb"))
    assert search.find("a.b") == 0
    assert search.matcher is not None
    assert [*search.matcher.finditer("xA.B")] == [(1, 4)]


def test_case_and_width_make_no_difference() -> None:
    search = Search(view_of("STRASSE", "ﾊﾝ"))
    assert search.find("straße") == 0
    assert search.find("ハン") == 1


def test_new_entries_are_found_after_the_old() -> None:
    view = view_of("cat")
    search = Search(view)
    search.find("cat")
    view.append(Said(NINE, "alice", "cat"))
    assert search.newer() == 1


def test_a_match_that_was_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MAX_ENTRIES", 2)
    view = view_of("cat", "dog")
    search = Search(view)
    search.find("cat")
    for text in ("cat", "dog", "cat", "dog"):
        view.append(Said(NINE, "alice", text))
    assert search.older() == 0
    assert search.failed
    assert search.newer() == 4


def test_a_search_begins_at_what_is_on_the_screen() -> None:
    view = view_of("cat", "dog", "cat", "bird", "cat")
    view.scroll_to(Position(3, 0))
    search = Search(view)
    assert search.find("cat") == 2
    assert search.place == (2, 3, False)
    assert search.newer() == 4
    view.scroll_to(Position(1, 0))
    # Only if nothing above matches, what is below does.
    assert Search(view).find("bird") == 3


def test_the_matches_are_counted_as_they_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MAX_ENTRIES", 3)
    view = view_of("cat", "dog", "cat")
    search = Search(view)
    assert search.place is None
    search.find("c")
    search.find("cat")
    assert search.place == (1, 2, False)
    view.append(Said(NINE, "alice", "Cats"))
    assert search.place == (2, 2, False)
    view.clear()
    assert search.place is None
    assert search.older() == 2
    assert search.failed


def test_somebody_who_joins_later_is_found() -> None:
    view = View()
    movement = Movement(Step(NINE, "alice", joined=True))
    view.append(movement)
    search = Search(view)
    assert search.find("bob") is None
    movement.fold(Step(NINE, "bob", joined=True))
    assert search.older() == 0
    assert search.place == (1, 1, False)


@given(st.lists(st.sampled_from(["cat", "dog", "Cat fish", ""])), st.sampled_from(["cat", "fish"]))
def test_all_matches_are_found_in_both_directions(texts: list[str], needle: str) -> None:
    matches = [number for number, text in enumerate(texts) if needle in text.lower()]
    search = Search(view_of(*texts))
    found = [search.find(needle)]
    assert search.place == ((1, len(matches), False) if matches else None)
    while not search.failed:
        found.append(search.older())
    assert found[:-1] == matches[::-1]
    back = [search.number] if matches else []
    search.newer()
    while not search.failed:
        back.append(search.number)
        search.newer()
    assert back == matches
