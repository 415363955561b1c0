"""Send very many messages at once to a client that shows and keeps them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.clients.client import Client
from benchmarks.clients.flood import LAST, flood, last_message
from benchmarks.plan import Plan
from benchmarks.processes import Meter
from benchmarks.results import CLIENT_GENERATOR, CPU_PER_LINE, Figure
from benchmarks.work.work import ClientWork


class ClientLog(ClientWork):
    name = "client-log"
    title = "a terminal client, 120x40, that gets messages of 60 bytes as fast as it takes them, by number"
    figures = (
        CPU_PER_LINE,
        Figure("memory", "memory afterwards", "MB", 1e-6),
        Figure("wall", "time until the last is shown", "s"),
        Figure("drawn", "sent to the terminal", "MB", 1e-6),
        Figure("client_cpu", "client CPU", "s"),
        CLIENT_GENERATOR,
    )

    def cases(self, plan: Plan) -> Sequence[str]:
        return ["500"] if plan.quick else ["50000"]

    def measure(self, peer: Client, case: str, plan: Plan) -> dict[str, float]:
        lines = int(case)
        with peer.running() as stage:
            stage.wait_for_text(peer.first_words(stage.port))
            peer.enter(stage)
            stage.settle(plan.quiet)
            data = stage.host.encode([*flood(lines - 1), last_message()])
            drawn = stage.drawn
            meter = Meter(stage.process)
            stage.say(data)
            stage.wait_for_text(LAST)
            wall = meter.elapsed()
            stage.settle(plan.quiet)
            used = meter.used()
            return {
                "cpu_per_line": used / lines,
                "memory": stage.process.memory(),
                "wall": wall,
                "drawn": stage.drawn - drawn,
                "client_cpu": used,
                "generator": meter.own_used() / used,
            }
