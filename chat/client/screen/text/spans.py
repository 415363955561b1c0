"""Build rows of the screen from spans of styled text: measure, cut, mark and wrap them.

All texts here are sanitized already, and have no line ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, TypeAlias

from chat.client.screen.text.cells import ELLIPSIS, cells, clip, wrap_offsets
from chat.client.screen.text.styles import TEXT, Style


class Span(NamedTuple):
    """Hold a piece of a row in one style."""

    text: str
    style: Style = TEXT


# One row of the screen, or a line before it is wrapped.
Row: TypeAlias = list[Span]


class Found(Protocol):
    """List what marking needs from a match."""

    def start(self) -> int: ...

    def end(self) -> int: ...


class Finder(Protocol):
    """Find what to mark in a text: a pattern, or something that finds names."""

    def finditer(self, string: str, /) -> Iterator[Found]: ...


# An address that a terminal can open. Quotation marks and angle brackets end it, so a row that begins with a piece of
# an address never looks like the beginning of an entry.
_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s<>\"]+")


def text_of(row: Row) -> str:
    """Return the text of ``row`` without its styles."""
    return row[0].text if len(row) == 1 else "".join([span.text for span in row])


def row_width(row: Row) -> int:
    """Return the width of ``row`` in cells."""
    return cells(text_of(row))


def clip_row(row: Row, width: int) -> Row:
    """Return as much of ``row`` as fits into ``width`` cells; no cluster is cut, even where two spans share it."""
    text = text_of(row)
    if cells(text) <= width:
        return row
    return slice_row(row, 0, len(clip(text, width)))


def fill_row(row: Row, width: int, style: Style) -> Row:
    """Return ``row`` in exactly ``width`` cells: cut, or followed by blanks."""
    shown = clip_row(row, width)
    missing = width - row_width(shown)
    return [*shown, Span(" " * missing, style)] if missing > 0 else shown


def mark(row: Row, finder: Finder, style: Style) -> Row:
    """Return ``row`` with all matches of ``finder`` in ``style``; a match may run over several spans."""
    text = text_of(row)
    found = [(match.start(), match.end()) for match in finder.finditer(text)]
    found = [(start, end) for start, end in found if start < end]
    if not found:
        return row
    marked: Row = []
    between = zip(
        [0, *(end for _, end in found)], [*(start for start, _ in found), len(text)], strict=True
    )
    for number, piece in enumerate(slice_rows(row, between)):
        if number:
            start, end = found[number - 1]
            marked.append(Span(text[start:end], style))
        marked += piece
    return marked


def wrap_row(
    row: Row, width: int, indent: int, *, hanging: bool = True, url_width: int | None = None
) -> list[Row]:
    """Wrap a line into rows of at most ``width`` cells, each after ``indent`` blanks.

    If ``hanging``, the first row has no indent. Otherwise all rows also begin with the blanks of the line, up to half
    of the width, so that indented code stays in its column. An address that does not fit between the indent and the
    edge gets rows that begin at the edge, so that a terminal sees as much of it in one piece as possible. These rows
    have up to ``url_width`` cells, if that is more than ``width``. A width under 1 counts as 1.
    """
    width = max(1, width)
    url_width = max(width, url_width or 0)
    indent = min(indent, width - 1)
    first_indent = 0 if hanging else indent
    text = text_of(row)
    if cells(text) <= width - first_indent:
        return [indented(row, first_indent)]
    blanks_before = 0 if hanging else len(text) - len(text.lstrip(" "))
    if blanks_before:
        row, text = slice_row(row, blanks_before), text[blanks_before:]
        first_indent = indent = max(indent, min(indent + blanks_before, width // 2))
        if cells(text) <= width - indent:  # blanks alone, or more of them than half of the width
            return [indented(row, indent)]
    rows = []
    offsets = _row_offsets(text, width, first_indent, indent, url_width)
    pieces = slice_rows(row, [(start, end) for start, end, _ in offsets])
    for (start, end, blanks), piece in zip(offsets, pieces, strict=True):
        # Only rows that begin at the edge can be those of an address.
        if cells(text[start:end]) > (width - blanks if blanks else url_width):  # one wide cluster
            piece = [Span(ELLIPSIS, piece[0].style)]
        rows.append(indented(piece, blanks))
    return rows


def indented(row: Row, blanks: int) -> Row:
    """Return ``row`` after so many blanks."""
    return [Span(" " * blanks), *row] if blanks else row


def joined(pieces: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Join neighbours with the same attribute, so that curses gets a cluster that two spans share in one piece."""
    text, attribute = "", 0
    for piece, its_attribute in pieces:
        if text and its_attribute != attribute:
            yield text, attribute
            text = ""
        text, attribute = text + piece, its_attribute
    if text:
        yield text, attribute


def _row_offsets(
    text: str, width: int, first_indent: int, indent: int, url_width: int
) -> list[tuple[int, int, int]]:
    """Return the rows as (start, end, indent)."""
    rows: list[tuple[int, int, int]] = []
    position = 0
    if "://" in text:
        for url in _URL.finditer(text):
            if cells(url[0]) > width - indent:
                rows += _words(text, position, url.start(), width, first_indent, indent)
                rows += _offsets(text, url.start(), url.end(), url_width, 0, 0)
                position = url.end()
                first_indent = indent
    if position and not text[position:].strip(" "):
        return rows
    return rows + _words(text, position, len(text), width, first_indent, indent)


def _words(
    text: str, start: int, end: int, width: int, first_indent: int, indent: int
) -> list[tuple[int, int, int]]:
    """Return the rows of the text before, between or after addresses."""
    while start and start < end and text[start] == " ":
        start += 1
    if start == end:
        return []
    return _offsets(text, start, end, width, first_indent, indent)


def _offsets(
    text: str, start: int, end: int, width: int, first_indent: int, indent: int
) -> list[tuple[int, int, int]]:
    pairs = wrap_offsets(text[start:end], width - indent, width - first_indent)
    rows = [(start + left, start + right, indent) for left, right in pairs]
    rows[0] = (rows[0][0], rows[0][1], first_indent)
    return rows


def slice_row(row: Row, start: int, end: int | None = None) -> Row:
    """Return the characters from ``start`` to ``end`` of the text of ``row``, with their styles."""
    length = sum(len(span.text) for span in row)
    return next(slice_rows(row, [(start, length if end is None else end)]))


def slice_rows(row: Row, pieces: Iterable[tuple[int, int]]) -> Iterator[Row]:
    """Yield one row for each of ``pieces``, (start, end) in the text of ``row``, which must not go back.

    All together take one walk through the spans: a text with much markup has thousands.
    """
    index = offset = 0  # a span that no earlier piece has passed, and where it begins
    for start, end in pieces:
        piece: Row = []
        while index < len(row):
            span = row[index]
            length = len(span.text)
            left, right = max(start - offset, 0), min(end - offset, length)
            if left < right:
                whole = left == 0 and right == length
                piece.append(span if whole else Span(span.text[left:right], span.style))
            if right < length:
                break
            offset += length
            index += 1
        yield piece
