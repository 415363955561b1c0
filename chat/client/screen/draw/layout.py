"""Lay out the model in rows of the screen, and place the cursor.

::

    title
    topic, if the room has one
    views | log ........................... names
    views | log ........................... names
    candidates of Tab, while there are several; or the places of the switcher
    status
    input

On a small screen the views and names go first, then the topic, the title, the status, and at last the log: the input is
always shown.
The functions only read the model, except for ``scroll_*``, which move in what it shows.
"""

from __future__ import annotations

from typing import NamedTuple

from chat.client.screen.draw.bare import fitting
from chat.client.screen.draw.bars import status_line, title_line, topic_line
from chat.client.screen.draw.candidate_rows import candidate_rows
from chat.client.screen.draw.log_pane import LogPane
from chat.client.screen.draw.names_column import names_rows, names_width
from chat.client.screen.draw.sidebar import Sidebar, sidebar_width
from chat.client.screen.draw.switcher_rows import switcher_rows
from chat.client.screen.draw.welcome import welcome_rows
from chat.client.screen.draw.window_title import window_title
from chat.client.screen.input.own_keys import USUAL_KEYS, OwnKeys
from chat.client.screen.markup.code_colours import CodeColours
from chat.client.screen.model.model import Model
from chat.client.screen.model.rooms import Membership
from chat.client.screen.model.views import View
from chat.client.screen.text.cells import cells, elide
from chat.client.screen.text.input_rows import lay_out
from chat.client.screen.text.spans import Row, Span, fill_row, row_width, text_of
from chat.client.screen.text.styles import INPUT, PROMPT, TEXT
from chat.sanitize import sanitize

# Columns for the answer to a question. The question must be readable; "y" is enough of an answer.
_MIN_ANSWER_WIDTH = 4
# Rows of the screen from which on the topic has one.
_MIN_ROWS_WITH_TOPIC = 8
# Rows of the switcher.
MAX_PLACES = 10


class Size(NamedTuple):
    """Give the size of the screen in cells; both numbers are at least 0."""

    columns: int
    rows: int


class Cursor(NamedTuple):
    """Give the cell of the cursor, from 0."""

    row: int
    column: int


class Screen(NamedTuple):
    """Hold the whole screen: exactly as many ``rows`` as it has, none wider than it.

    The last ``input_height`` rows are the input. ``cursor`` is None if there is no room for the input. ``bare`` are the
    lines of the bare view, which the terminal shows instead of the rows, and wraps. ``title`` is for the window around
    the screen; None leaves the title as it is.
    """

    rows: list[Row]
    cursor: Cursor | None
    input_height: int = 0
    bare: tuple[str, ...] | None = None
    title: str | None = None


class InputPane(NamedTuple):
    """Hold the rows of the input, and the cell of the cursor in them."""

    rows: list[Row]
    cursor: Cursor


