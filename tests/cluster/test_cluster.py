"""Servers that share a log: processes are killed, lines cut, and no user misses or doubts a message."""

from __future__ import annotations

from pathlib import Path
from random import Random

import gevent
import pytest

from tests.cluster.cluster_stage import ClusterStage
from tests.cluster.run import ClusterRun
from tests.server.cluster.engine_process import needs_engine

pytestmark = needs_engine


@pytest.mark.thorough(
    "test_arriving.py, test_two_servers.py and test_moving.py show each of its parts"
)
def test_a_server_and_the_engine_are_killed(tmp_path: Path) -> None:
    stage = ClusterStage(
        tmp_path, Random(5), count=10, pause=0.1, servers=2, has_replica=False, is_hasty=True
    )

    def script() -> None:
        gevent.sleep(0.5)  # they talk
        adam, berta = stage.servers.values()
        adam.kill()
        gevent.sleep(0.2)
        [engine] = stage.engines.all
        engine.kill()
        engine.start()
        adam.start()
        for link in berta.proxy.links[::2]:
            link.end()
        gevent.sleep(0.5)

    run = ClusterRun(stage, rng=Random(6), script=script)
    told: list[str] = []
    assert run.run(told.append) == [], told
    answered = [line for line in run.recording.lines.values() if line.is_answered]
    assert len(answered) > 50, told
    assert len({session.server for session in run.recording.sessions}) == 2


@pytest.mark.timeout(180)
@pytest.mark.thorough("takes a minute; the test above kills on a smaller scale")
def test_trouble_at_random(tmp_path: Path) -> None:
    stage = ClusterStage(
        tmp_path, Random(7), count=16, pause=0.4, servers=2, has_replica=False, is_hasty=True
    )
    run = ClusterRun(stage, seconds=25.0, rng=Random(8), longest=6.0)
    told: list[str] = []
    assert run.run(told.append) == [], told
    assert sum(run.counts.values()) > 0, told
    answered = [line for line in run.recording.lines.values() if line.is_answered]
    assert len(answered) > 100, told
