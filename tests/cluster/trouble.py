"""Cause the troubles of a run: processes are killed and paused, lines cut and held, clocks set."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from random import Random

import gevent

from tests.cluster.actor import Actor
from tests.cluster.tested_server import TestedServer
from tests.cutting.proxy import Cut, Manner

_PAUSE = 2.5  # seconds between two troubles, on average
_DEAD = (0.0, 0.5, 3.0)  # seconds for which a killed server is dead
# Seconds for which something is paused or held: shorter and longer than clients wait, and than a lease lasts.
_TIMES = (0.5, 2.0, 6.0, 12.0, 20.0, 60.0)
_JUMPS = (-3600.0, -70.0, -30.0, -1.0, 1.0, 45.0, 600.0, 7200.0)
_FORWARD = (1.0, 45.0, 600.0)
_CUT_HOLD = (0.05, 1.0, 5.0)


class Kind(str, Enum):
    """List what can go wrong."""

    LINK = "links of clients cut"
    KILL = "servers killed"
    PAUSE = "servers paused"
    HELD = "servers cut off from clients"
    CLOCK = "clocks set"
    SLEEP = "machines asleep"
    ENGINE_LINE = "servers cut off from the engine"
    PEER_LINE = "servers cut off from others"
    ENGINE_KILL = "engines killed"
    ENGINE_PAUSE = "engines paused"
    ENGINE_HELD = "engines cut off"


# What a run chooses from, and how often.
ALONE: Mapping[Kind, int] = {Kind.LINK: 6, Kind.KILL: 3, Kind.PAUSE: 2, Kind.HELD: 2, Kind.CLOCK: 2}

LATE: Mapping[Kind, int] = {kind: weight for kind, weight in ALONE.items() if kind is not Kind.KILL}
CLUSTER: Mapping[Kind, int] = {
    **ALONE,
    Kind.SLEEP: 1,
    Kind.ENGINE_LINE: 3,
    Kind.PEER_LINE: 1,
    Kind.ENGINE_KILL: 2,
    Kind.ENGINE_PAUSE: 1,
    Kind.ENGINE_HELD: 1,
}


class Trouble:
    """Cause troubles of the kinds in ``weights`` until told to stop; none lasts longer than ``longest`` seconds.

    A server with trouble gets no second one. ``server_deeds`` and ``engine_deeds`` are further deeds, of a server or of
    an engine; each takes a number of seconds. One engine has trouble at a time.
    """

    def __init__(
        self,
        servers: Sequence[TestedServer],
        actors: Sequence[Actor],
        rng: Random,
        *,
        weights: Mapping[Kind, int],
        longest: float,
        sets_clock_back: bool,
        server_deeds: Mapping[Kind, Callable[[TestedServer, float], None]],
        engine_deeds: Mapping[Kind, Callable[[float], str]],
    ) -> None:
        self.counts: Counter[Kind] = Counter()
        self.told: list[str] = []  # each trouble, with its time
        self._servers = servers
        self._actors = actors
        self._rng = rng
        self._weights = weights
        self._times = [each for each in _TIMES if each <= longest] or [longest]
        self._jumps = _JUMPS if sets_clock_back else _FORWARD
        self._server_deeds = {
            Kind.KILL: self._kill,
            Kind.PAUSE: self._pause,
            Kind.HELD: self._hold,
            Kind.SLEEP: self._sleep,
            **server_deeds,
        }
        self._engine_deeds = engine_deeds
        self._is_engine_broken = False
        self._broken: set[str] = set()
        self._tasks: list[gevent.Greenlet[..., None]] = []
        self._began = time.monotonic()
        self.problems: list[str] = []

    def run(self, seconds: float) -> None:
        """Cause troubles for so long, and wait until the last is over."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            gevent.sleep(min(left, self._rng.expovariate(1 / _PAUSE)))
            [kind] = self._rng.choices(list(self._weights), list(self._weights.values()))
            self._tasks.append(gevent.spawn(self._cause, kind))
        gevent.joinall(self._tasks)

    def _cause(self, kind: Kind) -> None:
        seconds = self._rng.choice(self._times)
        try:
            done = (
                self._break_engine(kind, seconds)
                if kind in self._engine_deeds
                else self._break_server(kind, seconds)
            )
        except Exception as problem:
            self.problems.append(f"the harness cannot go on with {kind.value}: {problem!r}")
            raise
        if done:
            self.counts[kind] += 1

    def note(self, text: str) -> None:
        """Note a trouble for the reader of a report."""
        self.told.append(f"{time.monotonic() - self._began:7.2f} {text}")

    def _break_engine(self, kind: Kind, seconds: float) -> bool:
        if self._is_engine_broken:
            return False
        self._is_engine_broken = True
        try:
            self.note(f"{kind.value}, {seconds} s")
            self.note(f"over: {self._engine_deeds[kind](seconds)}")
        finally:
            self._is_engine_broken = False
        return True

    def _break_server(self, kind: Kind, seconds: float) -> bool:
        server = self._rng.choice(self._servers)
        if kind is Kind.LINK:
            return self._cut_link(server)
        if kind is Kind.CLOCK:
            jump = self._rng.choice(self._jumps)
            self.note(f"clock of {server.name} {jump:+}")
            server.jump(jump)
            return True
        # One server at least is left alone.
        if not server.is_running or server.name in self._broken:
            return False
        if len(self._broken) >= max(1, len(self._servers) - 1):
            return False
        self._broken.add(server.name)
        try:
            self.note(f"{server.name}: {kind.value}, {seconds} s")
            self._server_deeds[kind](server, seconds)
            self.note(f"{server.name}: over")
        finally:
            self._broken.discard(server.name)
        return True

    def _cut_link(self, server: TestedServer) -> bool:
        proxy = server.proxy
        if not proxy.links:
            return False
        up, down = self._rng.choice(((True, True), (True, False), (False, True)))
        manner = self._rng.choice(list(Manner))
        if manner is Manner.LATE:
            up = down = True
        after, seconds = self._rng.choice((0, 0, 100, 5000)), self._rng.choice(_CUT_HOLD)
        return self._rng.choice(proxy.links).cut(Cut(manner, after, up, down, seconds))

    def _kill(self, server: TestedServer, seconds: float) -> None:
        server.kill()
        gevent.sleep(self._rng.choice(_DEAD))
        server.start()

    def _pause(self, server: TestedServer, seconds: float) -> None:
        server.pause()
        gevent.sleep(seconds)
        server.resume()

    def _hold(self, server: TestedServer, seconds: float) -> None:
        up, down = self._rng.choice(((True, True), (True, False), (False, True)))
        server.proxy.hold(up=up, down=down)
        gevent.sleep(seconds)
        server.proxy.release()

    def _sleep(self, server: TestedServer, seconds: float) -> None:
        server.sleep(seconds)
