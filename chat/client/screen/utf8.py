"""Choose a locale with UTF-8, because curses writes and measures by the locale."""

from __future__ import annotations

import contextlib
import locale


def use_utf8() -> None:
    """Choose a locale with UTF-8, because curses writes and measures by the locale."""
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, "")
    if locale.nl_langinfo(locale.CODESET).upper() not in ("UTF-8", "UTF8"):
        for name in ("C.UTF-8", "en_US.UTF-8", "UTF-8"):
            with contextlib.suppress(locale.Error):
                locale.setlocale(locale.LC_CTYPE, name)
                return
