"""The room's clock: RFC 3339 in UTC, never running backwards by more than it must."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

# A clock that was set back is held for so long (seconds), then followed.
MAX_HOLD = 60.0


class Timestamps:
    """Call it for the timestamp of now, such as ``2026-11-24T09:30:00.123456Z``.

    ``clock`` gives seconds since 1970, ``monotonic`` seconds of a clock that nobody sets.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._last = 0.0
        self._held_since: float | None = None
        # Formatting a date costs far more than a lookup, and a second has many messages.
        self._second = -1
        self._prefix = ""

    def __call__(self) -> str:
        now = self._clock()
        if now < self._last:
            now = self._hold(now)
        else:
            self._held_since = None
        self._last = now
        second = int(now)
        if second != self._second:
            self._second = second
            self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._prefix}{int((now - second) * 1_000_000):06d}Z"

    def _hold(self, now: float) -> float:
        """The clock shows less than before: what to show instead."""
        if self._held_since is None:
            self._held_since = self._monotonic()
        if self._monotonic() - self._held_since < MAX_HOLD:
            return self._last
        log.warning("the clock was set back by %.0f s; timestamps follow it now", self._last - now)
        self._held_since = None
        return now
