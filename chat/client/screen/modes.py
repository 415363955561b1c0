"""Set the modes of the terminal on descriptor 1 that curses leaves alone: of its line, and xterm's private modes."""

from __future__ import annotations

import errno
import termios
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


class PrivateModes:
    """Know which private modes the terminal should have, and which it has been given.

    ``mouse``: the terminal sends mouse events; otherwise the mouse selects text, as in any other program.
    """

    def __init__(self) -> None:
        self.mouse = False
        self._is_set = False  # since the last ``due``
        self._is_saved = False
        self._has_mouse = False

    def due(self) -> bytes:
        """Return what must be sent to the terminal, and assume that it is sent."""
        if self._is_set and self.mouse == self._has_mouse:
            return b""
        sequences = b""
        if not self._is_set:
            sequences = (b"" if self._is_saved else _WHEEL_SAVE) + _WHEEL_ON + _ALWAYS_ON
        if self.mouse != self._has_mouse:
            sequences += _MOUSE_ON if self.mouse else _MOUSE_OFF
        self._is_set, self._is_saved, self._has_mouse = True, True, self.mouse
        return sequences

    def forget(self) -> None:
        """Make everything due again: another program may have changed the modes meanwhile."""
        self._is_set = self._has_mouse = False

    def undo(self) -> bytes:
        """Return what gives the modes back as they were found, and make everything due again."""
        self.forget()
        if not self._is_saved:
            return b""
        self._is_saved = False
        return _MOUSE_OFF + _ALWAYS_OFF + _WHEEL_RESTORE


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
