"""The part of a view's log that fits on the screen, and scrolling in it.

A view knows the row at the bottom of the screen, not how many rows there are: nothing is wrapped but what is drawn.
Rows of entries are remembered while width, name and search stay the same, so drawing again costs little.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from itertools import islice

from chat.client.screen.entries import Entry, Shared
from chat.client.screen.lines import Pattern, day_name, entry_lines, local_day
from chat.client.screen.spans import Row, Span, clip_row, indented, wrap_row
from chat.client.screen.styles import DIM, RULE, UNREAD_MARKER, Style
from chat.client.screen.views import Position, View

# Rows that are remembered, some dozens of pages. Each is several objects, and Python's garbage collector looks through
# all there are while somebody who types waits.
MAX_REMEMBERED = 3_000
# Of one entry; 64 KiB of line ends would be a log of their own. What is saved is complete.
MAX_LINES = 500
# The width of a time, so that words stand under words, where the screen has room for that.
_INDENT = 11


class LogPane:
    """``width`` in cells. One pane serves all views."""

    def __init__(self) -> None:
        self._style: tuple[object, ...] = ()
        self._width = 1
        self._mentions = re.compile("")
        self._match: Pattern | None = None
        self._rows: dict[Entry, tuple[Hashable, list[Row]]] = {}
        self._remembered = 0

    def prepare(self, width: int, mentions: Pattern, match: Pattern | None) -> None:
        """What everything below goes by: see ``entry_lines``. A width under 1 counts as 1."""
        style = (width, mentions, match)
        if style != self._style:
            self._style = style
            self._width, self._mentions, self._match = max(1, width), mentions, match
            self.forget()

    def rows(self, view: View, height: int) -> list[Row]:
        """At most ``height`` rows, so that the row of the anchor is the last one, or as near to it as can be."""
        bottom = self._bottom(view)
        if bottom is None or height < 1:
            return []
        rows: list[Row] = []
        for number, block in self._upward(view, bottom):
            kept = block[: bottom.line + 1] if number == bottom.number else block
            rows[:0] = kept[-(height - len(rows)) :]
            if len(rows) >= height:
                return rows
        return rows + list(islice(self._downward(view, bottom), height - len(rows)))

    def scroll(self, view: View, by: int, height: int) -> None:
        """Move ``by`` rows down, or up if it is negative; never past the first screenful or the last row."""
        bottom = self._bottom(view)
        if bottom is None:
            return
        if by < 0:
            self._anchor(view, self._full_screen(view, self._walk_up(view, bottom, -by), height))
        else:
            self._anchor(view, self._walk_down(view, bottom, by))

    def scroll_to(self, view: View, number: int, height: int) -> None:
        """Show the entry ``number`` in the middle of the screen, or as near to it as can be."""
        if not view.first <= number <= view.last:
            return
        position = self._walk_down(view, Position(number, 0), height // 2)
        if position is not None:
            position = self._full_screen(view, position, height)
        self._anchor(view, position)

    def scroll_to_top(self, view: View, height: int) -> None:
        if view.last >= view.first:
            self._anchor(view, self._full_screen(view, Position(view.first, 0), height))

    def _anchor(self, view: View, position: Position | None) -> None:
        """None, or the last row: stay at the bottom, whatever comes."""
        view.scroll_to(None if position == self._last(view) else position)

    def _last(self, view: View) -> Position:
        """The last row of all."""
        return Position(view.last, len(self._block(view, view.last)) - 1)

    def _bottom(self, view: View) -> Position | None:
        """The row that is to be at the bottom; None if there is none. What the anchor was put on may be gone."""
        if view.last < view.first:
            return None
        anchor = view.anchor
        if anchor is None or anchor.number > view.last:
            return self._last(view)
        number = max(anchor.number, view.first)
        line = anchor.line if number == anchor.number else 0
        return Position(number, min(line, len(self._block(view, number)) - 1))

    def _full_screen(self, view: View, position: Position, height: int) -> Position:
        """``position``, or the lowest of the first screenful if that is further down."""
        height = max(1, height)
        top = self._walk_up(view, position, height - 1)
        bottom = self._walk_down(view, top, height - 1)
        return self._last(view) if bottom is None else bottom

    def _walk_up(self, view: View, position: Position, rows: int) -> Position:
        """At most to the very first row."""
        number, line = position
        while rows > line and number > view.first:
            rows -= line + 1
            number -= 1
            line = len(self._block(view, number)) - 1
        return Position(number, max(0, line - rows))

    def _walk_down(self, view: View, position: Position, rows: int) -> Position | None:
        """None: past the last row."""
        number, line = position
        while number <= view.last:
            below = len(self._block(view, number)) - 1 - line
            if rows <= below:
                return Position(number, line + rows)
            rows -= below + 1
            number, line = number + 1, 0
        return None

    def _upward(self, view: View, position: Position) -> Iterator[tuple[int, list[Row]]]:
        for number in range(position.number, view.first - 1, -1):
            yield number, self._block(view, number)

    def _downward(self, view: View, position: Position) -> Iterator[Row]:
        """The rows below ``position``."""
        yield from self._block(view, position.number)[position.line + 1 :]
        for number in range(position.number + 1, view.last + 1):
            yield from self._block(view, number)

    def _block(self, view: View, number: int) -> list[Row]:
        """The rows of an entry, with the rules that stand before it."""
        entry = view[number]
        rows = self._entry_rows(entry)
        rules = []
        if number == view.left_off and number > view.first:
            rules.append(self._rule("new", UNREAD_MARKER))
        day = local_day(entry.moment)
        if number == view.first or day != local_day(view[number - 1].moment):
            rules.append(self._rule(day_name(day), RULE))
        return rules + rows if rules else rows

    def _entry_rows(self, entry: Entry) -> list[Row]:
        version = entry.version
        known = self._rows.get(entry)
        if known is not None:
            if known[0] == version:
                return known[1]
            self._remembered -= len(known[1])
        rows = self._wrap(entry)
        if self._remembered + len(rows) > MAX_REMEMBERED:
            self.forget()
        self._rows[entry] = version, rows
        self._remembered += len(rows)
        return rows

    def forget(self) -> None:
        """Make every row anew, because the time zone has changed, of which rows know nothing."""
        self._rows.clear()
        self._remembered = 0

    def _wrap(self, entry: Entry) -> list[Row]:
        width = self._width
        # Never none, as long as there are two columns: what is indented can't look like an entry of its own.
        indent = min(_INDENT, width // 7 + 1)
        first, *further = entry_lines(entry, self._mentions, self._match)
        rows = wrap_row(first, width, indent)
        left_out = len(further) - MAX_LINES
        if left_out > 0:
            further[MAX_LINES:] = [[Span(f"… and {left_out} more lines", DIM)]]
        for line in further:
            rows += wrap_row(line, width, indent, hanging=False)
        if isinstance(entry, Shared):
            rows += (indented(clip_row(row, width - indent), indent) for row in entry.picture)
        return rows

    def _rule(self, words: str, style: Style) -> Row:
        """``── words ─────``"""
        row = [Span(f"── {words} ", style), Span("─" * self._width, style)]
        return clip_row(row, self._width)
