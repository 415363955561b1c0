"""Have senders work on a server, wait until everything has arrived, and measure what it has cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from benchmarks.load import Crowd, Sender
from benchmarks.plan import BenchmarkError, Plan
from benchmarks.processes import Costs, Meter
from benchmarks.sizes import Sizes

NOISE = 64  # bytes that a server may send of its own accord, such as a ping


class Traffic(ABC):
    """Hold senders and receivers.

    A subclass learns ``sizes`` by a few messages. Then it sets what was sent and received to 0.
    """

    sizes: Sizes

    def __init__(self, server: Costs, crowd: Crowd, senders: Sequence[Sender]) -> None:
        self.server = server
        self.crowd = crowd
        self.senders = senders

    @property
    def sent(self) -> int:
        """Return how many messages were sent so far."""
        return sum(sender.sent for sender in self.senders)

    @property
    @abstractmethod
    def deliveries(self) -> int:
        """Return how many deliveries the messages sent so far become."""

    @abstractmethod
    def expected(self) -> dict[int, int]:
        """Return how many messages each receiver, by descriptor, must have received in the end."""

    def run(self, plan: Plan) -> dict[str, float]:
        """Have everyone send for as long as ``plan`` says, wait until all has arrived, and return the figures.

        Raises BenchmarkError.
        """
        self._send_for(plan.seconds / 10, 0.0, plan.seconds)
        before = self.deliveries
        meter = Meter(self.server)
        self._send_for(plan.seconds, plan.cpu, plan.patience)
        return figures(self.deliveries - before, meter)

    def finish(self) -> None:
        """Wait until everyone has received what was sent, and no more. Raises BenchmarkError otherwise."""
        received, expected = self.crowd.received, self.expected()
        missing = {fd: self.sizes.bytes(messages) for fd, messages in expected.items()}
        self.crowd.turn_until(
            lambda: all(received[fd] >= size for fd, size in missing.items()), "all had arrived"
        )
        if any(received[fd] > size + NOISE for fd, size in missing.items()):
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
    """Return what ``deliveries`` have cost since ``meter`` was made, by the common names of figures."""
    wall, server_cpu, own_cpu = meter.elapsed(), meter.used(), meter.own_used()
    return {
        "cpu_per_delivery": server_cpu / deliveries,
        "throughput": deliveries / wall,
        "server_cpu": server_cpu,
        "generator": own_cpu / server_cpu,
    }
