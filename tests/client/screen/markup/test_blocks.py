from __future__ import annotations

import pytest

from chat.client.screen.markup.blocks import CodeBlock, lex
from chat.client.screen.markup.inline import CODE, EMPHASIS, MARKER, MAX_MARKERS, QUOTE, InlineMark


def marks_of(lines: list[str]) -> list[list[InlineMark]]:
    return lex(lines).marks


def test_fenced_code() -> None:
    lines = ["*a*", "```python", "x = *b*", "", "~~~", "``", "````", "*c*"]
    em = [InlineMark(0, 1, MARKER), InlineMark(1, 2, EMPHASIS), InlineMark(2, 3, MARKER)]
    assert marks_of(lines) == [
        em,
        [InlineMark(0, 9, MARKER)],
        [InlineMark(0, 7, CODE)],
        [],
        [InlineMark(0, 3, CODE)],
        [InlineMark(0, 2, CODE)],
        [InlineMark(0, 4, MARKER)],
        em,
    ]


def test_code_that_is_not_closed_goes_on_to_the_end() -> None:
    assert marks_of(["~~~~", "~~~", "~~~~ x"]) == [
        [InlineMark(0, 4, MARKER)],
        [InlineMark(0, 3, CODE)],
        [InlineMark(0, 6, CODE)],
    ]


def test_code_in_one_line_is_no_block() -> None:
    assert marks_of(["```a```", "*b*"])[0] == [
        InlineMark(0, 3, MARKER),
        InlineMark(3, 4, CODE),
        InlineMark(4, 7, MARKER),
    ]


def test_the_languages_of_blocks() -> None:
    lines = ["```py", "x", "```", "~~~  c++ {1}", "~~~", "```", "y"]
    assert lex(lines).blocks == [CodeBlock("py", 1, 2), CodeBlock("c++", 4, 4), CodeBlock("", 6, 7)]


@pytest.mark.parametrize(
    ("line", "length"),
    [("> a", 2), (">> a", 3), ("> > a", 4), (">", 1), ("   > a", 5), (">>> a", 4)],
)
def test_a_quote(line: str, length: int) -> None:
    rest = [InlineMark(length, len(line), QUOTE)] if length < len(line) else []
    assert marks_of([line]) == [[InlineMark(0, length, MARKER), *rest]]


@pytest.mark.parametrize("line", [">:(", ">_<", ">= 3", "a > b", "    > a", ">>>a", "->"])
def test_no_quote(line: str) -> None:
    assert marks_of([line]) == [[]]


def test_emphasis_in_a_quote() -> None:
    assert marks_of(["> a *b*"])[0][1:] == [
        InlineMark(2, 4, QUOTE),
        InlineMark(4, 5, MARKER),
        InlineMark(5, 6, QUOTE | EMPHASIS),
        InlineMark(6, 7, MARKER),
    ]


def test_too_many_markers_in_many_lines() -> None:
    marks = marks_of(["> a"] * 2 * MAX_MARKERS + ["```", "b"])
    assert len(marks) == 2 * MAX_MARKERS + 2
    assert sum(map(bool, marks)) == MAX_MARKERS
