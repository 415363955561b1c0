"""Name what a session waits for if the disk is slower than its user."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

# Seconds after which a user is told that something of theirs still waits, and then again each time.
REMINDER = 5

# Waits at most so many seconds; returns whether the wait is over.
Wait = Callable[[float], bool]


class DiskWaits(NamedTuple):
    """The waits for a disk that is slower than the users. None: there is nothing to wait for.

    ``for_room`` is called before a message is published, and waits while too many messages wait to be kept.
    ``for_turn`` waits until everything that was sent has come out of a durable server.
    """

    for_room: Wait | None = None
    for_turn: Wait | None = None


NO_WAITS = DiskWaits()
