"""A log that a stranger cannot fill: repeated refusals of one address become a count."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger("chat.server")

WINDOW = 60.0  # seconds in which the same thing of the same address is only counted
MAX_ADDRESSES = 1000  # that are told apart


class FoldingLog:
    """Logs the first refusal of each address and reason at once, and how many followed when the window is over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[tuple[str, str], int] = {}
        self._window_end = 0.0

    def refused(self, address: str, reason: str) -> None:
        """``address`` was refused for ``reason``, a phrase without anything that the peer sent."""
        self.flush_if_due()
        key = (address, reason)
        if key not in self._counts and len(self._counts) >= MAX_ADDRESSES:
            key = ("other addresses", reason)
        if key in self._counts:
            self._counts[key] += 1
        else:
            self._counts[key] = 0
            log.info("refused %s: %s", *key)

    def flush_if_due(self) -> None:
        """Log the counts of a window that is over."""
        if self._clock() < self._window_end:
            return
        counts, self._counts = self._counts, {}
        self._window_end = self._clock() + WINDOW
        for (address, reason), count in counts.items():
            if count:
                log.info("refused %s %d more times: %s", address, count, reason)
