"""Order the measurements, and estimate how long they take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from benchmarks.contender import Contender
from benchmarks.plan import Plan
from benchmarks.work.work import Work

T = TypeVar("T")


class Task(NamedTuple):
    """Hold one measurement."""

    work: Work
    case: str
    peer: Contender
    round: int

    def __str__(self) -> str:
        return f"round {self.round + 1}: {self.work.name} {self.case}, {self.peer.name}"


def tasks(work: Sequence[Work], peers: Sequence[Contender], plan: Plan) -> Iterator[Task]:
    """Yield each case for each program in turn, then the next round: compared programs are measured side by side."""
    for round in range(plan.rounds):
        for each in work:
            for case in each.cases(plan):
                able = [p for p in peers if isinstance(p, each.kind) and each.suits(p, case)]
                for turn in range(round * each.times, (round + 1) * each.times):
                    for peer in in_turn(able, turn):
                        yield Task(each, case, peer, round)


def in_turn(peers: Sequence[T], turn: int) -> list[T]:
    """Return the order of one turn: of any two, each comes before the other every second turn.

    Every second turn goes backwards; every two turns begin elsewhere.
    """
    first = turn // 2 * 2 % len(peers) if peers else 0
    order = [*peers[first:], *peers[:first]]
    return order[::-1] if turn % 2 else order


def seconds_needed(planned: Iterable[Task], plan: Plan) -> float:
    """Estimate how long all measurements take on a machine that does nothing else."""
    return sum(task.work.lasts(task.case, plan) for task in planned)


def in_words(seconds: float) -> str:
    """Return a time such as ``about 40 s`` or ``about 12 min``."""
    return f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"
