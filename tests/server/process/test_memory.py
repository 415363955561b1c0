"""Memory that is not needed any more goes back to the system."""

from __future__ import annotations

import gc
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.server.process.memory import collect_rarely, give_back_memory

M = 1024**2


def resident_memory() -> int:
    """Return the resident memory of this process, in bytes."""
    match = re.search(r"^VmRSS:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) * 1024


@pytest.fixture
def collector() -> Iterator[None]:
    """The tests' own collector is as it was afterwards."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("collector")
def test_connections_that_come_by_the_thousand_cause_no_full_collection() -> None:
    collect_rarely()
    before = [generation["collections"] for generation in gc.get_stats()]

    kept = [[number] for number in range(400_000)]

    young, older, full = (
        generation["collections"] - count
        for generation, count in zip(gc.get_stats(), before, strict=True)
    )
    assert len(kept) == 400_000
    assert young > 100  # cycles that die young are still found
    assert older > 10
    assert full == 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others need no reminding")
def test_holes_in_the_heap_are_given_back() -> None:
    pieces = [bytes(50_000) + bytes([n % 256]) for n in range(800)]
    # Every second one stays, so that the heap does not simply end earlier.
    del pieces[::2]
    before = resident_memory()

    assert give_back_memory()

    assert resident_memory() < before - 10 * M
    assert len(pieces) == 400
