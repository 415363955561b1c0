"""What a piece of work is to the one who has it measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from benchmarks.peers.peer import Peer
from benchmarks.plan import Plan
from benchmarks.results import Figure


class Work(ABC):
    """``figures`` are what it gives; the first is the one that ratios are made of, the less the better."""

    name: str
    title: str
    figures: tuple[Figure, ...]

    @abstractmethod
    def cases(self, plan: Plan) -> Sequence[str]:
        """In what forms, or sizes, it is given."""

    @abstractmethod
    def suits(self, peer: Peer, case: str) -> bool:
        """Whether ``peer`` can do it."""

    @abstractmethod
    def measure(self, peer: Peer, case: str, plan: Plan) -> dict[str, float]:
        """Values by the keys of the figures. Raises BenchmarkError."""
