"""Let several servers be one chat: their costs, those of the engine between them, and how long a message takes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple

from benchmarks.audience import Audience
from benchmarks.fleets.fleet import Fleet, Servers
from benchmarks.load import Crowd, Entrance, Sender
from benchmarks.peers.peer import content_of
from benchmarks.plan import Plan
from benchmarks.processes import Meter
from benchmarks.results import (
    CPU_PER_DELIVERY,
    GENERATOR,
    SERVER_CPU,
    THROUGHPUT,
    Better,
    Figure,
    quantile,
)
from benchmarks.traffic import figures
from benchmarks.work.paced import P50, P99, speak
from benchmarks.work.work import Work

_USERS = 40
_CONTENT = 100  # bytes
_SENDERS = 2  # at each server, in a flood
_WINDOW = 512  # messages of one sender under way
_TIMED = 8  # users whose wait is measured
# Each occurs in the messages of one sender only.
_MARKERS = (b"%", b"&", b"~", b"^", b"|", b"#", b"@", b"!")
_SERVERS = (1, 2, 4)
_RATES = (100, 5000)
_FLOOD = "flood"


class _Case(NamedTuple):
    """Hold how many servers there are, and how many messages a second; None: as many as they take."""

    servers: int
    rate: int | None


class Cluster(Work[Fleet]):
    """Cases are ``servers/messages a second``, or ``servers/flood``."""

    kind = Fleet
    name = "cluster"
    title = (
        f"{_USERS} users of several servers, messages of {_CONTENT} bytes, by servers and messages a second;"
        " redis and nats: relays that only publish and send"
    )
    figures = (
        CPU_PER_DELIVERY._replace(title="CPU of all servers per delivery"),
        Figure("engine", "CPU of the engine per delivery", "µs", 1e6),
        Figure("messages", "messages a second", "thousands", 1e-3, Better.MORE),
        Figure("applied", "sum of those at each server", "thousands", 1e-3, Better.MORE),
        THROUGHPUT,
        P50,
        P99,
        SERVER_CPU,
        GENERATOR,
    )

    def cases(self, plan: Plan) -> Sequence[str]:
        if plan.quick:
            return ["2/100", f"2/{_FLOOD}"]
        rates = [*map(str, _RATES), _FLOOD]
        return [f"{servers}/{rate}" for rate in rates for servers in _SERVERS]

    def suits(self, peer: Fleet, case: str) -> bool:
        return True

    def lasts(self, case: str, plan: Plan) -> float:
        return 1.1 * plan.seconds + 4 + _parse(case).servers

    def measure(self, peer: Fleet, case: str, plan: Plan) -> dict[str, float]:
        servers, rate = _parse(case)
        with _audience(peer, servers, 1 if rate else _SENDERS * servers) as (them, running):
            begun, engine = them.deliveries, Meter(running.engine)
            if rate is None:
                measured = them.run(plan)
            else:
                meter = Meter(running)
                waits = speak(them, plan, meter, 1 / rate, _TIMED)
                measured = figures(them.deliveries, meter)
                measured |= {"p50": quantile(waits, 0.5), "p99": quantile(waits, 0.99)}
            measured["engine"] = engine.used() / (them.deliveries - begun)
        messages = measured["throughput"] / _USERS
        return {**measured, "messages": messages, "applied": messages * servers}


def _parse(case: str) -> _Case:
    servers, _, rate = case.partition("/")
    return _Case(int(servers), None if rate == _FLOOD else int(rate))


@contextmanager
def _audience(peer: Fleet, servers: int, senders: int) -> Iterator[tuple[Audience, Servers]]:
    """Run ``servers`` with users at each in turn, of whom the first ``senders`` speak. Raises BenchmarkError."""
    with peer.running(servers) as running, closing(Crowd()) as crowd:
        for process in (*running.all, running.engine):
            # There are more of them than processors.
            os.sched_setaffinity(process.pid, range(os.cpu_count() or 1))
        entrances = [Entrance(crowd, server.address) for server in running.all]
        users = []
        for number in range(_USERS):
            users += entrances[number % servers].let_in([peer.user(number)])
        speakers = []
        for sock, marker in zip(users[:senders], _MARKERS, strict=False):
            message = peer.message(content_of(_CONTENT, marker))
            sender = Sender(crowd, sock, message, _WINDOW)
            sender.confirm_by(sock, marker)
            speakers.append(sender)
        yield Audience(running, crowd, speakers, [sock.fileno() for sock in users]), running
