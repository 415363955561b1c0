"""Draw the part of a view's log that fits on the screen, and scroll in it.

A view stores the row at the bottom of the screen, not a number of rows. So only the entries that are drawn are wrapped.
Wrapped rows are cached while width, name and search stay equal, so that drawing again costs little.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from chat.client.frontends.clock import sample_time
from chat.client.frontends.wording import new_words
from chat.client.screen.draw.lines import day_name, entry_lines, local_day
from chat.client.screen.draw.page_rows import page_rows
from chat.client.screen.markup.code_colours import CodeColours
from chat.client.screen.markup.styled import marked_up
from chat.client.screen.model.entries import Entry, PageLine, Shared
from chat.client.screen.model.search import EntryMatcher
from chat.client.screen.model.views import Position, View
from chat.client.screen.text.cells import cells
from chat.client.screen.text.spans import Finder, Row, Span, clip_row, indented, text_of, wrap_row
from chat.client.screen.text.styles import CURRENT_MATCH, DIM, RULE, UNREAD_MARKER, Style
from chat.sanitize import sanitize

# Rows in the cache, some dozens of pages. Each row is several objects, and Python's garbage collector traverses all of
# them while a user who types waits.
MAX_REMEMBERED = 3_000
# Rules in another cache: every walk through the log passes those of its days.
MAX_RULES = 100
# Lines shown of one entry: 64 KiB of line ends would fill a log. A saved log has all of them.
MAX_LINES = 500


class _Block(NamedTuple):
    """Hold the rows of an entry. The first ``above`` of them are rules, which other entries may add and remove."""

    rows: list[Row]
    above: int = 0

    @property
    def first(self) -> int:
        """Return the line of the first row, as a ``Position`` counts."""
        return -self.above

    @property
    def last(self) -> int:
        """Return the line of the last row."""
        return len(self.rows) - self.above - 1


class LogPane:
    """Draw the log of any view; ``width`` is in cells. ``colours`` are for code."""

    def __init__(self, colours: CodeColours | None = None) -> None:
        self._colours = colours
        self._style: tuple[object, ...] = ()
        self._width = 1
        self._url_width: int | None = None
        self._mentions: Finder | None = None
        self._match: EntryMatcher | None = None
        self._current: int | None = None
        self._marks_up = True
        self._rows: dict[Entry, tuple[Hashable, list[Row]]] = {}
        self._remembered = 0
        # Each frame asks for the day of every entry on the screen, and of the entry before it.
        self._local_day = lru_cache(MAX_REMEMBERED)(local_day)

    def prepare(
        self,
        width: int,
        mentions: Finder,
        match: EntryMatcher | None,
        *,
        current: int | None = None,
        url_width: int | None = None,
        marks_up: bool = True,
    ) -> None:
        """Set the width and what to mark: see ``entry_lines``. A width under 1 counts as 1.

        ``current`` is the number of the entry that is the current match. ``url_width`` is the width for addresses that
        do not fit: see ``wrap_row``. ``marks_up``: texts have the styles of their markup.
        """
        self._current = current
        style = (width, mentions, match, url_width, marks_up)
        if style != self._style:
            self._style = style
            self._width, self._mentions, self._match = max(1, width), mentions, match
            self._url_width, self._marks_up = url_width, marks_up
            self.forget()

    def rows(self, view: View, height: int) -> list[Row]:
        """Return at most ``height`` rows that end with the row of the anchor, or as near to it as possible."""
        bottom = self._bottom(view)
        if bottom is None or height < 1:
            return []
        rows: list[Row] = []
        for number in range(bottom.number, view.first - 1, -1):
            kept, above = self._block(view, number)
            if number == bottom.number:
                kept = kept[: above + bottom.line + 1]
            rows[:0] = kept[-(height - len(rows)) :]
            if len(rows) >= height:
                return rows
        return rows + list(islice(self._downward(view, bottom), height - len(rows)))

    def lines_upward(self, view: View) -> Iterator[str]:
        """Yield the lines of the log, not wrapped, without rules and pictures, from the bottom of the screen up."""
        bottom = self._bottom(view)
        if bottom is None:
            return
        for number in range(bottom.number, view.first - 1, -1):
            lines = [text_of(line) for line in entry_lines(view[number])]
            if number == bottom.number:
                # The part of the entry that is above the bottom, as far as its rows tell.
                rows = self._block(view, number).last + 1
                del lines[-(-len(lines) * max(0, bottom.line + 1) // rows) :]
            yield from reversed(lines)

    def scroll(self, view: View, by: int, height: int) -> None:
        """Move ``by`` rows down, or up if negative; never past the first screenful or the last row."""
        bottom = self._bottom(view)
        if bottom is None:
            return
        if by < 0:
            self._anchor(view, self._full_screen(view, self._walk_up(view, bottom, -by), height))
        else:
            # Above the end of the first screenful, the anchored row stands higher than at the bottom.
            bottom = self._full_screen(view, bottom, height)
            self._anchor(view, self._walk_down(view, bottom, by))

    def scroll_to(self, view: View, number: int, height: int) -> None:
        """Show the entry ``number`` in the middle of the screen, or as near to it as possible.

        If the entry is the current match, the row with the text that matches is in the middle.
        """
        if not view.first <= number <= view.last:
            return
        line = self._matching_line(view, number) if number == self._current else 0
        position = self._walk_down(view, Position(number, line), height // 2)
        if position is not None:
            position = self._full_screen(view, position, height)
        self._anchor(view, position)

    def scroll_to_top(self, view: View, height: int) -> None:
        """Show the oldest entries."""
        if view.last >= view.first:
            self._anchor(view, self._full_screen(view, self._top(view), height))

    def scroll_above(self, view: View, number: int, height: int) -> None:
        """Show the entries before ``number``: the last of them at the bottom of the screen."""
        if view.first < number <= view.last:
            position = Position(number - 1, self._block(view, number - 1).last)
            self._anchor(view, self._full_screen(view, position, height))

    def scroll_from(self, view: View, number: int, height: int) -> None:
        """Show the entries from ``number`` on: the first of them at the top of the screen."""
        if view.first <= number <= view.last:
            top = Position(number, self._block(view, number).first)
            self._anchor(view, self._walk_down(view, top, max(1, height) - 1))

    def hold(self, view: View) -> None:
        """Stay at what is shown, even if it is the end and entries are added."""
        if view.anchor is None and view.last >= view.first:
            view.scroll_to(self._last(view))

    def is_near_top(self, view: View, height: int, screens: int) -> bool:
        """Return whether at most so many screenfuls of rows are above the screen."""
        bottom, rows = self._bottom(view), max(0, (screens + 1) * height - 1)
        return bottom is None or self._walk_up(view, bottom, rows) == self._top(view)

    def is_near_bottom(self, view: View, height: int) -> bool:
        """Return whether at most a screenful of rows is below the screen."""
        bottom = self._bottom(view)
        return bottom is None or self._walk_down(view, bottom, height + 1) is None

    def _matching_line(self, view: View, number: int) -> int:
        """Return the first row of the entry that has a mark of the search beside that of its time."""
        rows, above = self._block(view, number)
        marks = [sum(span.style == CURRENT_MATCH for span in row) for row in rows[above:]]
        first = next((line for line, count in enumerate(marks) if count), 0)  # the row of the time
        marks[first] -= 1
        return next((line for line, count in enumerate(marks) if count > 0), first)

    def _anchor(self, view: View, position: Position | None) -> None:
        """Put ``position`` at the bottom; None, or the last row, means to follow new entries."""
        view.scroll_to(None if position == self._last(view) else position)

    def _last(self, view: View) -> Position:
        """Return the position of the last row."""
        return Position(view.last, self._block(view, view.last).last)

    def _top(self, view: View) -> Position:
        """Return the position of the first row."""
        return Position(view.first, self._block(view, view.first).first)

    def _bottom(self, view: View) -> Position | None:
        """Return the row at the bottom of the screen; None if the log is empty. The anchored row may be gone."""
        if view.last < view.first:
            return None
        anchor = view.anchor
        if anchor is None or anchor.number > view.last:
            return self._last(view)
        # If the anchored entry was dropped, the oldest one that is left takes its place.
        number = max(anchor.number, view.first)
        line = anchor.line if number == anchor.number else 0
        block = self._block(view, number)
        return Position(number, max(block.first, min(line, block.last)))

    def _full_screen(self, view: View, position: Position, height: int) -> Position:
        """Return ``position``, or the end of the first screenful if that is further down."""
        height = max(1, height)
        top = self._walk_up(view, position, height - 1)
        bottom = self._walk_down(view, top, height - 1)
        return self._last(view) if bottom is None else bottom

    def _walk_up(self, view: View, position: Position, rows: int) -> Position:
        """Return the position so many rows up, or the first row."""
        number, line = position
        block = self._block(view, number)
        while rows > line - block.first and number > view.first:
            rows -= line - block.first + 1
            number -= 1
            block = self._block(view, number)
            line = block.last
        return Position(number, max(block.first, line - rows))

    def _walk_down(self, view: View, position: Position, rows: int) -> Position | None:
        """Return the position so many rows down; None if that is past the last row."""
        number, line = position
        while True:
            below = self._block(view, number).last - line
            if rows <= below:
                return Position(number, line + rows)
            rows -= below + 1
            number += 1
            if number > view.last:
                return None
            line = self._block(view, number).first

    def _downward(self, view: View, position: Position) -> Iterator[Row]:
        """Return the rows below ``position``."""
        rows, above = self._block(view, position.number)
        yield from rows[above + position.line + 1 :]
        for number in range(position.number + 1, view.last + 1):
            yield from self._block(view, number).rows

    def _block(self, view: View, number: int) -> _Block:
        """Return the rows of an entry, after the rules that stand before it."""
        entry = view[number]
        rows = self._entry_rows(entry, number == self._current)
        if isinstance(entry, PageLine):
            return _Block(rows)
        rules = []
        if number == view.first and view.above is not None:
            rules.append(self._rule(sanitize(view.above), RULE))
        # At the top of the log a rule says something only if it tells since when.
        if number == view.left_off and (number > view.first or view.since is not None):
            rules.append(self._rule(_absence(view, number), UNREAD_MARKER))
        day = self._local_day(entry.moment)
        if number == view.first or day != self._local_day(view[number - 1].moment):
            rules.append(self._rule(day_name(day), RULE))
        return _Block(rules + rows, len(rules)) if rules else _Block(rows)

    def _entry_rows(self, entry: Entry, is_current: bool) -> list[Row]:
        version = entry.version, is_current
        known = self._rows.get(entry)
        if known is not None:
            if known[0] == version:
                return known[1]
            self._remembered -= len(known[1])
        rows = self._wrap(entry, is_current)
        # Dropping the whole cache is enough: the rows on the screen are soon in it again.
        if self._remembered + len(rows) > MAX_REMEMBERED:
            self.forget()
        self._rows[entry] = version, rows
        self._remembered += len(rows)
        return rows

    def forget(self) -> None:
        """Drop all cached rows and days, because the time zone has changed and the cache does not depend on it."""
        self._rows.clear()
        self._local_day.cache_clear()
        self._remembered = 0

    def _wrap(self, entry: Entry, is_current: bool) -> list[Row]:
        width = self._width
        # At least 1, as long as there are two columns: an indented line can't look like another entry.
        # Further lines begin below the text of the first, if the screen is wide enough.
        indent = min(cells(f"<{sample_time()}> "), width // 7 + 1)
        first, *further = entry_lines(
            entry,
            self._mentions,
            self._match,
            is_current=is_current,
            styled=self._styled if self._marks_up else None,
        )
        if isinstance(entry, PageLine):
            return page_rows(first, width)
        rows = wrap_row(first, width, indent, url_width=self._url_width)
        left_out = len(further) - MAX_LINES
        if left_out > 0:
            further[MAX_LINES:] = [[Span(f"… and {left_out} more lines", DIM)]]
        for line in further:
            rows += wrap_row(line, width, indent, hanging=False, url_width=self._url_width)
        if isinstance(entry, Shared):
            rows += (indented(clip_row(row, width - indent), indent) for row in entry.picture)
        return rows

    def _styled(self, lines: Sequence[str], style: str) -> list[Row]:
        return marked_up(lines, style, self._colours)

    def _rule(self, words: str, style: Style) -> Row:
        """Return a rule such as ``── words ─────``."""
        return _cached_rule(words, style, self._width)


@lru_cache(MAX_RULES)
def _cached_rule(words: str, style: Style, width: int) -> Row:
    row = [Span(f"── {words} ", style), Span("─" * width, style)]
    return clip_row(row, width)


def _absence(view: View, number: int) -> str:
    """Return what came while the user was away, such as ``37 new since 12:04``; it begins at the entry ``number``."""
    since = view.since
    if since is None and number > view.first:
        since = view[number - 1].moment
    # In a private view, everything is for the user.
    return new_words(
        view.fresh, since, view[number].moment, view.called if view.peer is None else 0
    )
