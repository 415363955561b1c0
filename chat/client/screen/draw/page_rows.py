"""Wrap the lines of a page, such as the help: a key or a command, and beside it what that does."""

from __future__ import annotations

import re

from chat.client.screen.text.cells import cells
from chat.client.screen.text.spans import Row, row_width, slice_row, text_of, wrap_row

_SECOND_COLUMN = re.compile(r" *\S.*? {2,}(?=\S)")
_INDENT = 4


def page_rows(line: Row, width: int) -> list[Row]:
    """Return the rows of a line: the second column stays in its column, or moves below if that is too far right."""
    if row_width(line) <= width:
        return [line]
    text, indent = text_of(line), min(_INDENT, width // 4)
    match = _SECOND_COLUMN.match(text)
    if match is None:
        return wrap_row(line, width, indent)
    column = cells(match[0])
    if column <= width // 2:
        return wrap_row(line, width, column)
    first = slice_row(line, 0, len(match[0].rstrip()))
    return [
        *wrap_row(first, width, indent),
        *wrap_row(slice_row(line, match.end()), width, indent, hanging=False),
    ]
