"""Limit how often something happens, for very many keys in bounded memory: a window, growing delays, and queues."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from chat.server.limits.limits import TokenBucket
from chat.server.settings import Rate

MAX_KEYS = 16_384  # addresses that are remembered at a time; they take up to 10 MB

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0  # seconds: after the first failure, and at most
FORGOTTEN_AFTER = 900.0  # seconds without a failure

# Tolerance for rounding: a client that has waited exactly as long as it was told must be admitted.
_ROUNDING = 1e-6


class SlidingWindow:
    """Admit up to ``limit`` (at least 1) events in any ``seconds``, for each key.

    This is a sliding window counter. A key has two counters: one for the current period, and one for the period before,
    of which only the part counts that the window still covers. Events that are not admitted are not counted. So a
    client that tries without pause is admitted ``limit`` times in each window, and not locked out for ever. If there
    are more than ``max_keys``, the key that was seen longest ago is forgotten.
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
        # Number of the last period with an event, count of the period before it, count of that period.
        self._counts: OrderedDict[Hashable, tuple[int, int, int]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._counts)

    def admit(self, key: Hashable | None) -> float:
        """Count one event of ``key`` and return 0, or return the seconds until the event can be admitted.

        A key of None is not limited.
        """
        if key is None:
            return 0.0
        period, into = self._now()
        before, current = self._look(key, period)
        left = 1.0 - into  # the part of the earlier period that the window still covers
        if before * left + current + 1 <= self.limit + _ROUNDING:
            self._remember(key, (period, before, current + 1))
            return 0.0
        self._remember(key, (period, before, current))
        return self._wait(before, current, into)

    def forgive(self, key: Hashable | None) -> None:
        """Take back an event of ``key`` that was admitted a moment ago."""
        if key is None or key not in self._counts:
            return
        period, _ = self._now()
        before, current = self._look(key, period)
        if current:
            self._counts[key] = (period, before, current - 1)
        elif before:  # a new period has begun since
            self._counts[key] = (period, before - 1, current)

    def forget_old(self) -> None:
        """Free the memory of keys without recent events."""
        period, _ = self._now()
        while self._counts and next(iter(self._counts.values()))[0] < period - 1:
            self._counts.popitem(last=False)

    def _now(self) -> tuple[int, float]:
        """Return the number of the current period, and the part of it that has passed (0 to 1)."""
        period, into = divmod(self._clock() / self._seconds, 1.0)
        return int(period), into

    def _look(self, key: Hashable, period: int) -> tuple[int, int]:
        """Return the counts of ``key`` for the period before ``period`` and for ``period``."""
        last, before, current = self._counts.get(key, (period, 0, 0))
        if last == period:
            return before, current
        return (current, 0) if last == period - 1 else (0, 0)

    def _wait(self, before: int, current: int, into: float) -> float:
        """Return the seconds until ``before * left + current + 1`` is within the limit, if nothing else happens."""
        room = self.limit - 1
        if current <= room:
            return (1.0 - (room - current) / before - into) * self._seconds
        # Not in this period. In the next period ``current`` takes the place of ``before``.
        return (2.0 - room / current - into) * self._seconds

    def _remember(self, key: Hashable, counts: tuple[int, int, int]) -> None:
        self._counts[key] = counts
        self._counts.move_to_end(key)
        if len(self._counts) > self._max_keys:
            self._counts.popitem(last=False)


class FailureDelays:
    """Delay the next attempt of a key, longer after each failure in a row.

    The delay is half a second after the first failure, and doubles with each further failure up to 30 seconds. A
    success resets the delay, and so do 15 minutes without a failure. If there are more than ``max_keys``, the key that
    failed longest ago is forgotten.
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
        """Return how many keys are remembered."""
        return len(self._failures)

    def wait(self, key: Hashable | None) -> float:
        """Return the seconds until ``key`` may try again, 0 if now. A key of None always may."""
        if key is None or key not in self._failures:
            return 0.0
        failed, delay = self._failures[key]
        return max(0.0, failed + delay - self._clock())

    def failed(self, key: Hashable | None) -> float:
        """Count a failure of ``key``, and return the seconds until ``key`` may try again."""
        if key is None:
            return 0.0
        now = self._clock()
        # Half of the first delay, since the delay is doubled below.
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
        """Forget the failures of ``key``."""
        self._failures.pop(key, None)

    def forget_old(self) -> None:
        """Free the memory of keys without recent events."""
        latest = self._clock() - self._forgotten_after
        while self._failures and next(iter(self._failures.values()))[0] <= latest:
            self._failures.popitem(last=False)


class Queues:
    """Keep a token bucket for each of very many keys. A key that exceeds the rate waits for its turn in line.

    If there are more than ``max_keys``, the key that was seen longest ago is forgotten.
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
        """Return how many keys are remembered."""
        return len(self._buckets)

    def change(self, rate: Rate) -> None:
        """Go on with another rate; keys that wait in line keep their turns."""
        self._rate = rate
        for bucket in self._buckets.values():
            bucket.change(rate)

    def reserve(self, key: Hashable | None, patience: float) -> float | None:
        """Reserve the next turn of ``key``, and return the seconds until then.

        Return None, and reserve nothing, if that is more than ``patience`` seconds. A key of None never waits.
        """
        if key is None:
            return 0.0
        # Removed and inserted again: the dict is in the order in which keys were seen.
        bucket = self._buckets.pop(key, None) or TokenBucket(self._rate, self._clock)
        self._buckets[key] = bucket
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        if (1 - bucket.available()) / self._rate.per_second > patience:
            return None
        return bucket.consume(1)

    def forget_old(self) -> None:
        """Free the memory of keys whose buckets are full again, from the key that was seen longest ago on.

        Stop at the first bucket that is not full, so that a call takes no time for the rest.
        """
        while self._buckets:
            key, bucket = next(iter(self._buckets.items()))
            if bucket.available() < self._rate.burst:
                return
            del self._buckets[key]
