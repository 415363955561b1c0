"""A log that a stranger cannot fill: what is repeated becomes a count."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger("chat.server")

WINDOW = 60.0  # seconds in which the same thing of the same subject is only counted
MAX_SUBJECTS = 50  # that are told apart in a window: more strangers than that are a crowd


class FoldingLog:
    """Logs the first of each subject and thing at once, and how many followed when the window is over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[tuple[int, str, str], int] = {}
        self._window_end = 0.0

    def refused(self, address: str, reason: str) -> None:
        """``address`` was refused for ``reason``, a phrase without anything that the peer sent."""
        self.noted(f"refused {address}", reason, crowd="refused other addresses")

    def noted(
        self, subject: str, what: str, level: int = logging.INFO, crowd: str = "others"
    ) -> None:
        """``what`` happened to ``subject``; ``crowd`` is what subjects are called that are too many."""
        self.flush_if_due()
        key = (level, subject, what)
        if key not in self._counts and len(self._counts) >= MAX_SUBJECTS:
            key = (level, crowd, what)
        if key in self._counts:
            self._counts[key] += 1
        else:
            self._counts[key] = 0
            log.log(level, "%s: %s", *key[1:])

    def flush_if_due(self) -> None:
        """Log the counts of a window that is over."""
        if self._clock() < self._window_end:
            return
        counts, self._counts = self._counts, {}
        self._window_end = self._clock() + WINDOW
        for (level, subject, what), count in counts.items():
            if count:
                log.log(level, "%s %d more times: %s", subject, count, what)
