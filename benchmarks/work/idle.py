"""Keep many idle users: how they come in, and how much memory each takes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from benchmarks.audience import SPARE_DESCRIPTORS
from benchmarks.load import Crowd, Entrance, raise_descriptor_limit
from benchmarks.peers.peer import Peer
from benchmarks.plan import Plan
from benchmarks.processes import Meter
from benchmarks.results import GENERATOR, SERVER_CPU, Figure, quantile
from benchmarks.work.work import ServerWork

_TIME_LIMIT = 120.0  # seconds for all users to log in
_SECONDS_PER_LOGIN = 1e-3  # about
_MOST_ENCRYPTED = 1000  # users for whom the load can decrypt
MEMORY = Figure("memory", "memory of one idle user", "kB", 1e-3)
CPU_PER_LOGIN = Figure("cpu_per_login", "server CPU per login", "ms", 1e3)


class Idle(ServerWork):
    """Let idle users log in as the usual client of a server does; with some servers, everyone hears of everyone."""

    name = "idle"
    title = (
        "users who log in, as many at a time as the server accepts up to 100, and stay, by number"
    )
    figures = (
        MEMORY,
        CPU_PER_LOGIN,
        Figure("wall", "time for all logins", "s"),
        Figure("p99", "time to be in, p99", "ms", 1e3),
        SERVER_CPU,
        GENERATOR,
    )

    def cases(self, plan: Plan) -> Sequence[str]:
        return [str(number) for number in plan.idlers]

    def lasts(self, case: str, plan: Plan) -> float:
        return 1 + int(case) * _SECONDS_PER_LOGIN

    def suits(self, peer: Peer, case: str) -> bool:
        most = min(peer.max_receivers, _MOST_ENCRYPTED) if peer.encrypted else peer.max_receivers
        return peer.is_server and int(case) <= most

    def measure(self, peer: Peer, case: str, plan: Plan) -> dict[str, float]:
        users = int(case)
        raise_descriptor_limit(users + SPARE_DESCRIPTORS)
        with peer.running() as server, closing(Crowd()) as crowd:
            empty = server.memory()
            entrance = Entrance(
                crowd,
                server.address,
                peer.at_a_time,
                _TIME_LIMIT,
                is_encrypted=peer.encrypted,
            )
            meter = Meter(server)
            entrance.let_in(peer.idler(number) for number in range(users))
            wall = meter.elapsed()
            crowd.settle()
            used, own = meter.used(), meter.own_used()
            return {
                "memory": (server.memory() - empty) / users,
                "cpu_per_login": used / users,
                "wall": wall,
                "p99": quantile(entrance.waits, 0.99),
                "server_cpu": used,
                "generator": own / used,
            }
