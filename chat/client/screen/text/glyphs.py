"""Replace characters whose width the system's C library does not know, or knows otherwise than the layout.

Curses moves its cursor by the widths of the C library. The layout uses the newest Unicode tables and rounds up; an
older library uses its own tables. A character that the library takes for wider than the layout did would not fit.
Curses would not write a character that the library does not know. Both are replaced, in the cells that the layout gave
them. Control characters that some terminals obey are replaced as well, even if the user typed them.
"""

from __future__ import annotations

import contextlib
import locale
from collections.abc import Callable

from chat.client.screen.text.cells import cells
from chat.sanitize import FIRST_PRIVATE_PLANE, UNKNOWN


def use_utf8() -> None:
    """Choose a locale with UTF-8, because curses writes and measures by the locale."""
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, "")
    if locale.nl_langinfo(locale.CODESET).upper() not in ("UTF-8", "UTF8"):
        for name in ("C.UTF-8", "en_US.UTF-8", "UTF-8"):
            with contextlib.suppress(locale.Error):
                locale.setlocale(locale.LC_CTYPE, name)
                return


class Glyphs:
    """Replace characters for one system.

    ``width_of`` is C's ``wcwidth`` of a code point (POSIX): its columns, -1 for a character that can't be printed.
    """

    def __init__(self, width_of: Callable[[int], int] | None = None) -> None:
        self._table = _Table(width_of)

    def shown(self, text: str) -> str:
        """Return ``text`` in no more cells than it was laid out for, on any system."""
        return text if text.isascii() else text.translate(self._table)


class _Table(dict[int, "int | str"]):
    """Map code points for ``str.translate``; filled as characters turn up."""

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
            # A locale without UTF-8 can't print the replacement character either.
            mark = UNKNOWN if self._width_of(ord(UNKNOWN)) == 1 else "?"
            shown = mark + " " * (wanted - 1)
        # Cached, because a call through ctypes for each character would be slow.
        self[code] = shown
        return shown


def _system_width() -> Callable[[int], int]:
    import ctypes  # takes a while to import, and ASCII text never needs it

    library = ctypes.CDLL(None)
    library.wcwidth.argtypes = [ctypes.c_wchar]
    library.wcwidth.restype = ctypes.c_int
    return lambda code: int(library.wcwidth(chr(code)))
