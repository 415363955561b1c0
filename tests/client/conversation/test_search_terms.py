"""Users search for words, senders, dates and kinds of messages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.attention.names_in_texts import fold
from chat.client.conversation.recall.search_terms import (
    SearchTerms,
    WordFinder,
    found_by,
    has_link,
    parse_terms,
)
from chat.client.conversation.requests import FetchFound, RequestError


@pytest.fixture(autouse=True)
def _an_hour_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "XXX-1")  # POSIX: an hour ahead of UTC
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


ELEVEN = datetime(2026, 11, 19, 23, tzinfo=timezone.utc)  # a day begins there


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", SearchTerms()),
        (" two  Words ", SearchTerms(("two", "Words"))),
        ("from:alice x", SearchTerms(("x",), "alice")),
        ("FROM:alice", SearchTerms((), "alice")),
        ("after:2026-11-20", SearchTerms(since=ELEVEN)),
        ("in:dev", SearchTerms(room="dev")),
        ("in:#dev x", SearchTerms(("x",), room="dev")),
        ("before:2026-11-20", SearchTerms(until=ELEVEN)),
        ("has:Link", SearchTerms(has="link")),
        ("http://a.b 10:30 :", SearchTerms(("http://a.b", "10:30", ":"))),
    ],
)
def test_terms(text: str, terms: SearchTerms) -> None:
    assert parse_terms(text) == terms


@pytest.mark.parametrize(
    "text",
    ["from:", "in:", "in:#", "before:", "after:2026-02-30", "before:tomorrow", "has:", "has:x"],
)
def test_terms_that_make_no_sense(text: str) -> None:
    with pytest.raises(RequestError):
        parse_terms(text)


def test_the_request_to_the_server() -> None:
    terms = SearchTerms(("two", "words"), "alice", ELEVEN, None, "file")
    assert found_by(terms, before=7) == FetchFound(
        "two words", "alice", "2026-11-19T23:00:00.000000Z", has="file", before=7
    )


@pytest.mark.parametrize(
    ("words", "text", "places"),
    [
        ("cat", "Cats and concatenation", [(0, 3), (12, 15)]),
        ("ca at", "cats", [(0, 3)]),
        ("strasse", "Große Straße", [(6, 12)]),
        ("ss", "Straße", [(4, 5)]),
        ("ハン", "xﾊﾝ!", [(1, 3)]),
        ("é", "Cafe\u0301s", [(3, 5)]),
        ("東京", "東京都と東京", [(0, 2), (4, 6)]),
        ("office", "oﬃce", [(0, 4)]),
    ],
)
def test_where_words_are(words: str, text: str, places: list[tuple[int, int]]) -> None:
    finder = WordFinder(tuple(words.split()))
    assert finder.are_in(text)
    assert [(place.start(), place.end()) for place in finder.finditer(text)] == places


def test_all_words_must_be_there() -> None:
    assert not WordFinder(("cat", "dog")).are_in("cats")
    assert not WordFinder(("é",)).are_in("cafe")


@given(st.text(max_size=12), st.text(min_size=1, max_size=3))
def test_a_word_is_found_as_the_server_finds_it(text: str, word: str) -> None:
    """By code points of the folded forms; and what is marked lies in the text, from left to right."""
    finder = WordFinder((word,))
    assert finder.are_in(text) == (fold(word) in fold(text))
    end = 0
    for place in finder.finditer(text):
        assert end <= place.start() < place.end() <= len(text)
        end = place.end()


def test_links() -> None:
    assert has_link("see HTTPS://example.org")
    assert not has_link("see example.org")
