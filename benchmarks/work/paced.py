"""A busy room at an even pace: what a receiver waits."""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmarks.audience import Audience, Demand, audience
from benchmarks.peers.peer import Peer
from benchmarks.plan import Plan
from benchmarks.processes import Meter
from benchmarks.results import CPU_PER_DELIVERY, GENERATOR, SERVER_CPU, Figure, quantile
from benchmarks.traffic import figures
from benchmarks.work.work import ServerWork

_INTERVAL = 0.01
P50 = Figure("p50", "wait, p50", "ms", 1e3)
P99 = Figure("p99", "wait, p99", "ms", 1e3)


class Paced(ServerWork):
    name = "paced"
    title = "100 messages of 100 bytes a second, by number of receivers"
    figures = (CPU_PER_DELIVERY, P50, P99, SERVER_CPU, GENERATOR)

    def cases(self, plan: Plan) -> Sequence[str]:
        return ["10"] if plan.quick else ["1000"]

    def suits(self, peer: Peer, case: str) -> bool:
        return not peer.encrypted and int(case) <= peer.max_receivers

    def measure(self, peer: Peer, case: str, plan: Plan) -> dict[str, float]:
        with audience(peer, Demand(int(case), senders=1)) as them:
            meter = Meter(them.server)
            waits = _speak(them, plan, meter)
            measured = figures(len(waits), meter)
        return {**measured, "p50": quantile(waits, 0.5), "p99": quantile(waits, 0.99)}


def _speak(them: Audience, plan: Plan, meter: Meter) -> list[float]:
    """Have one speak at the pace for as long as ``plan`` says; what each delivery waited, in seconds."""
    (sender,) = them.senders
    for fd in them.receivers:
        them.crowd.only_count(fd)
    sent: list[float] = []
    waits: list[float] = []
    while True:
        now = meter.elapsed()
        due = len(sent) * _INTERVAL
        if now < due:
            them.crowd.timed_turn(due - now, them.size, sent, waits)
            continue
        if now >= plan.seconds and (meter.used() >= plan.cpu or now > plan.patience):
            break
        # The moment is taken here, not as planned: being late is the load's fault, not the server's.
        sent.append(time.monotonic())
        sender.say()
    expected = len(sent) * len(them.receivers)
    while len(waits) < expected and meter.elapsed() < now + 10:
        them.crowd.timed_turn(0.1, them.size, sent, waits)
    them.finish()
    return waits
