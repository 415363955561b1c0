"""Decide when the garbage collector runs, and when memory is given back to the system."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable

# The first two are Python's defaults. A full collection visits all old objects: with ten thousand connections it stops
# the server for a tenth of a second or more. It finds next to nothing, since reference counts free the objects of a
# closed connection. So a full collection comes after ten thousand young collections, not after a hundred.
_THRESHOLDS = (700, 10, 1000)

_WORTH_GIVING_BACK = 1024**2  # bytes


def collect_rarely() -> None:
    """Make full collections rare, and exclude all objects that exist now, which stay until the program ends."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


def _find_trim() -> Callable[[int], int] | None:
    """Return ``malloc_trim`` of the GNU C library, or None for a library without it."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return lambda pad: int(trim(pad))


_trim = _find_trim()


def give_back_memory() -> bool:
    """Give free memory back to the system, also from the middle of the heap, which the allocator would keep.

    Return whether there was any. A call takes a fraction of a millisecond for each 10 MB.
    """
    return _trim is not None and _trim(0) == 1


def give_back_memory_after(released: int) -> None:
    """Give memory back to the system if the program freed enough (``released``, in bytes) to be worth the time."""
    if released >= _WORTH_GIVING_BACK:
        give_back_memory()
