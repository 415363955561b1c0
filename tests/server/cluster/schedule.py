"""Random schedules: servers append all the time, while connections, servers and engines fail in a random order."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import gevent

from chat.server.cluster.lease import LeaseRefused
from chat.server.cluster.redis_connection import EngineAway
from chat.server.cluster.standing import Standing
from chat.server.log.log import LogClosed
from tests.cutting.proxy import Cut, Manner, Proxy
from tests.server.cluster.engine_process import EngineProcess
from tests.server.cluster.servers import ENDED, HASTY, ClusterServer, TestCluster, cluster, until

NAMES = ("a", "b", "c")
_LINK, _PAUSE, _KILL, _FAIL_OVER = "link", "pause", "kill", "fail over"
# Bytes are held for longer or shorter than a call waits, and than a lease lasts.
_HOLDS = (0.05, HASTY.answer * 1.5, HASTY.lease * 1.3)


class Schedule:
    """Some faults, drawn by ``rng``. With ``has_replica``, engines fail over; otherwise the engine starts again."""

    def __init__(self, cluster_: TestCluster, rng: random.Random, *, has_replica: bool) -> None:
        self.faults: list[str] = []
        self._cluster = cluster_
        self._rng = rng
        self._replica: EngineProcess | None = None
        if has_replica:
            self._add_replica()
        self._running = {name: cluster_.start(name) for name in NAMES}
        self._said = 0
        self._kinds = (_LINK, _LINK, _LINK, _PAUSE, _FAIL_OVER if has_replica else _KILL)

    def run(self, count: int) -> None:
        """Cause ``count`` faults, and at last let every server follow the log."""
        tasks = [gevent.spawn(self._talk), gevent.spawn(self._replace_ended)]
        try:
            for _ in range(count):
                gevent.sleep(self._rng.choice((0.01, 0.1, 0.3)))
                self._break(self._rng.choice(self._kinds))
            until(lambda: all(server.proxy.is_calm for server in self._running.values()))
            until(lambda: all(s.log.standing is Standing.FOLLOWING for s in self._running.values()))
            for task in tasks:
                assert not task.dead, task.exception
        finally:
            gevent.killall(tasks)

    def close(self) -> None:
        """Cut the replica off."""
        if self._replica is not None:
            self._between.close()

    def _break(self, kind: str) -> None:
        self.faults.append(kind)
        server = self._running[self._rng.choice(NAMES)]
        if kind == _LINK:
            self._break_link(server)
        elif kind == _PAUSE:
            server.freeze()
            gevent.sleep(self._rng.choice(_HOLDS))
            server.thaw()
        elif kind == _KILL:
            self._cluster.engine.kill()
            gevent.sleep(self._rng.choice((0, 0.2)))
            self._cluster.engine.start()
        elif self._replica is not None:
            # The replica may lag behind what the primary has taken.
            self._between.hold()
            gevent.sleep(self._rng.choice((0, 0.05, 0.3)))
            self._between.close()
            self._cluster.fail_over(self._replica)
            self._add_replica()

    def _break_link(self, server: ClusterServer) -> None:
        if server.proxy.links:
            manner = self._rng.choice(list(Manner))
            up, down = self._rng.choice(((True, True), (True, False), (False, True)))
            if manner is Manner.LATE:
                up = down = True
            after, seconds = self._rng.choice((0, 0, 100, 5000)), self._rng.choice(_HOLDS)
            self._rng.choice(server.proxy.links).cut(Cut(manner, after, up, down, seconds))

    def _add_replica(self) -> None:
        self._between = Proxy(self._cluster.engine.address)
        self._replica = self._cluster.start_engine()
        self._replica.follow(self._between.address)

    def _talk(self) -> None:
        while True:
            server = self._running[self._rng.choice(NAMES)]
            for _ in range(self._rng.choice((1, 1, 3, 50))):
                self._said += 1
                try:
                    server.append(b"%d " % self._said + b"." * self._rng.choice((0, 100, 20_000)))
                except LogClosed:
                    break  # it has ended, and another run of it begins
            gevent.sleep(self._rng.choice((0, 0.001, 0.02)))

    def _replace_ended(self) -> None:
        while True:
            gevent.sleep(0.01)
            for name, server in self._running.items():
                if server.log.standing in ENDED:
                    server.log.close(0)
                    self._running[name] = self._start(name)

    def _start(self, name: str) -> ClusterServer:
        while True:
            try:
                return self._cluster.start(name)
            except (EngineAway, LeaseRefused):
                # Not a server: this run has never begun.
                self._cluster.servers.pop().close()
                gevent.sleep(0.05)


def run_schedule(directory: Path, seed: int, faults: int, *, has_replica: bool) -> list[str]:
    """Run one schedule; return what is wrong, with the faults that led there."""
    rng = random.Random(seed)
    with cluster(directory, limits=HASTY, replicas=int(has_replica)) as cluster_:
        with closing(Schedule(cluster_, rng, has_replica=has_replica)) as schedule:
            schedule.run(faults)
            found = cluster_.faults()
        found += [
            f"{server.name} ended: {server.told[-3:]}"
            for server in cluster_.servers
            if server.log.standing in (Standing.CUT, Standing.BEHIND, Standing.FAILED)
        ]
    return [f"seed {seed}, {schedule.faults}: {fault}" for fault in found]
