from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.screen.text.cells import cells
from chat.client.screen.text.spans import (
    Row,
    Span,
    clip_row,
    fill_row,
    indented,
    mark,
    row_width,
    slice_rows,
    text_of,
    wrap_row,
)
from chat.sanitize import sanitize

FAMILY = "👩\u200d👩\u200d👧"
words = st.text(st.sampled_from("ab  é漢😀\u0301\u200dאب<>/:")).map(sanitize)
rows = st.lists(st.builds(Span, words, st.sampled_from(["text", "dim", "name-1"])), max_size=5)


def row(*parts: str) -> Row:
    """``text/style`` each."""
    return [Span(text, style) for text, _, style in (part.rpartition("/") for part in parts)]


def texts(rows: list[Row]) -> list[str]:
    return [text_of(row) for row in rows]


def test_a_row_and_its_width() -> None:
    assert text_of([]) == ""
    assert text_of(row("a/text")) == "a"
    assert text_of(row("a/text", "漢/dim")) == "a漢"
    assert row_width(row("a/text", "漢/dim")) == 3


@pytest.mark.parametrize(
    ("width", "clipped"),
    [
        (9, row("ab/text", "漢c/dim")),
        (5, row("ab/text", "漢c/dim")),
        (4, row("ab/text", "漢/dim")),
        (3, row("ab/text")),
        (1, row("a/text")),
        (0, []),
    ],
)
def test_a_row_is_cut_at_the_edge(width: int, clipped: Row) -> None:
    assert clip_row(row("ab/text", "漢c/dim"), width) == clipped


def test_a_cluster_of_two_spans_is_not_cut() -> None:
    assert clip_row(row("xe/text", "\u0301y/dim"), 2) == row("xe/text", "\u0301/dim")


def test_a_row_is_filled() -> None:
    assert fill_row(row("ab/text"), 4, "status") == row("ab/text", "  /status")
    assert fill_row(row("ab漢/text"), 3, "status") == row("ab/text", " /status")
    assert fill_row(row("abc/text"), 3, "status") == row("abc/text")


def test_matches_are_marked() -> None:
    line = row("say cat/text", "fish, Cat/dim")
    assert mark(line, re.compile("cat", re.IGNORECASE), "match") == row(
        "say /text", "cat/match", "fish, /dim", "Cat/match"
    )


def test_a_match_over_several_spans_is_marked() -> None:
    assert mark(row("a/x", "b/y", "c/z"), re.compile("ab|d"), "match") == row("ab/match", "c/z")


def test_without_a_match_nothing_changes() -> None:
    line = row("cat/text")
    assert mark(line, re.compile("dog"), "match") is line
    assert mark(line, re.compile(""), "match") is line


def test_what_fits_is_left_alone() -> None:
    line = row("one two/text")
    assert wrap_row(line, 7, 2) == [line]
    assert wrap_row(line, 9, 2, hanging=False) == [row("  /text", "one two/text")]


def test_wrapped_at_words_with_an_indent() -> None:
    line = row("<1> /dim", "one two/text", " three/private")
    assert wrap_row(line, 8, 2) == [
        row("<1> /dim", "one/text"),
        row("  /text", "two/text"),
        row("  /text", "three/private"),
    ]


def test_further_lines_are_indented_from_the_start() -> None:
    assert texts(wrap_row(row("one two/text"), 5, 2, hanging=False)) == ["  one", "  two"]


@pytest.mark.parametrize("width", [1, 0, -1])
def test_a_single_column(width: int) -> None:
    assert texts(wrap_row(row("漢ab/text"), width, 4)) == ["…", "a", "b"]
    assert wrap_row(row("漢/dim"), width, 4) == [row("…/dim")]


def test_wide_and_joined_characters() -> None:
    assert texts(wrap_row(row("漢字漢字/text"), 5, 1)) == ["漢字", " 漢字"]
    assert texts(wrap_row(row(f"ab {FAMILY}/text"), 7, 0)) == ["ab", FAMILY]


