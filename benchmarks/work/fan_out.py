"""Send each message to many, as fast as possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.audience import Demand, audience
from benchmarks.peers.peer import Peer
from benchmarks.plan import Plan
from benchmarks.results import CPU_PER_DELIVERY, GENERATOR, SERVER_CPU, THROUGHPUT
from benchmarks.work.work import ServerWork

_WINDOW = 64
_WINDOW_BYTES = 256 * 1024  # of one sender under way; with large messages the window is smaller


class FanOut(ServerWork):
    """Send to many. Cases are numbers; ``demand`` says what a number means."""

    figures = (CPU_PER_DELIVERY, THROUGHPUT, SERVER_CPU, GENERATOR)

    def __init__(
        self,
        name: str,
        title: str,
        numbers: Sequence[int],
        demand: Callable[[int], Demand],
        quick: Sequence[int],
        *,
        encrypted_too: bool = False,
    ) -> None:
        self.name = name
        self.title = title
        self._numbers = numbers
        self._demand = demand
        self._quick = quick
        self._encrypted_too = encrypted_too

    def cases(self, plan: Plan) -> Sequence[str]:
        return [str(number) for number in (self._quick if plan.quick else self._numbers)]

    def suits(self, peer: Peer, case: str) -> bool:
        demand = self._demand(int(case))
        if peer.encrypted and not self._encrypted_too:
            return False
        return demand.content <= peer.max_content and demand.receivers <= peer.max_receivers

    def measure(self, peer: Peer, case: str, plan: Plan) -> dict[str, float]:
        with audience(peer, self._demand(int(case))) as them:
            return them.run(plan)


def _of_size(size: int) -> Demand:
    window = max(1, min(_WINDOW, _WINDOW_BYTES // size))
    return Demand(100, window=window, content=size)


FAN_OUT = FanOut(
    "fan-out",
    "2 senders, 64 messages of 100 bytes under way each, by number of receivers",
    (10, 100, 1000),
    Demand,
    quick=(10,),
    encrypted_too=True,
)
ONE_BY_ONE = FanOut(
    "one-by-one",
    "1 sender, one message of 100 bytes at a time, by number of receivers",
    (10, 100, 1000),
    lambda receivers: Demand(receivers, senders=1, window=1),
    quick=(10,),
    encrypted_too=True,
)
GROWTH_BY_RECEIVERS = FanOut(
    "growth-receivers",
    "how cost grows with the number of receivers",
    (1, 10, 100, 1000, 5000),
    lambda receivers: Demand(receivers, senders=min(2, receivers)),
    quick=(1, 10),
)
GROWTH_BY_SIZE = FanOut(
    "growth-size",
    "how cost grows with the size of a message, to 100 receivers (at most 256 KiB of one sender under way)",
    (16, 64, 256, 1024, 4096, 16384, 65536),
    _of_size,
    quick=(16, 65536),
)
