"""Which earlier messages are wanted."""

from __future__ import annotations

from typing import NamedTuple


class CatchUpWishes(NamedTuple):
    """Say which earlier messages are wanted.

    ``replay``: so many of the last ones at a first login, and in a room that the user enters. ``context``: so many of
    before the place when a new run of the client goes on at a place. ``most``: if more were missed, only so many of the
    newest; None: all. ``follows``: the messages since the place are wanted at all.
    """

    replay: int = 0
    context: int = 0
    most: int | None = None
    follows: bool = False
