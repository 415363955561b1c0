"""Measure how fast the running transfers are, by looking at them a few times a second."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from math import exp

from chat.client.conversation.transfer_list import Transfer
from chat.client.frontends.wording import percent
from chat.sizes import byte_count

# Seconds after which a measurement still counts for a third (1/e).
_MEMORY = 3.0
_SHORTEST = 0.25  # seconds between two measurements; a shorter time gives a meaningless rate


class _Rate:
    __slots__ = ("bytes_per_second", "done", "looked_at")

    def __init__(self, done: int, looked_at: datetime) -> None:
        self.done = done
        self.looked_at = looked_at
        self.bytes_per_second: float | None = None

    def look(self, done: int, now: datetime) -> bool:
        """Measure; return False if the transfer began again or the clock was set, so that the rate is void."""
        seconds = (now - self.looked_at).total_seconds()
        if seconds < 0 or done < self.done:
            return False
        if seconds >= _SHORTEST:
            latest = (done - self.done) / seconds
            before = self.bytes_per_second
            # An exponential average, so that the number does not jump with each look.
            kept = 0.0 if before is None else exp(-seconds / _MEMORY)
            self.bytes_per_second = kept * (before or 0.0) + (1 - kept) * latest
            self.done, self.looked_at = done, now
        return True


class Rates:
    """Hold the rates of the running transfers."""

    def __init__(self) -> None:
        self._rates: dict[int, _Rate] = {}

    def look(self, transfers: Collection[Transfer], now: datetime) -> None:
        """Measure ``transfers``; all others are forgotten."""
        known = self._rates
        self._rates = {}
        for transfer in transfers:
            rate = known.get(transfer.number)
            if rate is None or not rate.look(transfer.done, now):
                rate = _Rate(transfer.done, now)
            self._rates[transfer.number] = rate

    def describe(self, transfer: Transfer) -> str:
        """Return a line such as ``34 %, 1.2 MiB/s, 0:12 left``; unknown parts are left out."""
        words = [f"{percent(transfer)} %"]
        rate = self._rates.get(transfer.number)
        speed = rate.bytes_per_second if rate is not None else None
        if speed is not None:
            words.append(f"{byte_count(round(speed))}/s")
            if speed >= 1 and transfer.size > transfer.done:
                words.append(f"{_duration((transfer.size - transfer.done) / speed)} left")
        return ", ".join(words)


def _duration(seconds: float) -> str:
    """Return a time as ``0:07``, ``12:30`` or ``3:05:00``."""
    minutes, second = divmod(round(min(seconds, 359_999)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
