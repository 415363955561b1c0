from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.screen.text.cells import cells, clusters
from chat.client.screen.text.input_rows import Layout, lay_out, rows_away
from tests.tables import table

FAMILY = "👨\u200d👩\u200d👧\u200d👦"
TEXTS = st.lists(
    st.sampled_from(["a", "word ", "\n", "中", "👍🏽", "🇫🇷", FAMILY, "e\u0301", "\t", "\x1b"]),
    max_size=30,
).map("".join)


def boundaries(text: str) -> list[int]:
    found = [0]
    for cluster in clusters(text):
        found.append(found[-1] + len(cluster))
    return found


@table(
    ("text", "width", "rows", "place"),
    [
        ("", 5, ("",), (0, 0)),
        ("abc", 5, ("abc",), (0, 3)),
        ("abcde", 5, ("abcde", ""), (1, 0)),
        ("abcdef", 5, ("abcde", "f"), (1, 1)),
        ("привет", 5, ("приве", "т"), (1, 1)),
        ("one\ntwo", 5, ("one", "two"), (1, 3)),
        ("one\n", 5, ("one", ""), (1, 0)),
        ("中文中", 5, ("中文", "中"), (1, 2)),
        ("ab👍🏽", 5, ("ab", "👍🏽"), (1, 4)),
        (f"a{FAMILY}", 5, ("a…",), (0, 2)),  # wider than the whole row
        ("中", 1, ("…", ""), (1, 0)),
        ("abc", 0, ("a", "b", "c", ""), (3, 0)),
        ("a\tb", 8, ("a    b",), (0, 6)),
        ("\x1b[2J", 8, ("␛[2J",), (0, 4)),
        ("\u202e", 10, ("<U+202E>",), (0, 8)),
    ],
)
def test_text_fills_rows(
    text: str, width: int, rows: tuple[str, ...], place: tuple[int, int]
) -> None:
    assert lay_out(text, len(text), width) == Layout(rows, *place)


@pytest.mark.parametrize(
    ("cursor", "place"), [(0, (0, 0)), (2, (0, 2)), (5, (1, 0)), (7, (1, 2)), (8, (2, 0))]
)
def test_the_cursor_is_where_the_next_character_goes(cursor: int, place: tuple[int, int]) -> None:
    layout = lay_out("abcdefg\nh", cursor, 5)
    assert layout.rows == ("abcde", "fg", "h")
    assert (layout.row, layout.column) == place


def test_a_full_line_gets_a_row_for_the_cursor_only_while_it_is_there() -> None:
    assert lay_out("abcde\nf", 5, 5) == Layout(("abcde", "", "f"), 1, 0)
    assert lay_out("abcde\nf", 4, 5) == Layout(("abcde", "f"), 0, 4)


ROWS = ("0", "1", "2", "3", "4")


@pytest.mark.parametrize(
    ("row", "height", "rows", "new_row"),
    [
        (4, 9, ROWS, 4),
        (4, 5, ROWS, 4),
        (4, 2, ("3", "4"), 1),
        (0, 2, ("0", "1"), 0),
        (2, 3, ("1", "2", "3"), 1),
        (2, 1, ("2",), 0),
        (2, 0, ("2",), 0),
    ],
)
def test_a_window_shows_the_row_of_the_cursor(
    row: int, height: int, rows: tuple[str, ...], new_row: int
) -> None:
    assert Layout(ROWS, row, 1).window(height) == Layout(rows, new_row, 1)


@pytest.mark.parametrize(
    ("cursor", "distance", "column", "found"),
    [
        (6, -1, 2, 2),
        (2, 1, 2, 6),
        (0, -1, 0, None),
        (11, 1, 0, None),
        (10, -1, 9, 7),  # a shorter row: its end
        (1, 2, 1, 9),
    ],
)
def test_going_up_and_down_keeps_the_column(
    cursor: int, distance: int, column: int, found: int | None
) -> None:
    assert rows_away("one\ntwo\nthree", cursor, 40, distance, column) == found


def test_going_up_and_down_stays_on_the_row_of_a_long_line() -> None:
    assert rows_away("abcdefgh", 7, 4, -1, 3) == 3
    assert rows_away("abcdefgh", 7, 4, -1, 9) == 3  # not 4, which begins the next row
    assert rows_away("abcd", 4, 4, -1, 0) == 0  # from the row that is there for the cursor
    assert rows_away("中文中文", 3, 4, -1, 1) == 0
    assert rows_away("ab", 0, 0, 1, 0) == 1


@given(TEXTS, st.integers(0, 12), st.data())
def test_rows_hold_the_whole_text_and_the_cursor(
    text: str, width: int, data: st.DataObject
) -> None:
    cursor = data.draw(st.sampled_from(boundaries(text)))
    layout = lay_out(text, cursor, width)
    assert all(cells(row) <= max(1, width) for row in layout.rows)
    assert 0 <= layout.row < len(layout.rows)
    assert 0 <= layout.column < max(1, width)
    assert layout.column <= cells(layout.rows[layout.row])


@given(TEXTS, st.integers(1, 12), st.integers(-3, 3), st.integers(0, 12), st.data())
def test_going_to_another_row_gets_there(
    text: str, width: int, distance: int, column: int, data: st.DataObject
) -> None:
    cursor = data.draw(st.sampled_from(boundaries(text)))
    before = lay_out(text, cursor, width)
    found = rows_away(text, cursor, width, distance, column)
    if found is None:
        assert not 0 <= before.row + distance < len(before.rows)
    else:
        assert found in boundaries(text)
        after = lay_out(text, found, width)
        assert after.column <= max(column, 0) or after.column == 0