class Renderer:
    """Draw models; hints name the ``keys`` of the user, and code has ``colours``.

    Wrapped rows are cached from one frame to the next.
    """

    def __init__(self, keys: OwnKeys = USUAL_KEYS, colours: CodeColours | None = None) -> None:
        self._keys = keys
        self._log = LogPane(colours)
        self._sidebar = Sidebar()

    def forget(self) -> None:
        """Wrap every row again, because the time zone or the colours of code have changed."""
        self._log.forget()

    def render(self, model: Model, size: Size) -> Screen:
        """Return the screen that shows ``model``."""
        window = window_title(model) if model.shows_title else None
        if model.bare is not None:
            return Screen([], None, bare=model.bare, title=window)
        if size.columns < 1 or size.rows < 1:
            return Screen([[] for _ in range(size.rows)], None, title=window)
        written = _input(model, size)
        title, status = _bars(model, size, self._keys)
        height = size.rows - len(title) - len(status) - len(written.rows)
        log = self._middle(model, size.columns, height)
        rows = [*title, *log, *status, *written.rows]
        row, column = written.cursor
        height = len(written.rows)
        return Screen(rows, Cursor(len(rows) - height + row, column), height, title=window)

    def clicked_view(self, model: Model, column: int, row: int, size: Size) -> View | None:
        """Return the view whose row in the sidebar has this cell. A click on its last row turns to the next page."""
        title, status = _bars(model, size, self._keys)
        height = max(0, size.rows - len(title) - len(status) - len(_input(model, size).rows))
        row -= len(title)
        if column >= sidebar_width(model, size.columns) or not 0 <= row < height:
            return None
        view = self._sidebar.view_at(row)
        if view is None and row == height - 1:
            self._sidebar.turn(model, height)
        return view if view in model.views else None

    def input(self, model: Model, size: Size) -> InputPane:
        """Return the input alone, as ``render`` puts it at the bottom of a screen of at least one cell."""
        return _input(model, size)

    def bare_lines(self, model: Model, size: Size) -> tuple[str, ...]:
        """Return the lines of the bare view, which end at the bottom row of the log."""
        self._prepared(model, size)
        return fitting(self._log.lines_upward(model.shown), size.columns, size.rows)

    def scroll(self, model: Model, rows: int, size: Size) -> None:
        """Scroll the log down by ``rows``, or up if negative."""
        self._log.scroll(model.shown, rows, self._prepared(model, size))

    def scroll_pages(self, model: Model, pages: int, size: Size) -> None:
        """Scroll the log down by ``pages``, or up if negative; consecutive pages share one row."""
        height = self._prepared(model, size)
        self._log.scroll(model.shown, pages * max(1, height - 1), height)

    def scroll_to_top(self, model: Model, size: Size) -> None:
        """Scroll to the oldest row of the log."""
        self._log.scroll_to_top(model.shown, self._prepared(model, size))

    def scroll_above(self, model: Model, number: int, size: Size) -> None:
        """Scroll so that the entry before ``number`` is at the bottom of the log."""
        self._log.scroll_above(model.shown, number, self._prepared(model, size))

    def scroll_from(self, model: Model, number: int, size: Size) -> None:
        """Scroll so that the entry ``number`` is at the top of the log."""
        self._log.scroll_from(model.shown, number, self._prepared(model, size))

    def hold(self, model: Model, size: Size) -> None:
        """Stay at what is shown, even if it is the end and entries are added."""
        self._prepared(model, size)
        self._log.hold(model.shown)

    def is_near_top(self, model: Model, size: Size, *, screens: int = 1) -> bool:
        """Return whether at most so many screenfuls of the log are above the screen."""
        return self._log.is_near_top(model.shown, self._prepared(model, size), screens)

    def is_near_bottom(self, model: Model, size: Size) -> bool:
        """Return whether at most a screenful of the log is below the screen."""
        return self._log.is_near_bottom(model.shown, self._prepared(model, size))

    def scroll_to_bottom(self, model: Model) -> None:
        """Scroll to the newest row, and follow new rows."""
        model.shown.scroll_to(None)

    def scroll_to_match(self, model: Model, size: Size) -> None:
        """Scroll to the match of the search, unless it is in another view or no longer in the log."""
        search, view = model.search, model.shown
        if search is None or search.at is not view or search.number is None:
            return
        # The entry of the match may have been dropped meanwhile.
        if search.number >= view.first:
            self._log.scroll_to(view, search.number, self._prepared(model, size))

    def _prepared(self, model: Model, size: Size) -> int:
        """Prepare the log pane, and return the height of the log."""
        title, status = _bars(model, size, self._keys)
        height = size.rows - len(title) - len(status) - len(_input(model, size).rows)
        left = sidebar_width(model, size.columns)
        self._prepare(model, log_width(model, size.columns), size.columns - left)
        return max(0, height)

    def _prepare(self, model: Model, width: int, columns: int) -> None:
        search, match, current = model.search, None, None
        if search is not None and search.is_in(model.shown):
            match = search.matcher
            current = search.number if search.at is model.shown else None
        self._log.prepare(
            width,
            model.mentions,
            match,
            current=current,
            url_width=columns,
            marks_up=not model.shows_raw,
        )

    def _middle(self, model: Model, columns: int, height: int) -> list[Row]:
        """Return the rows of the log, with the views and the names beside it."""
        left = sidebar_width(model, columns)
        right = names_width(model, columns - left)
        width = columns - left - right
        self._prepare(model, width, columns - left)
        rows = self._log.rows(model.shown, height)
        if model.page is None:
            rows += welcome_rows(model, width, height - len(rows), self._keys)
        rows += [[] for _ in range(height - len(rows))]
        height = max(0, height)
        if right:
            names = names_rows(model, right, height)
            # A row of a long address covers the names: it must not be cut, nor end with a name when it is selected.
            rows = [
                row if _covers_names(row, width) else fill_row(row, width, TEXT) + beside
                for row, beside in zip(rows, names, strict=True)
            ]
        if not left:
            return rows
        views = self._sidebar.rows(model, left, height)
        return [beside + row for beside, row in zip(views, rows, strict=True)]


