"""Which processors the load runs on, and which what is measured.

Left to itself the system puts both on one now and then, with each wakeup; then one waits for the other's turn.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_ALL = frozenset(os.sched_getaffinity(0))


@contextmanager
def load_confined() -> Iterator[str]:
    """This process, the load, has one processor for itself, if there are more; in words."""
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
    """What is started meanwhile runs where a load that is confined does not."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, _ALL - own or own)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)
