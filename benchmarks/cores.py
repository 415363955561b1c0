"""Choose the processors of the load, and of the programs that are measured.

Otherwise the system sometimes puts both on one processor, and each waits for the other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_ALL = frozenset(os.sched_getaffinity(0))


@contextmanager
def load_confined() -> Iterator[str]:
    """Give this process, the load, a processor of its own if there are several; return a description."""
    if len(_ALL) == 1:
        yield "the load and what is measured share one processor"
        return
    own = max(_ALL)
    os.sched_setaffinity(0, {own})
    try:
        yield f"processor {own} is the load's alone, what is measured has the other {len(_ALL) - 1}"
    finally:
        os.sched_setaffinity(0, _ALL)


@contextmanager
def beside_the_load() -> Iterator[None]:
    """Run what is started in the block on the processors that a confined load does not use."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, _ALL - own or own)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)
