from __future__ import annotations

import unicodedata

import pytest
import wcwidth
from hypothesis import example, given
from hypothesis import strategies as st

from chat.client.screen.text import cells as module
from chat.client.screen.text.cells import cells, clip, clusters, elide, pad, wrap, wrap_offsets
from chat.sanitize import sanitize
from tests.tables import table

FAMILY = "👨\u200d👩\u200d👧\u200d👦"
THUMB = "👍🏽"
FRANCE = "🇫🇷"
SCOTLAND = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
HEART = "❤\ufe0f"

TEXTS = st.lists(
    st.sampled_from(
        [
            "a",
            "bc",
            " ",
            "  ",
            "中",
            "文",
            "。",
            "「",
            "\u3000",
            "e\u0301",
            "क्षि",
            THUMB,
            FRANCE,
            FAMILY,
        ]
    )
    | st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])
).map("".join)
WIDTHS = st.integers(1, 20)


@table(
    ("text", "width"),
    [
        ("", 0),
        ("hello", 5),
        ("привет", 6),
        ("中文", 4),
        ("ｆｕｌｌ", 8),
        ("e\u0301", 1),
        (THUMB, 4),  # curses moves by the hand, then by the skin tone
        (FRANCE, 4),
        (FAMILY, 8),
        (HEART, 1),
        (SCOTLAND, 2),
        ("का", 2),  # the vowel sign has a cell of its own in the C library
        ("\u3164", 2),
        ("a\x1b\x00b", 2),
    ],
)
def test_a_text_is_as_wide_as_curses_moves(text: str, width: int) -> None:
    assert cells(text) == width


@table(
    "cluster", ["a", "e\u0301", "👍🏽", FRANCE, FAMILY, SCOTLAND, HEART, "한", "각", "\r\n", "கி"]
)
def test_what_a_reader_takes_for_one_character_is_one_cluster(cluster: str) -> None:
    assert clusters(cluster) == [cluster]
    assert clusters(f"x{cluster}y") == ["x", cluster, "y"]


def test_flags_side_by_side_are_two_clusters() -> None:
    assert clusters("🇫🇷🇩🇪") == ["🇫🇷", "🇩🇪"]
    assert clusters("\n🇫🇷🇩🇪") == ["\n", "🇫🇷", "🇩🇪"]  # not so before wcwidth 0.9.4


@given(st.text())
def test_clusters_are_the_whole_text(text: str) -> None:
    assert "".join(clusters(text)) == text


@table(
    ("text", "width", "clipped"),
    [
        ("hello", 3, "hel"),
        ("hello", 5, "hello"),
        ("hello", 0, ""),
        ("hello", -2, ""),
        ("中文", 4, "中文"),
        ("中文", 3, "中"),
        ("中文", 1, ""),
        ("中文", 0, ""),
        ("中文", -1, ""),
        (f"a{FAMILY}", 8, "a"),
        ("e\u0301e\u0301", 1, "e\u0301"),
    ],
)
def test_clipping_leaves_whole_clusters(text: str, width: int, clipped: str) -> None:
    assert clip(text, width) == clipped


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("report.pdf", 10, "report.pdf"),
        ("report.pdf", 7, "report…"),
        ("报告书", 5, "报告…"),
        ("报告书", 4, "报…"),
        ("报告书", 1, "…"),
        ("报告书", 0, ""),
        ("", 0, ""),
    ],
)
def test_what_is_elided_says_so(text: str, width: int, shown: str) -> None:
    assert elide(text, width) == shown


@given(TEXTS, st.integers(-1, 12))
def test_what_is_cut_or_padded_has_its_width(text: str, width: int) -> None:
    assert cells(clip(text, width)) <= max(0, width)
    assert text.startswith(clip(text, width))
    assert cells(elide(text, width)) <= max(0, width)
    assert cells(pad(text, width)) == max(0, width)


