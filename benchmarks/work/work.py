"""Describe a piece of work."""

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
    """Describe work. ``figures`` are its results; ratios are made of the first, where less is better.

    ``kind``: the programs that it is for. ``times``: how often each program gets it in a round.
    """

    kind: type[C]
    times = 1
    name: str
    title: str
    figures: tuple[Figure, ...]

    @abstractmethod
    def cases(self, plan: Plan) -> Sequence[str]:
        """Return the forms, or sizes, in which it is given."""

    @abstractmethod
    def suits(self, peer: C, case: str) -> bool:
        """Return whether ``peer`` can do it."""

    @abstractmethod
    def measure(self, peer: C, case: str, plan: Plan) -> dict[str, float]:
        """Return values by the keys of the figures. Raises BenchmarkError."""

    def lasts(self, case: str, plan: Plan) -> float:
        """Return about how many seconds one measurement takes on a machine that does nothing else."""
        return 1.1 * plan.seconds + 1


class ServerWork(Work[Peer]):
    """Describe work for servers."""

    kind = Peer


class ClientWork(Work[Client]):
    """Describe work for clients in a terminal: all of them can do it."""

    kind = Client

    def suits(self, peer: Client, case: str) -> bool:
        return True
