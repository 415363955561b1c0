"""Set the modes of the terminal on descriptor 1 that curses leaves alone: of its line, and xterm's private modes.

The title of the window is set here too: like a mode, it stays when the program has ended, unless it is set back.
"""

from __future__ import annotations

import errno
import termios
import time
from typing import Any

STDOUT = 1

# xterm, "CSI ? Pm h": bracketed paste, and focus events.
_ALWAYS_ON = b"\x1b[?2004h\x1b[?1004h"
_ALWAYS_OFF = b"\x1b[?1004l\x1b[?2004l"
# Mouse buttons with the wheel, and their SGR coordinates.
_MOUSE_ON = b"\x1b[?1000h\x1b[?1006h"
_MOUSE_OFF = b"\x1b[?1006l\x1b[?1000l"
# Without mouse events, a turn of the wheel sends arrow keys (1007, alternate scroll). Many terminals do so on every
# alternate screen; this mode asks xterm too, where the wheel would do nothing otherwise. The user may have set the mode
# either way, so it is saved before, and restored afterwards ("CSI ? Pm s" and "CSI ? Pm r").
_WHEEL_SAVE = b"\x1b[?1007s"
_WHEEL_ON = b"\x1b[?1007h"
_WHEEL_RESTORE = b"\x1b[?1007r"
# xterm, "CSI 22 ; 2 t" and "CSI 23 ; 2 t": keep the title of the window, and set it back. A terminal without these
# should not keep the client's title either, so the title is emptied before; such terminals then show their own.
_TITLE_SAVE = b"\x1b[22;2t"
_TITLE_RESTORE = b"\x1b]2;\x1b\\\x1b[23;2t"
# xterm, OSC 11 with "?", and "CSI c" (DA1, ECMA-48): ask for the colour of the background, and for the kind of the
# terminal. Every terminal answers the second question, and in the order of the questions, so after that answer none to
# the first will come any more.
_ASK_BACKGROUND = b"\x1b]11;?\x1b\\\x1b[c"
# Beginnings of TERM for terminals that print the strings of xterm (OSC) or hang on them, instead of skipping them.
_WITHOUT_STRINGS = (
    *("ansi", "cons", "dumb", "eterm", "linux", "pcansi", "sun", "vt1", "vt2", "vt3", "vt4"),
    *("vt5", "wsvt", "wy"),
)


def takes_strings(term: str) -> bool:
    """Return whether the terminal that TERM names understands or skips strings such as the title (xterm, OSC)."""
    return not term.startswith(_WITHOUT_STRINGS)


class PrivateModes:
    """Know which private modes the terminal should have, and which it has been given.

    ``mouse``: the terminal sends mouse events; otherwise the mouse selects text, as in any other program. ``title`` is
    a sanitized title for the window; None leaves the title as it is, and so does a terminal that does not take strings.
    ``asks_background``: ask the terminal for the colour of its background, also after a stop, since it may be another.
    """

    def __init__(self, has_strings: bool = True) -> None:
        self._has_strings = has_strings
        self.mouse = False
        self.title: str | None = None
        self.asks_background = False
        self.asked_at: float | None = (
            None  # when, by the monotonic clock; None after the last answer
        )
        self._has_title: str | None = None
        self._is_set = False  # since the last ``due``
        self._is_saved = False
        self._has_mouse = False
        self._is_title_saved = False

    @property
    def are_due(self) -> bool:
        """Whether no mode is set yet, or another program may have changed all of them."""
        return not self._is_set

    def due(self) -> bytes:
        """Return what must be sent to the terminal, and assume that it is sent."""
        if self._is_set and self.mouse == self._has_mouse and self.title == self._has_title:
            return b""
        sequences = b""
        if not self._is_set:
            sequences = (b"" if self._is_saved else _WHEEL_SAVE) + _WHEEL_ON + _ALWAYS_ON
            if self.asks_background and self._has_strings:
                sequences += _ASK_BACKGROUND
                self.asked_at = time.monotonic()
        if self.mouse != self._has_mouse:
            sequences += _MOUSE_ON if self.mouse else _MOUSE_OFF
        if self._has_strings and self.title is not None and self.title != self._has_title:
            sequences += b"" if self._is_title_saved else _TITLE_SAVE
            sequences += b"\x1b]2;" + self.title.encode() + b"\x1b\\"
            self._is_title_saved = True
        self._is_set, self._is_saved = True, True
        self._has_mouse, self._has_title = self.mouse, self.title
        return sequences

    def forget(self) -> None:
        """Make everything due again: another program may have changed the modes meanwhile."""
        self._is_set = self._has_mouse = False
        self._has_title = None

    def forget_mouse(self) -> None:
        """Note that the mouse was given back to the terminal meanwhile."""
        self._has_mouse = False

    def undo(self) -> bytes:
        """Return what gives the modes back as they were found, and make everything due again."""
        self.forget()
        if not self._is_saved:
            return b""
        title = _TITLE_RESTORE if self._is_title_saved else b""
        self._is_saved = self._is_title_saved = False
        return _MOUSE_OFF + _ALWAYS_OFF + _WHEEL_RESTORE + title


def set_line_mode(mode: list[Any]) -> None:
    """Set termios attributes at once: waiting until the terminal has taken all output could take for ever."""
    while True:
        try:
            termios.tcsetattr(STDOUT, termios.TCSANOW, mode)
            return
        except termios.error as problem:
            # In the background, the call stops this process with SIGTTOU. After SIGCONT it fails with EINTR: try again.
            if problem.args[0] != errno.EINTR:
                return  # the terminal is gone
