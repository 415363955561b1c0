"""List the users in the room in a column at the right."""

from __future__ import annotations

from chat.client.attention.names import folded
from chat.client.screen.model.model import Model
from chat.client.screen.text.cells import cells, elide
from chat.client.screen.text.spans import Row, Span, fill_row
from chat.client.screen.text.styles import DIM, NAMES, OWN_NAME, name_style
from chat.sanitize import sanitize

# Columns: the most for the names, and the fewest for the log beside them.
_MAX_WIDTH = 20
_MIN_LOG_WIDTH = 30
# Columns before each name: the border, and the sign of a moderator or a registered user.
_BESIDE_NAME = 2


def names_width(model: Model, columns: int) -> int:
    """Return the width of the column beside a log, if both have so many columns; 0 if it is not shown."""
    if not model.shows_names or model.page is not None or columns < _MIN_LOG_WIDTH + 8:
        return 0
    longest = model.people.most(_name_cells)
    return min(longest + _BESIDE_NAME, _MAX_WIDTH, columns - _MIN_LOG_WIDTH)


def names_rows(model: Model, width: int, height: int) -> list[Row]:
    """Return the names of the users here, in ``height`` rows of ``width`` cells."""
    everyone = model.people.in_order()
    count = max(len(everyone), model.count_here or 0)
    # One row is left for the number of names that do not fit.
    shown = everyone if count <= height else everyone[: max(0, height - 1)]
    rows: list[Row] = []
    for name in shown:
        own = folded(name) == folded(model.username)
        style = OWN_NAME if own else name_style(name)
        sign = Span(f"│{model.sign_of(name)}", DIM)
        rows.append([sign, Span(elide(sanitize(name), width - _BESIDE_NAME), style)])
    left_out = count - len(shown)
    if left_out and height > 0:
        rows.append([Span("│ ", DIM), Span(elide(f"… {left_out} more", width - 2), DIM)])
    rows = rows[:height]
    rows += [[Span("│ ", DIM)] for _ in range(height - len(rows))]
    return [fill_row(row, width, NAMES) for row in rows]


def _name_cells(name: str) -> int:
    return cells(sanitize(name))
