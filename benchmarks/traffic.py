"""Senders at work on a server: for how long, until everything has arrived, and what it has cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from benchmarks.load import Crowd, Sender
from benchmarks.plan import BenchmarkError, Plan
from benchmarks.processes import Meter, ServerProcess

_NOISE = 64  # bytes that a server may send of its own accord, such as a ping


class Traffic(ABC):
    """Some send, some receive, each message in ``size`` bytes."""

    def __init__(self, server: ServerProcess, crowd: Crowd, senders: Sequence[Sender]) -> None:
        self.server = server
        self.crowd = crowd
        self.senders = senders
        self.size = 0

    @property
    def sent(self) -> int:
        """Messages so far."""
        return sum(sender.sent for sender in self.senders)

    @property
    @abstractmethod
    def deliveries(self) -> int:
        """What the messages sent so far come to."""

    @abstractmethod
    def expected(self) -> dict[int, int]:
        """How many messages each receiver, by descriptor, must have received in the end."""

    def run(self, plan: Plan) -> dict[str, float]:
        """Have everyone send for as long as ``plan`` says, and everything arrive; the figures.

        Raises BenchmarkError.
        """
        self._send_for(plan.seconds / 10, 0.0, plan.seconds)
        before = self.deliveries
        meter = Meter(self.server)
        self._send_for(plan.seconds, plan.cpu, plan.patience)
        return figures(self.deliveries - before, meter)

    def finish(self) -> None:
        """Wait until everyone has received what was sent, and no more. Raises BenchmarkError if not."""
        received, expected = self.crowd.received, self.expected()
        missing = {fd: messages * self.size for fd, messages in expected.items()}
        self.crowd.turn_until(
            lambda: all(received[fd] >= size for fd, size in missing.items()), "all had arrived"
        )
        if any(received[fd] > size + _NOISE for fd, size in missing.items()):
            raise BenchmarkError("more arrived than was sent")

    def _send_for(self, seconds: float, cpu: float, patience: float) -> None:
        meter = Meter(self.server)
        for sender in self.senders:
            sender.start()
        look = seconds
        while True:
            self.crowd.turn()
            if meter.elapsed() < look:
                continue
            if meter.used() >= cpu or meter.elapsed() > patience:
                break
            look = meter.elapsed() + 0.1
        for sender in self.senders:
            sender.stop()
        self.finish()


def figures(deliveries: int, meter: Meter) -> dict[str, float]:
    """What ``deliveries`` have cost since ``meter`` was made, by the names that all work uses for it."""
    wall, server_cpu, own_cpu = meter.elapsed(), meter.used(), meter.own_used()
    return {
        "cpu_per_delivery": server_cpu / deliveries,
        "throughput": deliveries / wall,
        "server_cpu": server_cpu,
        "generator": own_cpu / server_cpu,
    }
