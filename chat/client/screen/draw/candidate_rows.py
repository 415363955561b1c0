"""List the candidates of Tab in columns, as shells do."""

from __future__ import annotations

from chat.client.screen.model.model import Candidates
from chat.client.screen.text.cells import cells, elide
from chat.client.screen.text.spans import Row, Span
from chat.client.screen.text.styles import DIM, MATCH, TEXT
from chat.sanitize import sanitize

_GAP = 2
_MAX_WIDTH = 40
# A huge directory has ten thousand names, and only some dozens are drawn.
_MAX_MEASURED = 500


def candidate_rows(candidates: Candidates | None, width: int, height: int) -> list[Row]:
    """Return at most ``height`` rows with the candidates around the chosen one; a last row counts the others."""
    if candidates is None or height < 1:
        return []
    labels = candidates.labels
    page = labels[:_MAX_MEASURED]
    column = min(max(cells(sanitize(label)) for label in page), _MAX_WIDTH, max(1, width - 1))
    columns = max(1, (width + _GAP - 1) // (column + _GAP))
    needed = -(-len(labels) // columns)
    shown_rows = height if needed <= height or height == 1 else height - 1
    top = min((candidates.chosen or 0) // columns // shown_rows * shown_rows, needed - 1)
    rows = [
        _row(candidates, row * columns, columns, column)
        for row in range(top, min(top + shown_rows, needed))
    ]
    others = len(labels) - sum(
        min(columns, len(labels) - row * columns) for row in range(top, top + len(rows))
    )
    if others and shown_rows < height:
        rows.append([Span(elide(f" … {others} more", width), DIM)])
    return rows


def _row(candidates: Candidates, first: int, columns: int, column: int) -> Row:
    row: Row = [Span(" ")]
    for index in range(first, min(first + columns, len(candidates.labels))):
        label = elide(sanitize(candidates.labels[index]), column)
        row.append(Span(label, MATCH if index == candidates.chosen else TEXT))
        row.append(Span(" " * (column - cells(label) + _GAP)))
    return row[:-1]