@table(
    ("text", "width", "lines"),
    [
        ("", 5, [""]),
        ("hello", 5, ["hello"]),
        ("hello world", 5, ["hello", "world"]),
        ("hello world", 10, ["hello", "world"]),
        ("a b c d", 3, ["a b", "c d"]),
        ("hello    world", 7, ["hello", "world"]),
        ("  indented text", 10, ["  indented", "text"]),
        ("end   ", 4, ["end"]),
        ("конец   ", 6, ["конец"]),
        ("     ", 3, [""]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("x abcdefgh", 3, ["x", "abc", "def", "gh"]),
        ("привет, мир", 8, ["привет,", "мир"]),
        ("приветмир", 6, ["привет", "мир"]),
        ("中文没有空格", 5, ["中文", "没有", "空格"]),
        ("中文。中", 4, ["中", "文。", "中"]),  # no line begins with a full stop
        ("中「文", 4, ["中", "「文"]),  # nor ends with an opening bracket
        ("中文\u3000中文", 4, ["中文", "中文"]),
        ("ok👍, fine", 4, ["ok", "👍,", "fine"]),
        (f"ab{FAMILY}", 8, ["ab", FAMILY]),
        (f"a{FAMILY}b", 5, ["a", "…", "b"]),
        ("中", 1, ["…"]),
        ("ab", 0, ["a", "b"]),
        ("a b", -7, ["a", "b"]),
        ("cafe\u0301s cafe\u0301s", 5, ["cafe\u0301s", "cafe\u0301s"]),
    ],
)
def test_text_is_wrapped_at_words(text: str, width: int, lines: list[str]) -> None:
    assert wrap(text, width) == lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("see https://example.org/a?b=c-d now", ["see", "https://example.org/a?b=c-d", "now"]),
        ("看看https://example.org/a?b=c-d吧", ["看看", "https://example.org/a?b=c-d", "吧"]),
    ],
)
def test_an_address_is_left_whole_where_a_line_can_hold_it(text: str, lines: list[str]) -> None:
    assert wrap(text, 27) == lines
    assert "https://example.org/a?b=c-d" not in wrap(text, 26)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one", "two three"]),
        ("sixsix two", ["", "sixsix two"]),
        ("sixsixsixsixsix", ["", "sixsixsixs", "ixsix"]),
        ("шесть! два", ["", "шесть! два"]),
        ("六六六", ["六六", "六"]),
        ("cafe\u0301cafe\u0301 x", ["", "cafe\u0301cafe\u0301 x"]),
        ("fits", ["fits"]),
    ],
)
def test_the_first_line_may_be_shorter(text: str, lines: list[str]) -> None:
    assert wrap(text, 10, 4) == lines


def test_the_first_line_may_be_longer() -> None:
    assert wrap("one two three", 5, 7) == ["one two", "three"]
    assert wrap("раз два триста", 6, 7) == ["раз два", "триста"]


@given(TEXTS, WIDTHS, st.none() | WIDTHS)
@example("a" + FAMILY + " ", 5, None)
def test_no_line_is_too_long_and_nothing_but_blanks_is_lost(
    text: str, width: int, first: int | None
) -> None:
    lines = wrap(text, width, first)
    assert cells(lines[0]) <= (first or width)
    assert all(cells(line) <= width for line in lines[1:])
    offsets = wrap_offsets(text, width, first)
    assert len(offsets) == len(lines)
    position = 0
    for start, end in offsets:
        assert not text[position:start].strip(" \u3000")
        position = end
    assert not text[position:].strip(" \u3000")


@given(TEXTS, WIDTHS)
def test_lines_end_between_clusters(text: str, width: int) -> None:
    boundaries = {0}
    for cluster in clusters(text):
        boundaries.add(max(boundaries) + len(cluster))
    for start, end in wrap_offsets(text, width):
        assert {start, end} <= boundaries


@given(st.text(st.sampled_from("aя  ")), WIDTHS, WIDTHS)
def test_the_fast_path_wraps_as_the_other_does(text: str, width: int, first: int) -> None:
    if cells(text) > first:
        assert module.is_one_cell_each(text)
        # The public function chooses the fast way for this text; the slow one can only be called directly.
        assert module._wrap_narrow(text, first, width) == module._wrap_clusters(text, first, width)


@given(st.text(), st.integers(1, 30))
def test_sanitized_text_never_breaks_a_line(text: str, width: int) -> None:
    for line in wrap(sanitize(text), width):
        assert cells(line) <= width
        assert not [c for c in line if unicodedata.category(c) == "Cc"]


def test_simple_characters_need_no_tables() -> None:
    simple = [chr(code) for code in range(0x110000) if module._SIMPLE.fullmatch(chr(code))]
    assert set("aéñßЖΩ–“…→│█€") <= set(simple)
    assert {wcwidth.wcwidth(character) for character in simple} == {1}
    assert not {unicodedata.category(character)[0] for character in simple} & {"M", "Cc"}
    # Side by side in any order, they stay apart.
    for text in ("".join(simple), "".join(reversed(simple)), "".join(c * 3 for c in simple)):
        assert list(wcwidth.iter_graphemes(text)) == list(text) == clusters(text)
        assert cells(text) == len(text)
