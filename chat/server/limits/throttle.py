"""How often is too often, for very many keys in bounded memory: a sliding window, delays that grow, a queue."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from chat.server.limits.limits import TokenBucket
from chat.server.settings import Rate

MAX_KEYS = 16_384  # of strangers' addresses that are remembered at a time; up to 10 MB

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0  # seconds after the first failure, and after however many
FORGOTTEN_AFTER = 900.0  # seconds without a failure

_ROUNDING = 1e-6  # who has waited as long as he was told is not to be too early by a bit


class SlidingWindow:
    """Up to ``limit`` (one at least) in any ``seconds``, for each key.

    Two counters a key: of the current period and of the one before, of which that part counts that the window still
    covers (the sliding window counter). Only what is admitted is counted, so who keeps knocking is let in again at
    ``limit`` a window, and not kept out for ever. When there are more than ``max_keys`` the one that was seen longest
    ago is forgotten.
    """

    def __init__(
        self,
        limit: int,
        seconds: float = 60.0,
        max_keys: int = MAX_KEYS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self._seconds = seconds
        self._max_keys = max_keys
        self._clock = clock
        self._counts: OrderedDict[Hashable, tuple[int, int, int]] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._counts)

    def admit(self, key: Hashable | None) -> float:
        """Count one more of ``key``, and 0; or don't, and the seconds after which it can be admitted.

        A key of None is nobody's, and always admitted.
        """
        if key is None:
            return 0.0
        period, into = self._now()
        before, current = self._look(key, period)
        left = 1.0 - into  # the part of the period before that the window covers
        if before * left + current + 1 <= self.limit + _ROUNDING:
            self._remember(key, (period, before, current + 1))
            return 0.0
        self._remember(key, (period, before, current))
        return self._wait(before, current, into)

    def forgive(self, key: Hashable | None) -> None:
        """What was admitted a moment ago doesn't count after all."""
        if key is None or key not in self._counts:
            return
        period, _ = self._now()
        before, current = self._look(key, period)
        if current:
            self._counts[key] = (period, before, current - 1)
        elif before:
            self._counts[key] = (period, before - 1, current)

    def forget_old(self) -> None:
        """Give back what quiet keys take."""
        period, _ = self._now()
        while self._counts and next(iter(self._counts.values()))[0] < period - 1:
            self._counts.popitem(last=False)

    def _now(self) -> tuple[int, float]:
        """The number of the period, and how much of it has passed (0 to 1)."""
        period, into = divmod(self._clock() / self._seconds, 1.0)
        return int(period), into

    def _look(self, key: Hashable, period: int) -> tuple[int, int]:
        last, before, current = self._counts.get(key, (period, 0, 0))
        if last == period:
            return before, current
        return (current, 0) if last == period - 1 else (0, 0)

    def _wait(self, before: int, current: int, into: float) -> float:
        """Until ``before * left + current + 1`` is no more than the limit, by time alone."""
        room = self.limit - 1
        if current <= room:
            return (1.0 - (room - current) / before - into) * self._seconds
        # Not in this period; in the next one what is current now is what was before.
        return (2.0 - room / current - into) * self._seconds

    def _remember(self, key: Hashable, counts: tuple[int, int, int]) -> None:
        self._counts[key] = counts
        self._counts.move_to_end(key)
        if len(self._counts) > self._max_keys:
            self._counts.popitem(last=False)


class FailureDelays:
    """The longer a key has failed in a row, the longer until it may try again.

    Half a second after the first failure, twice as much after each further one, up to 30 seconds. A success resets it,
    and so do 15 minutes without a failure. When there are more than ``max_keys`` the one that failed longest ago is
    forgotten.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        first: float = FIRST_DELAY,
        longest: float = LONGEST_DELAY,
        forgotten_after: float = FORGOTTEN_AFTER,
        max_keys: int = MAX_KEYS,
    ) -> None:
        self._clock = clock
        self._first = first
        self._longest = longest
        self._forgotten_after = forgotten_after
        self._max_keys = max_keys
        self._failures: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # when, delay

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._failures)

    def wait(self, key: Hashable | None) -> float:
        """Seconds until ``key`` may try again; 0 if it may now. A key of None always may."""
        if key is None or key not in self._failures:
            return 0.0
        failed, delay = self._failures[key]
        return max(0.0, failed + delay - self._clock())

    def failed(self, key: Hashable | None) -> float:
        """``key`` has failed (once more); the seconds until it may try again."""
        if key is None:
            return 0.0
        now = self._clock()
        failed, delay = self._failures.get(key, (now, self._first / 2))
        if now - failed >= self._forgotten_after:
            delay = self._first / 2
        delay = min(2 * delay, self._longest)
        self._failures[key] = (now, delay)
        self._failures.move_to_end(key)
        if len(self._failures) > self._max_keys:
            self._failures.popitem(last=False)
        return delay

    def succeeded(self, key: Hashable | None) -> None:
        """``key`` starts afresh."""
        self._failures.pop(key, None)

    def forget_old(self) -> None:
        """Give back what quiet keys take."""
        latest = self._clock() - self._forgotten_after
        while self._failures and next(iter(self._failures.values()))[0] <= latest:
            self._failures.popitem(last=False)


class Queues:
    """A token bucket for each of very many keys: who is over its rate waits for his turn in line.

    When there are more than ``max_keys`` the one that was seen longest ago is forgotten.
    """

    def __init__(
        self,
        rate: Rate,
        max_keys: int = MAX_KEYS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._max_keys = max_keys
        self._clock = clock
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._buckets)

    def reserve(self, key: Hashable | None, patience: float) -> float | None:
        """The seconds until it is ``key``'s turn; None, and no place in line, if they are more than ``patience``.

        A key of None never waits.
        """
        if key is None:
            return 0.0
        bucket = self._buckets.pop(key, None) or TokenBucket(self._rate, self._clock)
        self._buckets[key] = bucket
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        if (1 - bucket.available()) / self._rate.per_second > patience:
            return None
        return bucket.consume(1)

    def forget_old(self) -> None:
        """Give back what keys take that have no line any more, of those seen longest ago."""
        while self._buckets:
            key, bucket = next(iter(self._buckets.items()))
            if bucket.available() < self._rate.burst:
                return
            del self._buckets[key]
