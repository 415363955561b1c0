from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.screen.input.history import History


def history_of(*texts: str) -> History:
    history = History()
    for text in texts:
        history.add(text)
    return history


def test_an_empty_history_leads_nowhere() -> None:
    history = History()
    assert history.older("draft") is None
    assert history.newer("draft") is None


def test_up_goes_back_and_down_returns_to_the_draft() -> None:
    history = history_of("one", "two")
    assert history.older("a draft") == "two"
    assert history.older("two") == "one"
    assert history.older("one") is None
    assert history.newer("one") == "two"
    assert history.newer("two") == "a draft"
    assert history.newer("a draft") is None


def test_what_was_changed_on_the_way_keeps_its_change() -> None:
    history = history_of("one", "two")
    history.older("")
    assert history.older("two, changed") == "one"
    assert history.newer("one") == "two, changed"
    assert history.newer("two, changed again") == ""
    assert history.older("") == "two, changed again"


def test_sending_forgets_the_changes() -> None:
    history = history_of("one", "two")
    history.older("")
    history.add("two, changed")
    assert [history.older(""), history.older(""), history.older("")] == [
        "two, changed",
        "two",
        "one",
    ]


def test_a_draft_left_for_an_older_text_is_not_lost() -> None:
    history = history_of("one")
    assert history.older("a draft") == "one"
    history.add("one")
    assert history.older("") == "one"
    assert history.older("one") == "a draft"


def test_a_draft_that_was_sent_is_there_once() -> None:
    history = history_of("one")
    history.older("a draft")
    history.newer("one")
    history.add("a draft")
    assert len(history) == 2


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_nothing_is_no_entry(text: str) -> None:
    assert len(history_of("one", text)) == 1


def test_the_same_in_a_row_is_one_entry() -> None:
    assert len(history_of("one", "one", "two", "one")) == 3


def test_the_oldest_are_forgotten() -> None:
    history = History(limit=2)
    for text in ("one", "two", "three"):
        history.add(text)
    assert [history.older(""), history.older(""), history.older("")] == ["three", "two", None]


STEPS = st.lists(st.sampled_from(["older", "newer"]), max_size=20)


@given(st.lists(st.text(min_size=1), max_size=5), st.text(), STEPS)
def test_the_draft_is_found_again_from_everywhere(
    sent: list[str], draft: str, steps: list[str]
) -> None:
    history = history_of(*sent)
    text = draft
    for step in steps:
        text = next(t for t in (getattr(history, step)(text), text) if t is not None)
    while (newer := history.newer(text)) is not None:
        text = newer
    assert text == draft
