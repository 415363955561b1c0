"""What a piece of work is to the one who has it measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from benchmarks.clients.client import Client
from benchmarks.contender import Contender
from benchmarks.peers.peer import Peer
from benchmarks.plan import Plan
from benchmarks.results import Figure

C = TypeVar("C", bound=Contender)


class Work(ABC, Generic[C]):
    """``figures`` are what it gives; the first is the one that ratios are made of, the less the better.

    ``kind``: whom it is for. ``times``: how often it is given to each in a round.
    """

    kind: type[C]
    times = 1
    name: str
    title: str
    figures: tuple[Figure, ...]

    @abstractmethod
    def cases(self, plan: Plan) -> Sequence[str]:
        """In what forms, or sizes, it is given."""

    @abstractmethod
    def suits(self, peer: C, case: str) -> bool:
        """Whether ``peer`` can do it."""

    @abstractmethod
    def measure(self, peer: C, case: str, plan: Plan) -> dict[str, float]:
        """Values by the keys of the figures. Raises BenchmarkError."""

    def lasts(self, case: str, plan: Plan) -> float:
        """About how many seconds one measurement takes on a machine that does nothing else."""
        return 1.1 * plan.seconds + 1


class ServerWork(Work[Peer]):
    """For servers."""

    kind = Peer


class ClientWork(Work[Client]):
    """For clients in a terminal: all of them can do it."""

    kind = Client

    def suits(self, peer: Client, case: str) -> bool:
        return True
