"""Memory that is not needed any more, given back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable


def _find_trim() -> Callable[[int], int] | None:
    """``malloc_trim`` of the GNU C library; other libraries have none, or need none."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return lambda pad: int(trim(pad))


_trim = _find_trim()


def give_back_memory() -> bool:
    """Give back what is free in the middle of the heap, too, which the allocator would keep for good.

    Whether there was any. Takes a fraction of a millisecond for each ten megabytes.
    """
    return _trim is not None and _trim(0) == 1
