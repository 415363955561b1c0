"""When memory that is not needed any more is looked for, and given back to the system."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable

# The first two are Python's own. A full collection looks at everything that has lived for a while: with ten thousand
# connections, nobody is served for a tenth of a second and more. There is next to nothing for it to find, since what a
# connection leaves behind is freed by its reference counts; so it comes after ten thousand young ones, not a hundred.
_THRESHOLDS = (700, 10, 1000)


def collect_rarely() -> None:
    """Make full collections rare, and leave what the program has loaded so far out of them: it stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


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
