"""Connections, servers and engines fail in any order: one order, no loss, no double, nothing behind a fence."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.server.cluster.engine_process import needs_engine
from tests.server.cluster.schedule import run_schedule

pytestmark = needs_engine


def test_a_few_faults_of_one_engine(tmp_path: Path) -> None:
    assert run_schedule(tmp_path, random.randrange(1 << 32), 4, has_replica=False) == []


@pytest.mark.timeout(300)
@pytest.mark.thorough("long schedules; a short one is above")
@pytest.mark.parametrize("has_replica", [False, True])
def test_many_faults(tmp_path: Path, has_replica: bool) -> None:
    for number in range(2):
        seed = random.randrange(1 << 32)
        assert run_schedule(tmp_path / str(number), seed, 20, has_replica=has_replica) == []
