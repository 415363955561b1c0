from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.attention.names_in_texts import Mentions
from chat.client.conversation.recall.search_terms import parse_terms
from chat.client.screen.draw.lines import entry_lines
from chat.client.screen.draw.log_pane import LogPane
from chat.client.screen.markup.styled import MAX_LINES, MAX_MARKED_UP, marked_up
from chat.client.screen.model.entries import Entry, Pending, Remark, Said
from chat.client.screen.model.search import EntryMatcher
from chat.client.screen.model.views import View
from chat.client.screen.text.spans import Row, Span, text_of, wrap_row
from chat.client.screen.text.styles import DIM, Layered
from chat.sanitize import lines_of, sanitize

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)
# What markup is made of, and what may stand around it, in pieces: single characters rarely form anything.
_PIECES = (
    *("*", "**", "***", "_", "__", "`", "``", "```", "````", "~~~", "\\", ">", "> ", ">>> "),
    *("http://a.example/b_c", "mailto:", "://", "(", ")", '"', "'", ".", "/", " ", "  ", "\n", "\r\n", "\t"),
    *("a", "bob", "word", "é", "e\u0301", "漢字", "👩\u200d👩\u200d👧", "א", "\u202e", "\x1b[2J", "\u3000"),
)  # fmt: skip
texts = st.one_of(
    st.lists(st.sampled_from(_PIECES), max_size=60).map("".join),
    st.text(st.sampled_from("*_`~> \n\\a"), max_size=80),
    st.text(st.characters(codec=None)),
)


def shown(rows: list[Row]) -> list[str]:
    return [text_of(row) for row in rows]


@given(texts, st.integers(1, 40), st.integers(0, 12))
def test_no_visible_character_is_lost_or_moved(text: str, width: int, indent: int) -> None:
    lines = lines_of(text)
    rows = marked_up(lines, "text")
    assert shown(rows) == lines
    assert all(span.text for line, row in zip(lines, rows, strict=True) if line for span in row)
    for line, row in zip(lines, rows, strict=True):
        plain = wrap_row([Span(line)], width, indent)
        assert shown(wrap_row(row, width, indent)) == shown(plain)


@given(texts, st.sampled_from(["bob", "a", "*", "b*"]), st.integers(8, 60))
def test_marks_of_names_and_searches_stay_right(text: str, word: str, width: int) -> None:
    said = Said(NINE, "alice", text, mentions=True)
    match = EntryMatcher(parse_terms(word))
    plain = entry_lines(said, Mentions("bob"), match)
    styled = entry_lines(said, Mentions("bob"), match, styled=marked_up)
    assert shown(styled) == shown(plain)
    assert marked(styled) == marked(plain)
    view, pane = View(), LogPane()
    view.append(said)
    pane.prepare(width, Mentions("bob"), match)
    assert all(sanitize(text_of(row)) == text_of(row) for row in pane.rows(view, 50))


def marked(rows: list[Row]) -> list[tuple[int, str, str]]:
    return [
        (number, span.text, span.style)
        for number, row in enumerate(rows)
        for span in row
        if span.style in ("mention", "match")
    ]


def test_the_styles_lie_over_that_of_the_text() -> None:
    said = Said(NINE, "alice", "*a **b*** `c` d", to="bob")
    spans = [(span.text, span.style) for span in entry_lines(said, styled=marked_up)[0]]
    marker = Layered("private", ("marker",))
    assert spans[5:] == [
        ("*", marker),
        ("a ", Layered("private", ("emphasis",))),
        ("**", marker),
        ("b", Layered("private", ("emphasis", "strong"))),
        ("***", marker),
        (" ", "private"),
        ("`", marker),
        ("c", Layered("private", ("code",))),
        ("`", marker),
        (" d", "private"),
    ]


@pytest.mark.parametrize("text", ["`a`", "*a*", "_a_", "> a", "a://b", "mailto:a@b", "~~~", "```"])
def test_no_markup_is_taken_for_a_plain_text(text: str) -> None:
    assert {type(span.style) for span in marked_up([text], "text")[0]} == {Layered}


@pytest.mark.parametrize(
    "entry",
    [Remark(NINE, ("*a*", "`b`"), DIM), Pending(NINE, 1, "bob", "*a* `b`"), Said(NINE, "*a*", "b")],
)
def test_only_what_users_say_has_markup(entry: Entry) -> None:
    assert entry_lines(entry, styled=marked_up) == entry_lines(entry)


def test_a_huge_text_is_marked_up_only_at_its_beginning() -> None:
    lines = ["*a* " * 10] * (2 * MAX_MARKED_UP // 40)
    rows = marked_up(lines, "text")
    assert shown(rows) == lines
    assert len(rows[0]) > 1
    assert len(marked_up(["x" * MAX_MARKED_UP + " *a*"], "text")[0]) == 1
    rows = marked_up([*[""] * (MAX_LINES - 1), "*a*", "*b*"], "text")
    assert list(map(len, rows[-2:])) == [3, 1]
