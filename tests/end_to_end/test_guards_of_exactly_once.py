"""Each guard of exactly-once is needed: without it, a run of cut links and killed programs finds something."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cutting.guards import Guard
from tests.cutting.proxy import Manner
from tests.cutting.run import CuttingRun
from tests.cutting.schedule import Weights

pytestmark = pytest.mark.thorough(
    "a test of tests.cutting; client/resuming/test_exactly_once.py has guards too"
)

# On a busy machine, a run may miss the moment: then another one must find it.
SEEDS = (34, 35, 36)

# Guard, and the trouble that shows its absence soonest.
GUARDS = {
    Guard.DEVICE: (Weights(1, 0, 0, 0), 20),
    Guard.LOOK_UP: (Weights(1, 0, 0, 0), 20),
    Guard.ONE_WRITE: (Weights(0, 1, 0, 0), 30),
    Guard.JUMP: (Weights(0, 0, 1, 0), 3),
}


@pytest.mark.parametrize("guard", GUARDS)
def test_without_a_guard_a_run_finds_something(guard: Guard, tmp_path: Path) -> None:
    assert any(finds_something(guard, seed, tmp_path / str(seed)) for seed in SEEDS)


def finds_something(guard: Guard, seed: int, directory: Path) -> bool:
    weights, cuts = GUARDS[guard]
    directory.mkdir()
    run = CuttingRun(
        directory,
        cuts=cuts,
        seed=seed,
        pause=0.03,
        trouble_pause=0.06,
        weights=weights,
        manners={Manner.LATE: 1},
        without=guard,
    )
    return any("number" in problem for problem in run.run(lambda line: None))
