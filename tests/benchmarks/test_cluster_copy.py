"""The benchmark of a new server in a cluster with a long history: the server comes, and what it cost is told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import homes
from tests.package_tree import ROOT
from tests.server.cluster.engine_process import needs_engine


@needs_engine
@pytest.mark.thorough("a benchmark, run on a small scale")
def test_tells_what_a_new_server_costs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cluster_copy", "--size=8M", "--rounds=2", "--users=2"],
        cwd=ROOT,
        env=homes.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    *rounds, ratio = done.stdout.splitlines()
    assert len(rounds) == 2
    assert all(" MB/s; memory at most " in line for line in rounds)
    assert ratio.startswith("p99 while a copy is taken to p99 without: ")
