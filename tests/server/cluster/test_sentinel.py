"""A failover by Sentinel: nothing is lost, and the former primary becomes a replica that servers wait for."""

from __future__ import annotations

from pathlib import Path

import gevent
import pytest

from chat.net.address import Address
from chat.net.engine_url import EngineUrl
from chat.server.cluster.standing import Standing
from tests.server.cluster.engine_process import EngineProcess, SentinelProcess, needs_engine
from tests.server.cluster.servers import PREFIX, cluster, faster, until

pytestmark = needs_engine


@pytest.mark.thorough("takes 5 s; test_guards.py moves servers to a replica")
def test_failover(tmp_path: Path) -> None:
    with cluster(tmp_path) as cluster_:
        primary = cluster_.engine
        replicas = [cluster_.start_engine() for _ in range(2)]
        for replica in replicas:
            replica.follow(primary)
        sentinel = SentinelProcess(tmp_path / "sentinel", primary)
        cluster_.engines.append(sentinel)  # so it is killed at the end
        sentinel.start()
        until(lambda: len(sentinel.call("SENTINEL", "replicas", "main")) == 2)
        url = EngineUrl((Address(*sentinel.address),), "main", prefix=PREFIX, replicas=2)
        servers = [
            cluster_.start(name, url=url, limits=faster(answer=1.0, lease=60.0)) for name in "ab"
        ]
        said = 0

        def say(count: int) -> None:
            nonlocal said
            for _ in range(count):
                said += 1
                servers[said % 2].append(b"%d" % said)
                gevent.sleep(0.002)

        say(200)
        primary.kill()
        say(200)
        until(lambda: servers[0].log.standing is Standing.AWAY)
        # Sentinel would do nothing if the primary came back before.
        until(lambda: primaries_of(replicas))
        # Two replicas must have each entry, so all waits for the third engine.
        primary.start()
        [cluster_.engine] = primaries_of(replicas)
        say(200)
        assert cluster_.faults() == []


def primaries_of(engines: list[EngineProcess]) -> list[EngineProcess]:
    return [engine for engine in engines if engine.call("INFO", "replication")["role"] == "master"]