class TestAddresses:
    def test_one_that_fits_is_left_whole(self) -> None:
        line = row("see https://a.example/b now/text")
        assert texts(wrap_row(line, 22, 2)) == ["see", "  https://a.example/b", "  now"]

    def test_one_that_only_just_fits_has_no_indent(self) -> None:
        line = row("see https://a.example/b  now/text")
        assert texts(wrap_row(line, 20, 2)) == ["see ", "https://a.example/b", "  now"]

    def test_one_that_is_too_long_fills_whole_rows(self) -> None:
        line = row("see https://a.example/long/text", "er/dim", ", it is/text")
        assert texts(wrap_row(line, 12, 3)) == [
            "see ",
            "https://a.ex",
            "ample/longer",
            ",",
            "   it is",
        ]

    def test_several_in_a_row(self) -> None:
        assert texts(wrap_row(row("http://aaaa http://bbbb /text"), 11, 2)) == [
            "http://aaaa",
            "http://bbbb",
        ]

    def test_short_ones_are_words(self) -> None:
        assert texts(wrap_row(row("a://b c://d and/text"), 9, 2)) == ["a://b", "  c://d", "  and"]

    def test_none_pretends_to_be_an_entry(self) -> None:
        line = row("x http://aaaaaaaaaaaaaaaaaa<21:04:05>[bob]:hi/text")
        assert not [text for text in texts(wrap_row(line, 16, 2))[1:] if text.startswith("<")]


@pytest.mark.parametrize(
    ("line", "width", "drawn"),
    [
        ("    if one and two:", 16, ["      if one and", "      two:"]),
        # A long word stays in its column, rather than in the next row without one.
        ("    one/two/three/four", 16, ["      one/two/th", "      ree/four"]),
        # At most half of the width goes to blanks.
        ("          one two", 10, ["     one", "     two"]),
        ("            ", 8, ["    "]),
    ],
)
def test_the_rows_of_indented_code_stay_in_its_column(
    line: str, width: int, drawn: list[str]
) -> None:
    assert texts(wrap_row([Span(line)], width, 2, hanging=False)) == drawn


@given(rows, st.integers(-1, 30), st.integers(0, 12), st.booleans())
def test_no_row_is_wider_than_it_may_be(line: Row, width: int, indent: int, hanging: bool) -> None:
    wrapped = wrap_row(line, width, indent, hanging=hanging)
    assert wrapped
    for number, one in enumerate(wrapped):
        assert row_width(one) <= max(1, width)
        if number or not hanging:
            # Text at the edge could look like an entry of its own.
            assert width < 2 or not indent or text_of(one)[0] != "<"


@given(rows, st.integers(1, 30), st.integers(0, 12))
def test_pieces_of_a_row_keep_their_styles(line: Row, first: int, length: int) -> None:
    letters = [(letter, span.style) for span in line for letter in span.text]
    bounds = [
        (start, min(start + length, len(letters)))
        for start in range(first, len(letters), max(1, length))
    ]
    pieces = list(slice_rows(line, bounds))
    assert [
        [(letter, span.style) for span in piece for letter in span.text] for piece in pieces
    ] == [letters[start:end] for start, end in bounds]
    assert all(span.text for piece in pieces for span in piece)


@given(rows, st.integers(1, 30), st.integers(0, 12))
def test_nothing_but_blanks_is_lost(line: Row, width: int, indent: int) -> None:
    wrapped = wrap_row(line, width, indent)
    shown = "".join(texts(wrapped)).replace(" ", "")
    if "…" not in shown:
        assert shown == text_of(line).replace(" ", "")


@given(rows, st.integers(0, 30))
def test_clipping_and_filling(line: Row, width: int) -> None:
    assert row_width(clip_row(line, width)) <= width
    assert text_of(line).startswith(text_of(clip_row(line, width)))
    assert row_width(fill_row(line, width, "status")) == width
    assert cells(text_of(indented(line, 3))) == row_width(line) + 3


@given(rows, st.sampled_from(["a", "ab", " ", "漢", "x*"]))
def test_marking_changes_no_text(line: Row, pattern: str) -> None:
    marked = mark(line, re.compile(pattern), "match")
    assert text_of(marked) == text_of(line)
    found = "".join(span.text for span in marked if span.style == "match")
    assert found == "".join(re.findall(pattern, text_of(line)))
