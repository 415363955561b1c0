"""Keep a busy room at an even pace: how long a receiver waits."""

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
_CPU = 0.3  # of a server at that pace, a second, about
_TIMED = 100  # receivers, spread evenly; timing each would cost the load more than the server
_WAIT = 0.001  # seconds without a look at the clock
_LAZE = 0.02  # seconds between two reads of receivers that are not timed
P50 = Figure("p50", "wait, p50", "ms", 1e3)
P99 = Figure("p99", "wait, p99", "ms", 1e3)


class Paced(ServerWork):
    name = "paced"
    title = "100 messages of 100 bytes a second, by number of receivers"
    figures = (CPU_PER_DELIVERY, P50, P99, SERVER_CPU, GENERATOR)
    # A server that is idle most of the time varies more from start to start than one at work.
    times = 3

    def cases(self, plan: Plan) -> Sequence[str]:
        return ["10"] if plan.quick else ["1000"]

    def lasts(self, case: str, plan: Plan) -> float:
        return max(plan.seconds, plan.cpu / _CPU) + 1.5

    def suits(self, peer: Peer, case: str) -> bool:
        return not peer.encrypted and int(case) <= peer.max_receivers

    def measure(self, peer: Peer, case: str, plan: Plan) -> dict[str, float]:
        with audience(peer, Demand(int(case), senders=1)) as them:
            meter = Meter(them.server)
            waits = speak(them, plan, meter)
            measured = figures(them.deliveries, meter)
        return {**measured, "p50": quantile(waits, 0.5), "p99": quantile(waits, 0.99)}


def speak(
    them: Audience,
    plan: Plan,
    meter: Meter,
    interval: float = _INTERVAL,
    most_timed: int = _TIMED,
) -> list[float]:
    """Have one user speak at the pace for as long as ``plan`` says; return the delays in seconds.

    A message is said each ``interval`` seconds. About ``most_timed`` receivers are timed.
    """
    (sender,) = them.senders
    crowd = them.crowd
    crowd.laze = _LAZE
    for fd in them.receivers:
        crowd.only_count(fd)
    timed = them.receivers[:: max(1, len(them.receivers) // most_timed)]
    for fd in timed:
        crowd.time_arrivals(fd)
    sent: list[float] = []
    waits: list[float] = []
    # The crowd waits for whole milliseconds.
    wait = _WAIT if interval > 2 * _WAIT else 0.0
    while True:
        crowd.turn(wait)
        crowd.take_times(them.sizes, sent, waits)
        now = meter.elapsed()
        if now < len(sent) * interval:
            if not wait:
                time.sleep(len(sent) * interval - now)
            continue
        if now >= plan.seconds and (meter.used() >= plan.cpu or now > plan.patience):
            break
        # The real moment, not the planned one: if the load is late, that is not the server's fault.
        sent.append(time.time())
        sender.say()
    while len(waits) < len(sent) * len(timed) and meter.elapsed() < now + 10:
        crowd.turn()
        crowd.take_times(them.sizes, sent, waits)
    for fd in timed:
        crowd.only_count(fd)
    them.finish()
    return waits
