"""The cost of a process includes the processes that it started, as long as they run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.processes import ProcessTree

IDLE = "print('done', flush=True); input()"
BUSY = f"n = 0\nwhile n < 3_000_000: n += 1\n{IDLE}"


@contextmanager
def running(program: str) -> Iterator[tuple[ProcessTree, subprocess.Popen[bytes]]]:
    """A Python program, once it has said something."""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        tree = ProcessTree(process)
        assert process.stdout is not None
        process.stdout.readline()
        yield tree, process
        tree.end()


def test_a_child_counts_too() -> None:
    started = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"
    with running(IDLE) as (alone, _), running(started) as (parent, _):
        assert parent.memory() > 1.5 * alone.memory()
        assert parent.cpu() > alone.cpu() > 0


def test_a_child_that_has_ended_is_no_trouble() -> None:
    # It is not waited for, so it stays as a zombie.
    program = "import os\nif os.fork(): print('done', flush=True); input()"
    with running(program) as (tree, _):
        assert tree.memory() > 0
        assert tree.cpu() > 0


def test_one_that_has_ended_itself_is_known_to_have() -> None:
    with running("print('done')") as (tree, process):
        process.communicate()
        assert tree.has_ended()
