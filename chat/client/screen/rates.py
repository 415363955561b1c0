"""How fast the running transfers are, from looking at them now and then."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from math import exp

from chat.client.display import byte_count
from chat.client.transfer_list import Transfer
from chat.client.wording import percent

# Seconds: of what was measured that long ago, about a third still counts.
_MEMORY = 3.0
_SHORTEST = 0.25  # between two looks; less says nothing


class _Rate:
    __slots__ = ("bytes_per_second", "done", "looked_at")

    def __init__(self, done: int, looked_at: datetime) -> None:
        self.done = done
        self.looked_at = looked_at
        self.bytes_per_second: float | None = None

    def look(self, done: int, now: datetime) -> bool:
        """False if this cannot be what was looked at before: the clock was set, or it began again."""
        seconds = (now - self.looked_at).total_seconds()
        if seconds < 0 or done < self.done:
            return False
        if seconds >= _SHORTEST:
            latest = (done - self.done) / seconds
            before = self.bytes_per_second
            kept = 0.0 if before is None else exp(-seconds / _MEMORY)
            self.bytes_per_second = kept * (before or 0.0) + (1 - kept) * latest
            self.done, self.looked_at = done, now
        return True


class Rates:
    """Of all transfers that it was shown last."""

    def __init__(self) -> None:
        self._rates: dict[int, _Rate] = {}

    def look(self, transfers: Collection[Transfer], now: datetime) -> None:
        """At the ones that run; the others are forgotten."""
        known = self._rates
        self._rates = {}
        for transfer in transfers:
            rate = known.get(transfer.number)
            if rate is None or not rate.look(transfer.done, now):
                rate = _Rate(transfer.done, now)
            self._rates[transfer.number] = rate

    def describe(self, transfer: Transfer) -> str:
        """``34 %, 1.2 MiB/s, 0:12 left``; what is not known yet is left out."""
        words = [f"{percent(transfer)} %"]
        rate = self._rates.get(transfer.number)
        speed = rate.bytes_per_second if rate is not None else None
        if speed is not None:
            words.append(f"{byte_count(round(speed))}/s")
            if speed >= 1 and transfer.size > transfer.done:
                words.append(f"{_duration((transfer.size - transfer.done) / speed)} left")
        return ", ".join(words)


def _duration(seconds: float) -> str:
    """``0:07``, ``12:30``, ``3:05:00``."""
    minutes, second = divmod(round(min(seconds, 359_999)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
