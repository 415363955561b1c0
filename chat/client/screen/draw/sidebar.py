"""List the open views in a column at the left, each with what is unread in it.

::

    >1 #lobby       │
     2 #dev       12│
     3 =den     @1 4│
     4  bob       @2│
    … 9 more      @3│

A row has the number that Alt takes, the sign of the room's kind or of the user, the name, and the unread messages:
``@`` stands before those that are for the user. Characters tell all that colours tell.
"""

from __future__ import annotations

from collections.abc import Sequence

from chat.client.screen.model.model import Model
from chat.client.screen.model.views import Badge, View
from chat.client.screen.text.cells import cells, elide
from chat.client.screen.text.spans import Row, Span, clip_row, fill_row, row_width
from chat.client.screen.text.styles import (
    DIM,
    SIDEBAR,
    SIDEBAR_ACTIVE,
    SIDEBAR_ALERT,
    SIDEBAR_UNREAD,
)
from chat.sanitize import sanitize

# Columns of the screen from which on there is room for the sidebar.
MIN_COLUMNS = 80
_MIN_WIDTH, _MAX_WIDTH = 16, 30
# Cells beside a name: what stands before it; the unread messages, with the blank before them; the border.
_BEFORE, _UNREAD, _BORDER = 4, 7, 1
_LEAST_NAME = 4
# Larger numbers tell nothing more, and would change with each frame.
_MAX_CALLS, _MAX_UNREAD = 99, 999
# Views that have a key.
_NUMBERED = 9


def sidebar_width(model: Model, columns: int) -> int:
    """Return the width of the sidebar on a screen of so many columns; 0 if it is not shown."""
    if not model.wants_sidebar or columns < MIN_COLUMNS or model.bare is not None:
        return 0
    # The keys and the commands have two columns of their own.
    if model.page is not None and model.page.is_help:
        return 0
    longest = max(cells(sanitize(model.name_of(view))) for view in model.views)
    widest = max(_MIN_WIDTH, min(_MAX_WIDTH, columns // 4))
    return min(max(_MIN_WIDTH, _BEFORE + longest + _UNREAD + _BORDER), widest)


class Sidebar:
    """Draw the sidebar. It stays where it is as long as the current view is in it."""

    def __init__(self) -> None:
        self._first = 0  # the number of the first view that is shown, from 0
        self._shown: Sequence[View] = ()
        self._followed: object = None

    def rows(self, model: Model, width: int, height: int) -> list[Row]:
        """Return ``height`` rows of ``width`` cells; the last one counts the views that have no row."""
        views = model.views
        shown = self._shown = views[self._scroll(model, height) :][: _page(len(views), height)]
        numbers = range(self._first + 1, self._first + 1 + len(shown))
        rows = [
            _row(model, view, number, width) for number, view in zip(numbers, shown, strict=True)
        ]
        if len(shown) < len(views) and len(rows) < height:
            rows.append(_others(views, shown, width))
        rows = rows[:height] + [[] for _ in range(height - len(rows))]
        return [[*fill_row(row, width - 1, SIDEBAR), Span("│", DIM)] for row in rows]

    def view_at(self, row: int) -> View | None:
        """Return the view in this row of the last drawing, from 0; None if the row has none, or it was closed since."""
        return self._shown[row] if 0 <= row < len(self._shown) else None

    def turn(self, model: Model, height: int) -> None:
        """Show the next page of views; the first follows the last."""
        page = _page(len(model.views), height)
        self._first = self._first + page if self._first + page < len(model.views) else 0

    def _scroll(self, model: Model, height: int) -> int:
        """Return the number of the first view to show: as before, unless the current one would be out of sight."""
        count, page = len(model.views), _page(len(model.views), height)
        followed = (id(model.current), count, height)
        if followed != self._followed:
            self._followed = followed
            current = model.views.index(model.current)
            self._first = min(max(self._first, current - page + 1), current)
        self._first = max(0, min(self._first, count - page))
        return self._first


def _page(count: int, height: int) -> int:
    """Return how many of ``count`` views have a row."""
    return count if count <= height else max(1, height - 1)


def _row(model: Model, view: View, number: int, width: int) -> Row:
    is_current = view is model.current
    key = str(number) if number <= _NUMBERED else " "
    badge = Badge() if view is model.shown else view.badge
    words = _words(badge)
    end = f" {words}" if words else ""
    space = max(_LEAST_NAME, width - _BORDER - _BEFORE - cells(end))
    name = elide(sanitize(model.name_of(view)), space)
    is_outside = view.room is not None and not view.room.is_inside
    style = DIM if is_outside else SIDEBAR_ALERT if badge.calls else SIDEBAR
    if badge.unread and not badge.calls:
        style = SIDEBAR_UNREAD
    if is_current:
        style = SIDEBAR_ACTIVE
    row = [
        Span(f"{'>' if is_current else ' '}{key} {model.sign_of_view(view)}", style),
        Span(name, style),
    ]
    missing = width - _BORDER - row_width(row) - cells(end)
    return clip_row([*row, Span(" " * max(0, missing) + end, style)], width - _BORDER)


def _words(badge: Badge) -> str:
    """Return the counts, such as ``12``, ``@3`` if all are for the user, or ``@1 12``."""
    unread, calls = _capped(badge.unread, _MAX_UNREAD), _capped(badge.calls, _MAX_CALLS)
    if not badge.calls:
        return unread if badge.unread else ""
    return f"@{calls}" if badge.calls == badge.unread else f"@{calls} {unread}"


def _capped(count: int, most: int) -> str:
    return str(count) if count <= most else f"{most}+"


def _others(views: Sequence[View], shown: Sequence[View], width: int) -> Row:
    """Return the row that counts the views without a row, and what is unread in them."""
    others = [view.badge for view in views if view not in shown]
    badge = Badge(sum(each.unread for each in others), sum(each.calls for each in others))
    words = _words(badge)
    end = f" {words}" if words else ""
    text = elide(f"… {len(others)} more", max(0, width - _BORDER - cells(end)))
    missing = width - _BORDER - cells(text) - cells(end)
    return [
        Span(text + " " * max(0, missing), DIM),
        Span(end, SIDEBAR_ALERT if badge.calls else DIM),
    ]