def input_width(model: Model, size: Size) -> int:
    """Return the width of the input in cells, by which the editor moves up and down."""
    return max(1, size.columns - cells(_prompt(model, size.columns)))


def log_width(model: Model, columns: int) -> int:
    """Return how many of the ``columns`` the sidebar and the names leave for the log."""
    columns -= sidebar_width(model, columns)
    return columns - names_width(model, columns)


def _bars(model: Model, size: Size, keys: OwnKeys) -> tuple[list[Row], list[Row]]:
    """Return the title, and the candidates of Tab or the switcher with the status, each only if there is room."""
    title = [title_line(model, size.columns, keys)] if size.rows >= 4 else []
    topic = topic_line(model, size.columns) if size.rows >= _MIN_ROWS_WITH_TOPIC else None
    if topic is not None:
        title.append(topic)
    has_list = sidebar_width(model, size.columns) == 0
    status = (
        [status_line(model, size.columns, keys, lists_views=has_list)] if size.rows >= 3 else []
    )
    # At most a third of the screen, so that the log stays in sight. A user who goes elsewhere has less need of it.
    lists = [
        *candidate_rows(model.candidates, size.columns, size.rows // 3 - 1),
        *switcher_rows(model.switcher, size.columns, min(MAX_PLACES, size.rows // 2 - 1)),
    ]
    return title, [*lists, *status]


def _input(model: Model, size: Size) -> InputPane:
    question = model.question
    draft = model.current.draft if question is None else question.answer
    prompt = _prompt(model, size.columns)
    width = input_width(model, size)
    # A long draft takes at most a third of the screen, so that the log stays in sight.
    laid_out = lay_out(draft.text, draft.cursor, width).window(max(1, size.rows // 3))
    margin = cells(prompt)
    rows: list[Row] = []
    for text in laid_out.rows:
        row = [Span(text, INPUT)]
        if margin:
            row.insert(0, Span(prompt if not rows else " " * margin, PROMPT))
        rows.append(row)
    return InputPane(rows, Cursor(laid_out.row, margin + laid_out.column))


def _prompt(model: Model, columns: int) -> str:
    """Return the prompt: the question, the recipient of a private view, or that nothing can be said here.

    A user must see that a message is private, but half of the screen is enough for it.
    """
    question, view = model.question, model.current
    if question is not None:
        return elide(sanitize(question.prompt), max(columns // 2, columns - _MIN_ANSWER_WIDTH))
    words = ""
    if view.peer is not None:
        words = f"to {sanitize(view.peer)} alone: "
    elif view.room is not None and view.room.membership is Membership.OUTSIDE:
        words = f"not in {sanitize(model.name_of(view))}: "
    return elide(words, columns // 2)


def _covers_names(row: Row, width: int) -> bool:
    """Return whether ``row`` is a piece of an address that is wider than the log, or that would touch the column."""
    row_cells = row_width(row)
    return row_cells > width or (row_cells == width and " " not in text_of(row))
