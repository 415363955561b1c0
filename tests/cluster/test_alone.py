"""The harness and the checker, tried at one server without a cluster, which is durable, or whose log commits late."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.cluster.run import ClusterRun
from tests.cluster.stage import LateStage, Stage


@pytest.mark.thorough(
    "takes 20 s; tests/cutting kills a server, and test_checker.py tries the checker"
)
@pytest.mark.parametrize("kind", [Stage, LateStage])
def test_a_server_in_trouble(tmp_path: Path, kind: type[Stage]) -> None:
    stage = kind(tmp_path, Random(7), count=14, pause=0.4)
    run = ClusterRun(stage, seconds=10.0, rng=Random(8), longest=2.0)
    told: list[str] = []
    assert run.run(told.append) == []
    assert sum(run.counts.values()) > 0, told
    echoed = [line for line in run.recording.lines.values() if line.is_answered]
    assert len(echoed) > 50, told
