"""List the places to go to: a row for each, with its number, its unread messages, and the letters that were found."""

from __future__ import annotations

from chat.client.screen.model.switcher import Destination, Switcher
from chat.client.screen.text.cells import elide
from chat.client.screen.text.spans import Row, Span, clip_row
from chat.client.screen.text.styles import CURRENT_MATCH, DIM, MATCH, MENTION, TEXT
from chat.sanitize import sanitize

_MAX_NAME = 40  # cells
_NOTHING = "no view and nobody here has these letters in this order"
_NOBODY = "there is no other view, and nobody else is here"


def switcher_rows(switcher: Switcher | None, width: int, height: int) -> list[Row]:
    """Return at most ``height`` rows around the chosen place; a last row counts the others."""
    if switcher is None or height < 1:
        return []
    found = switcher.found
    if not found:
        words = _NOTHING if switcher.text else _NOBODY
        return [clip_row([Span(f"  {words}", DIM)], width)]
    shown = height if len(found) <= height or height == 1 else height - 1
    first = min(max(0, switcher.number - shown // 2), max(0, len(found) - shown))
    page = found[first : first + shown]
    rows = [
        clip_row(_row(switcher, each, is_chosen=number == switcher.number), width)
        for number, each in enumerate(page, first)
    ]
    others = len(found) - len(page)
    if others and shown < height:
        rows.append([Span(elide(f"  … {others} more", width), DIM)])
    return rows


def _row(switcher: Switcher, destination: Destination, *, is_chosen: bool) -> Row:
    view, number = destination.view, destination.number
    row = [
        Span("> " if is_chosen else "  "),
        Span(f"{'' if number is None else number:>2} {destination.sign}", DIM),
        *_name(switcher, destination, is_chosen=is_chosen),
    ]
    if view is not None and view.badge.unread:
        row += [Span("  "), Span(f"{view.badge.unread} new", MENTION if view.badge.calls else DIM)]
    if destination.is_room:
        row += [Span("  "), Span("not joined", DIM)]
    return row


def _name(switcher: Switcher, destination: Destination, *, is_chosen: bool) -> Row:
    name = destination.name
    if is_chosen or sanitize(name) != name or elide(name, _MAX_NAME) != name:
        return [Span(elide(sanitize(name), _MAX_NAME), CURRENT_MATCH if is_chosen else TEXT)]
    places = set(switcher.places(destination))
    return [Span(letter, MATCH if at in places else TEXT) for at, letter in enumerate(name)]
