"""Draw what to do on a screen that has no message yet: whose room it is, and where help is."""

from __future__ import annotations

from chat.client.screen.input.keys import Action
from chat.client.screen.input.own_keys import USUAL_KEYS, OwnKeys
from chat.client.screen.model.model import Model
from chat.client.screen.model.rooms import Membership
from chat.client.screen.text.spans import Row, Span, wrap_row
from chat.client.screen.text.styles import DIM
from chat.sanitize import sanitize

_MARGIN = 2


def welcome_rows(model: Model, width: int, height: int, keys: OwnKeys = USUAL_KEYS) -> list[Row]:
    """Return at most ``height`` rows of advice for the log of the current view; none once it has had a message.

    Without a connection, or while a question is open, there are none: nothing can be sent.
    """
    view = model.current
    if view.has_had_message or not model.is_online or model.question is not None:
        return []
    if view.room is not None and view.room.membership is Membership.OUTSIDE:
        return []
    if view.peer is None:
        name = "" if view.room_name is None else f"{sanitize(view.room_name)} "
        lines = [
            f"This is the room {name}at {sanitize(model.address)}.",
            f"Type a text: {keys.name_of(Action.SUBMIT)} sends it to everyone here.",
        ]
    else:
        lines = [
            f"Only {sanitize(view.peer)} gets what you write here.",
            f"{keys.hint(Action.VIEW, ' is the room, ', view=1)}/close closes this view.",
        ]
    leaving = "   /quit: leave" if width >= 50 else ""
    help_rows = _wrapped(
        f"{keys.name_of(Action.SHOW_KEYS) or '/keys'}: keys   /help: commands{leaving}", width
    )
    blocks = [_wrapped(line, width) for line in lines]
    # The way to the help comes first where not all fits. Advice that is cut helps nobody.
    rows = help_rows
    for count in range(len(blocks), 0, -1):
        advice = [row for block in blocks[:count] for row in block]
        if len(advice) + len(help_rows) <= height:
            rows = advice + help_rows
            break
    if len(rows) > height:
        return []
    return [[], *rows] if len(rows) < height else rows


def _wrapped(line: str, width: int) -> list[Row]:
    return wrap_row([Span(line, DIM)], width, min(_MARGIN, width // 10), hanging=False)
