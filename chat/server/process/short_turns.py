"""Let a helper that computes for long make way for those who talk, thousands of times a second.

A low priority is not enough: Linux lets a process that runs finish a slice of some milliseconds, before one that wakes
up gets the processor. A text could wait that long at each process on its way.
"""

from __future__ import annotations

import time

# Seconds that a helper works, and then rests. Longer rests make a copy slower, and nobody's text faster.
_TURN, _REST = 0.0003, 0.0002


class ShortTurns:
    """The turns of a thread that works as long as it may."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()

    def rest_in_time(self) -> bool:
        """Sleep for a moment if the turn is over; return whether it was. Call this again and again."""
        if time.perf_counter() - self._begun < _TURN:
            return False
        time.sleep(_REST)
        self._begun = time.perf_counter()
        return True
