"""Type in a client while very much is said in its room."""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmarks.clients.client import Client
from benchmarks.clients.flood import flood
from benchmarks.clients.stage import Stage
from benchmarks.plan import BenchmarkError, Plan
from benchmarks.processes import Meter
from benchmarks.results import CLIENT_GENERATOR, Figure, quantile
from benchmarks.work.work import ClientWork

_RATE = 5000  # messages a second
_TICK = 0.01  # seconds between what is sent of them
_INTERVAL = 0.103  # seconds between two keys: no multiple of the time between two screens
_PATIENCE = 10.0
# Letters that occur nowhere else in the output, so each is found when it is drawn.
_FIRST_KEY = 0x0410


class ClientKey(ClientWork):
    name = "client-key"
    title = (
        f"a terminal client, 120x40, that gets {_RATE:,} messages of 60 bytes a second "
        "while somebody types, by number of keys"
    )
    figures = (
        Figure("p50", "time until a key shows, p50", "ms", 1e3),
        Figure("p99", "time until a key shows, p99", "ms", 1e3),
        Figure("worst", "time until a key shows, worst", "ms", 1e3),
        Figure("share", "client CPU a second", "ms", 1e3),
        Figure("drawn", "sent to the terminal a second", "kB", 1e-3),
        CLIENT_GENERATOR,
    )

    def cases(self, plan: Plan) -> Sequence[str]:
        return ["5"] if plan.quick else ["100"]

    def lasts(self, case: str, plan: Plan) -> float:
        return 2 + int(case) * _INTERVAL

    def measure(self, peer: Client, case: str, plan: Plan) -> dict[str, float]:
        with peer.running() as stage:
            stage.wait_for_text(peer.first_words(stage.port))
            peer.enter(stage)
            stage.settle(plan.quiet)
            messages = list(flood(_RATE))
            size = int(_RATE * _TICK)
            pieces = [
                stage.host.encode(messages[start : start + size]) for start in range(0, _RATE, size)
            ]
            drawn = stage.drawn
            meter = Meter(stage.process)
            waits = _type(stage, int(case), pieces)
            wall, used, own = meter.elapsed(), meter.used(), meter.own_used()
            return {
                "p50": quantile(waits, 0.5),
                "p99": quantile(waits, 0.99),
                "worst": max(waits),
                "share": used / wall,
                "drawn": (stage.drawn - drawn) / wall,
                "generator": own / used,
            }


def _type(stage: Stage, keys: int, pieces: Sequence[bytes]) -> list[float]:
    """Press so many keys while the ``pieces`` arrive again and again; return the seconds until each key is shown.

    Raises BenchmarkError.
    """
    waits: list[float] = []
    sent = 0
    began = next_key = time.monotonic()
    next_key += 10 * _TICK
    pressed_at: float | None = None
    while len(waits) < keys:
        now = time.monotonic()
        if now >= began + sent * _TICK:
            stage.say(pieces[sent % len(pieces)])
            sent += 1
        if pressed_at is None and now >= next_key:
            key = chr(_FIRST_KEY + len(waits)).encode()
            stage.look_for(key)
            pressed_at = time.monotonic()
            stage.type(key)
            next_key = max(next_key + _INTERVAL, pressed_at)
        stage.turn(0.001)
        if pressed_at is None:
            continue
        if stage.seen_at is not None:
            waits.append(stage.seen_at - pressed_at)
            pressed_at = None
        elif now - pressed_at > _PATIENCE:
            raise BenchmarkError(f"key {len(waits) + 1} was never shown")
    return waits
