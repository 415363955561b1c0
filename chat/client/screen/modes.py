"""Set the modes of the terminal on descriptor 1 that curses leaves alone."""

from __future__ import annotations

import errno
import termios
from typing import Any

STDOUT = 1


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
