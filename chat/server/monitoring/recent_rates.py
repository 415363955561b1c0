"""Measure how much went through the server in the last minute."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

_SAMPLES = 7  # every 10 seconds: a minute


class Totals(NamedTuple):
    """Count since the start: messages of users, their bytes, and bytes delivered to users."""

    messages: int
    received_bytes: int
    delivered_bytes: int


class RecentRates:
    """Remember the totals of the last minute. ``read`` returns the totals of now."""

    def __init__(
        self, read: Callable[[], Totals], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self._samples = deque([(clock(), read())], maxlen=_SAMPLES)

    def sample(self) -> None:
        """Remember the totals of now. Called every 10 seconds."""
        self._samples.append((self._clock(), self._read()))

    def per_second(self) -> dict[str, float]:
        """Return the rates, and ``seconds``: the time over which they were measured."""
        began, before = self._samples[0]
        seconds = max(self._clock() - began, 0.001)
        now = self._read()
        rates = {
            name: (new - old) / seconds
            for name, new, old in zip(Totals._fields, now, before, strict=True)
        }
        return {"seconds": seconds, **rates}
