from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.screen.markup import code_colours
from chat.client.screen.markup.code_colours import (
    LANGUAGES,
    MAX_BLOCKS,
    MAX_CHARACTERS,
    MAX_LINE,
    CodeColours,
    CodePart,
    read_code,
)
from chat.client.screen.markup.styled import marked_up
from chat.client.screen.text.spans import text_of
from chat.client.screen.text.styles import Layered


@pytest.fixture(autouse=True)
def much_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, a block may take longer than on the screen it is given."""
    monkeypatch.setattr(code_colours, "MAX_TIME", 20.0)


CODE = ["def f(x):", "    # twice", "", '    return """a', 'b""" * 2']


def here(function: Callable[..., tuple[CodePart, ...]], *block: str) -> tuple[CodePart, ...]:
    """Call a function without a thread."""
    return function(*block)


def parts_of(language: str, lines: Sequence[str]) -> list[list[CodePart]] | None:
    colours = CodeColours()
    assert colours.parts(language, lines) is None
    colours.read(here)
    return colours.parts(language, lines)


def test_the_parts_of_code() -> None:
    parts = parts_of("Python3", CODE)
    assert parts is not None
    assert [
        [(line[start:end], style) for start, end, style in its]
        for line, its in zip(CODE, parts, strict=True)
    ] == [
        [("def", "code-keyword"), ("f", "code-name")],
        [("# twice", "code-comment")],
        [],
        [("return", "code-keyword"), ('"""', "code-string"), ("a", "code-string")],
        [("b", "code-string"), ('"""', "code-string"), ("2", "code-number")],
    ]


def test_code_is_drawn_in_one_colour_until_it_was_read() -> None:
    lines = ["see", "```py", *CODE, "```", "*a*"]
    colours = CodeColours()
    before = marked_up(lines, "private", colours)
    assert {span.style for row in before[2:7] for span in row if span.text} == {
        Layered("private", ("code",))
    }
    assert colours.read(here)
    after = marked_up(lines, "private", colours)
    assert after[2][0] == ("def", Layered("private", ("code", "code-keyword")))
    assert list(map(text_of, after)) == lines
    assert (before[:2], before[7:]) == (after[:2], after[7:])
    assert not colours.read(here)


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        ("", CODE),
        ("klingon", CODE),
        ("py", ["x" * (MAX_LINE + 1)]),
        ("py", ["x" * 99] * (MAX_CHARACTERS // 99 + 1)),
    ],
)
def test_blocks_that_are_not_read(language: str, lines: list[str]) -> None:
    assert parts_of(language, lines) is None


def test_without_pygments_code_has_one_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygments.lexers", None)
    assert parts_of("py", CODE) is None


def test_old_blocks_are_forgotten_and_few_wait() -> None:
    colours = CodeColours()
    for number in range(3 * MAX_BLOCKS):
        colours.parts("json", [f"[{number}]"])
    count = 0
    while colours.read(here):
        count += 1
    assert count == MAX_BLOCKS / 4
    assert colours.parts("json", ["[7]"]) is not None
    assert colours.parts("json", [f"[{MAX_BLOCKS}]"]) is None
    colours.read(here)
    assert colours.parts("json", [f"[{MAX_BLOCKS}]"]) is not None
    assert colours.parts("json", ["[7]"]) is not None
    assert colours.parts("json", ["[0]"]) is None


def test_a_block_that_was_drawn_lately_is_not_forgotten() -> None:
    colours = CodeColours()
    for number in range(MAX_BLOCKS):
        colours.parts("json", [f"[{number}]"])
    while colours.read(here):
        pass
    for number in (0, MAX_BLOCKS):
        colours.parts("json", [f"[{number}]"])
    colours.read(here)
    assert colours.parts("json", ["[0]"]) is not None
    assert colours.parts("json", ["[1]"]) is None


def test_what_is_not_in_order_or_beyond_the_end_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pygments import lexers
    from pygments.token import Token

    class Odd:
        def get_tokens_unprocessed(self, text: str) -> list[tuple[int, object, str]]:
            starts = ((0, "ab"), (1, "bc"), (2, ""), (3, "d"), (2, "c"), (5, "fg"))
            return [(start, Token.Keyword, value) for start, value in starts]

    monkeypatch.setattr(lexers, "get_lexer_by_name", lambda name: Odd())
    assert [part[:2] for part in read_code("json", "abcdef")] == [(0, 2), (3, 4)]


def test_what_takes_too_long_stays_in_one_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = read_code("json", "[1, 2, 3]")
    monkeypatch.setattr(code_colours, "MAX_TIME", -1.0)
    assert read_code("json", "[1, 2, 3]") != everything


def test_all_languages_are_known_to_pygments() -> None:
    for name in sorted(set(LANGUAGES.values())):
        read_code(name, "x")


@given(
    st.sampled_from(sorted(LANGUAGES)),
    st.lists(
        st.text(st.sampled_from("ab1 \"'#/*<>(){}$=:\\@\u202e漢"), max_size=30),
        min_size=1,
        max_size=8,
    ),
)
def test_no_character_of_code_is_lost(language: str, code: list[str]) -> None:
    lines = [f"```{language}", *code]
    colours = CodeColours()
    marked_up(lines, "text", colours)
    colours.read(here)
    rows = marked_up(lines, "text", colours)
    assert list(map(text_of, rows)) == lines
