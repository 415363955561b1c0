"""Characters as the system's C library knows them, for that is whose widths curses goes by.

The layout goes by the newest Unicode tables, and a little to the safe side; an older library goes by its own. What it
takes for wider than the layout did would not fit, and what it does not know it would not write at all: both are shown
as something else, in the cells that they were given. So is what some terminals obey, also if the user has typed it.
"""

from __future__ import annotations

from collections.abc import Callable

from chat.client.display import FIRST_PRIVATE_PLANE, UNKNOWN
from chat.client.screen.cells import cells


class Glyphs:
    """``width_of`` is C's ``wcwidth`` for a code point (POSIX): columns, -1 for what can't be printed."""

    def __init__(self, width_of: Callable[[int], int] | None = None) -> None:
        self._table = _Table(width_of)

    def shown(self, text: str) -> str:
        """``text``, in no more cells on any system than it was laid out for."""
        return text if text.isascii() else text.translate(self._table)


class _Table(dict[int, "int | str"]):
    """For ``str.translate``; filled as characters turn up."""

    def __init__(self, width_of: Callable[[int], int] | None) -> None:
        super().__init__()
        self._width_of = width_of

    def __missing__(self, code: int) -> int | str:
        if self._width_of is None:
            self._width_of = _system_width()
        wanted = cells(chr(code))
        width = self._width_of(code)
        if 0 <= width <= wanted and chr(code) < FIRST_PRIVATE_PLANE:
            shown: int | str = code
        elif wanted == 0:
            shown = ""
        else:
            mark = UNKNOWN if self._width_of(ord(UNKNOWN)) == 1 else "?"
            shown = mark + " " * (wanted - 1)
        self[code] = shown
        return shown


def _system_width() -> Callable[[int], int]:
    import ctypes  # not for those who write ASCII only

    library = ctypes.CDLL(None)
    library.wcwidth.argtypes = [ctypes.c_wchar]
    library.wcwidth.restype = ctypes.c_int
    return lambda code: int(library.wcwidth(chr(code)))
