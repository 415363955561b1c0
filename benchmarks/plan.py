"""How thoroughly to measure, and what it is when it cannot be done."""

from __future__ import annotations

from dataclasses import dataclass


class BenchmarkError(Exception):
    """A measurement that failed; its text is for the person at the terminal."""


@dataclass(frozen=True)
class Plan:
    """``seconds``: how long each measurement runs at least; it goes on until the server has used ``cpu`` seconds.

    ``quick``: everything small, for a look at whether it works. ``quiet``: seconds without a change on the screen after
    which a client is thought to be done.
    """

    rounds: int = 5
    seconds: float = 2.0
    cpu: float = 1.0
    quick: bool = False
    quiet: float = 0.5

    @property
    def patience(self) -> float:
        """Seconds after which a measurement ends even if the server has not used its CPU time."""
        return 5 * self.seconds


QUICK = Plan(rounds=1, seconds=0.3, cpu=0.0, quick=True, quiet=0.1)
