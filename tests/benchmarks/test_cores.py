"""The load has a processor for itself, and what is measured does not run there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.cores import beside_the_load, load_confined

SEVERAL = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one processor")
WHERE = "import os; print(*os.sched_getaffinity(0))"


def where_a_program_runs() -> set[int]:
    with beside_the_load():
        program = subprocess.run([sys.executable, "-c", WHERE], stdout=subprocess.PIPE, check=True)
    return set(map(int, program.stdout.split()))


@SEVERAL
def test_what_is_measured_runs_where_the_load_does_not() -> None:
    everywhere = os.sched_getaffinity(0)

    with load_confined() as words:
        (own,) = os.sched_getaffinity(0)
        assert where_a_program_runs() == everywhere - {own}
        assert os.sched_getaffinity(0) == {own}
        assert f"processor {own}" in words

    assert os.sched_getaffinity(0) == everywhere


def test_a_load_that_is_not_confined_confines_nobody() -> None:
    assert where_a_program_runs() == os.sched_getaffinity(0)
