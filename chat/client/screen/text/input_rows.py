"""Lay out the draft in rows of the screen, with a cursor in them.

A row ends where it is full, not at a word, so that no text moves while the user types. A character that a terminal
would obey is shown sanitized; the text itself keeps it.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import NamedTuple

from chat.client.screen.text.cells import ELLIPSIS, cells, clusters, is_one_cell_each
from chat.sanitize import sanitize


class Layout(NamedTuple):
    """Hold ``rows`` as they are drawn, and the cell of the cursor: its row and column, from 0, within the width."""

    rows: tuple[str, ...]
    row: int
    column: int

    def window(self, height: int) -> Layout:
        """Return at most ``height`` rows (at least one) around the cursor, which is in the middle where possible."""
        height = max(1, height)
        top = max(0, min(self.row - height // 2, len(self.rows) - height))
        return Layout(self.rows[top : top + height], self.row - top, self.column)


class _Row(NamedTuple):
    """Show the code points from ``start`` to ``end`` of the text."""

    shown: str
    start: int
    end: int


def lay_out(text: str, cursor: int, width: int) -> Layout:
    """Lay out ``text`` in rows of at most ``width`` cells (at least one), the cursor before code point ``cursor``."""
    width = max(1, width)
    rows, row, column = _place(text, cursor, width)
    return Layout(tuple(row.shown for row in rows), row, column)


def rows_away(text: str, cursor: int, width: int, distance: int, column: int) -> int | None:
    """Return the position ``distance`` rows below ``cursor`` (negative: above), near ``column``.

    Return None if there is no such row.
    """
    width = max(1, width)
    rows, row, _ = _place(text, cursor, width)
    row += distance
    if not 0 <= row < len(rows):
        return None
    _, start, end = rows[row]
    # At the end of a full row that goes on, the cursor is drawn at the start of the next row, so it must stop one
    # cluster earlier.
    goes_on = row + 1 < len(rows) and rows[row + 1].start == end
    used, position = 0, start
    for cluster in clusters(text[start:end]):
        used += cells(_shown(cluster, width))
        if used > column or (goes_on and position + len(cluster) == end):
            break
        position += len(cluster)
    return position


def _place(text: str, cursor: int, width: int) -> tuple[list[_Row], int, int]:
    """Return all rows, and the row and column of the cursor."""
    rows: list[_Row] = []
    cursor_row = column = offset = 0
    for line in text.split("\n"):
        first = len(rows)
        pieces = _rows_of_line(line, width)
        rows += [_Row(shown, offset + start, offset + end) for shown, start, end in pieces]
        if offset <= cursor <= offset + len(line):
            inside = cursor - offset
            index = bisect_right(pieces, inside, key=lambda piece: piece.start) - 1
            column = _columns(line[pieces[index].start : inside], width)
            cursor_row = first + index
            if column >= width:  # at the end of a full row: it needs a cell of its own
                rows.append(_Row("", cursor, cursor))
                cursor_row, column = len(rows) - 1, 0
        offset += len(line) + 1
    return rows, cursor_row, column


# While the user types, all lines but one stay unchanged.
@lru_cache(maxsize=128)
def _rows_of_line(line: str, width: int) -> tuple[_Row, ...]:
    if _is_drawn_as_it_is(line):
        starts = range(0, max(1, len(line)), width)
        return tuple(
            _Row(line[start : start + width], start, min(start + width, len(line)))
            for start in starts
        )
    rows: list[_Row] = []
    shown: list[str] = []
    start = position = used = 0
    for cluster in clusters(line):
        piece = _shown(cluster, width)
        if used + cells(piece) > width:
            rows.append(_Row("".join(shown), start, position))
            shown, start, used = [], position, 0
        shown.append(piece)
        used += cells(piece)
        position += len(cluster)
    return (*rows, _Row("".join(shown), start, position))


def _columns(text: str, width: int) -> int:
    if _is_drawn_as_it_is(text):
        return len(text)
    return sum(cells(_shown(cluster, width)) for cluster in clusters(text))


def _is_drawn_as_it_is(text: str) -> bool:
    """Return whether each code point takes one cell: most texts, and much faster than cluster by cluster."""
    return text.isprintable() and is_one_cell_each(text)


def _shown(cluster: str, width: int) -> str:
    """Return ``cluster`` as it is drawn, never wider than a row."""
    shown = sanitize(cluster)
    return shown if cells(shown) <= width else ELLIPSIS
