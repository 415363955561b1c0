"""Make rows of spans of the lines of a text, with the styles of their markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import repeat

from chat.client.screen.markup import inline
from chat.client.screen.markup.blocks import lex
from chat.client.screen.markup.code_colours import CodeColours, CodePart
from chat.client.screen.text.spans import Row, Span
from chat.client.screen.text.styles import (
    CODE,
    EMPHASIS,
    LINK,
    MARKER,
    QUOTE,
    STRONG,
    Layered,
)

# Of a longer text, only the first lines have styles, so that no text takes longer than a frame. The log shows no more
# lines.
MAX_MARKED_UP, MAX_LINES = 16 * 1024, 500  # characters, lines
_SIGNS = re.compile("[`~*_>]")

_STYLES = (
    (inline.QUOTE, QUOTE),
    (inline.EMPHASIS, EMPHASIS),
    (inline.STRONG, STRONG),
    (inline.LINK, LINK),
    (inline.CODE, CODE),
    (inline.MARKER, MARKER),
)


def marked_up(lines: Sequence[str], base: str, colours: CodeColours | None = None) -> list[Row]:
    """Return a row for each of the ``lines``, with the same text; ``base`` is the style below that of the markup.

    ``colours`` are for the parts of code.
    """
    if len(lines) == 1 and _is_plain(lines[0]):
        return [[Span(lines[0], base)]]  # as nearly always
    length, count = 0, 0
    for line in lines[:MAX_LINES]:
        length += len(line)
        if length > MAX_MARKED_UP:
            break
        count += 1
    found = lex(lines[:count])
    rows = [
        *(_row(line, its_marks, base) for line, its_marks in zip(lines, found.marks, strict=False)),
        *([Span(line, base)] for line in lines[count:]),
    ]
    for language, first, end in found.blocks:
        code = None if colours is None else colours.parts(language, lines[first:end])
        if code is not None:
            rows[first:end] = map(_code_row, lines[first:end], code, repeat(base))
    return rows


def _code_row(line: str, parts: Sequence[CodePart], base: str) -> Row:
    usual = _style(inline.CODE, base)
    row: Row = []
    position = 0
    for start, end, style in parts:
        if position < start:
            row.append(Span(line[position:start], usual))
        row.append(Span(line[start:end], Layered(base, (CODE, style))))
        position = end
    if position < len(line) or not line:
        row.append(Span(line[position:], usual))
    return row


def _is_plain(line: str) -> bool:
    """Return whether ``line`` has nothing that markup is made of."""
    return _SIGNS.search(line) is None and "://" not in line and "mailto:" not in line


def _row(line: str, marks: Sequence[inline.InlineMark], base: str) -> Row:
    if not marks:
        return [Span(line, base)]
    row: Row = []
    position = 0
    for start, end, kinds in marks:
        if position < start:
            row.append(Span(line[position:start], base))
        row.append(Span(line[start:end], _style(kinds, base)))
        position = end
    if position < len(line):
        row.append(Span(line[position:], base))
    return row


@cache
def _style(kinds: int, base: str) -> Layered:
    return Layered(base, tuple(name for kind, name in _STYLES if kinds & kind))
