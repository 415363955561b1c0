"""Start a client: from the command to the first screen, and to the room."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from benchmarks.clients.client import Client
from benchmarks.plan import Plan
from benchmarks.results import CLIENT_GENERATOR, FIRST_SCREEN, Figure
from benchmarks.work.work import ClientWork

_STARTS = 3  # in each round, after one that is not counted: it brings into memory what has fallen out of it


class ClientStart(ClientWork):
    name = "client-start"
    title = "a terminal client, 120x40, started by its command, the disk warm"
    figures = (
        FIRST_SCREEN,
        Figure("screen_cpu", "client CPU until then", "ms", 1e3),
        Figure("inside", "time to be in the room", "ms", 1e3),
        Figure("memory", "memory there", "MB", 1e-6),
        CLIENT_GENERATOR,
    )

    def cases(self, plan: Plan) -> Sequence[str]:
        return ["warm"]

    def measure(self, peer: Client, case: str, plan: Plan) -> dict[str, float]:
        starts = [_start(peer, plan) for _ in range(1 if plan.quick else 1 + _STARTS)]
        counted = starts[1:] or starts
        return {key: median(start[key] for start in counted) for key in starts[0]}


def _start(client: Client, plan: Plan) -> dict[str, float]:
    began, own_began = time.monotonic(), time.process_time()
    with client.running() as stage:
        stage.wait_for_text(client.first_words(stage.port))
        first_screen = time.monotonic() - began
        used, own = stage.process.cpu(), time.process_time() - own_began
        client.enter(stage)
        inside = time.monotonic() - began
        stage.settle(plan.quiet)
        return {
            "first_screen": first_screen,
            "screen_cpu": used,
            "inside": inside,
            "memory": stage.process.memory(),
            "generator": own / used,
        }
