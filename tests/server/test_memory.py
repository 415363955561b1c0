"""Memory that is not needed any more goes back to the system."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest

from chat.server.memory import give_back_memory

M = 1024**2


def resident_memory() -> int:
    """Of this process, in bytes."""
    match = re.search(r"^VmRSS:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) * 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others need no reminding")
def test_holes_in_the_heap_are_given_back() -> None:
    pieces = [bytes(50_000) + bytes([n % 256]) for n in range(800)]
    # Every second one stays, so that the heap does not simply end earlier.
    del pieces[::2]
    before = resident_memory()

    assert give_back_memory()

    assert resident_memory() < before - 10 * M
    assert len(pieces) == 400
