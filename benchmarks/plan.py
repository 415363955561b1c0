"""Say how thoroughly to measure, and what is raised if a measurement fails."""

from __future__ import annotations

from dataclasses import dataclass


class BenchmarkError(Exception):
    """Report that a measurement failed; the text is for the user."""


@dataclass(frozen=True)
class Plan:
    """Say how thoroughly to measure.

    ``seconds``: how long each measurement runs at least; it goes on until the server has used ``cpu`` seconds.
    ``quick``: everything small, for a check that it works. ``quiet``: seconds without a change on the screen after
    which a client counts as done. ``files``: how many large files one measurement sends. ``idlers``: how many users log
    in and stay, one case for each number.
    """

    rounds: int = 5
    seconds: float = 2.0
    cpu: float = 1.0
    quick: bool = False
    quiet: float = 0.5
    files: int = 4
    idlers: tuple[int, ...] = (1000, 10000)

    @property
    def patience(self) -> float:
        """Return the seconds after which a measurement ends even if the server has not used its CPU time."""
        return 5 * self.seconds


QUICK = Plan(rounds=1, seconds=0.3, cpu=0.0, quick=True, quiet=0.1, idlers=(200,))
# To compare two commits, many short measurements tell more than a few long ones. The differences from one start of a
# server to the next do not average out, however long one server runs.
COMPARISON = Plan(rounds=9, seconds=1.0, cpu=0.5, files=2, idlers=(1000, 4000))
