"""The benchmark of the log that several servers share: all servers read everything, with and without a replica."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import homes
from tests.package_tree import ROOT
from tests.server.cluster.engine_process import needs_engine


@needs_engine
@pytest.mark.thorough("a benchmark, run on a small scale")
@pytest.mark.parametrize("options", [(), ("--replica", "--servers=3", "--fsync=always")])
def test_each_rate_has_a_row(options: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cluster_log", "--seconds=0.3", *options],
        cwd=ROOT,
        env=homes.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    heading, *rows = done.stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["100/s", "5,000/s", "flood"]
    # The flood has as many columns: its servers append, too.
    assert {len(row.split()) for row in rows} == {8}
    assert heading.split()[:2] == ["rate", "records/s"]
