"""Python programs on a terminal of their own, seen as a user at the terminal sees them."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import pyte

from tests import homes
from tests.starting.programs import Program, take_terminal

CHECKOUT = Path(__file__).resolve().parents[3]
PATIENCE = 30.0  # seconds after which something that should happen is taken not to

# The beginning of a script that uses a terminal.
BEGIN = """
import gevent, os, signal, sys
from chat.client.screen.terminal import terminal as module
from chat.client.screen.draw.layout import Cursor, Screen
from chat.client.screen.text.spans import Span
from chat.client.screen.text.styles import Colours
from chat.client.screen.terminal.terminal import Terminal, TerminalGone, TerminalUnusable

def screen(*texts, style="text", rows=6):
    drawn = [[Span(text, style)] for text in texts]
    return Screen(drawn + [[] for _ in range(rows - len(drawn))], Cursor(0, 0))
"""

# Private modes of xterm: bracketed paste, focus, arrow keys for the wheel, and the alternate screen.
SCREEN_MODES = frozenset({2004, 1004, 1007, 1049})
# Mouse events, and their coordinates.
MOUSE_MODES = frozenset({1000, 1006})


class _Emulator(pyte.Screen):
    """With what pyte does not know: restoring a private mode (xterm, "CSI ? Pm r")."""

    def set_margins(
        self, top: int | None = None, bottom: int | None = None, private: bool = False
    ) -> None:
        if private and top is not None:
            self.reset_mode(top, private=True)
        else:
            super().set_margins(top, bottom)


class Onlooker:
    """Runs ``script``; ``with`` sees to it that it is gone afterwards. ``output`` is all that it has written."""

    def __init__(
        self,
        script: str,
        *,
        columns: int = 40,
        rows: int = 6,
        environment: Mapping[str, str] | None = None,
        command: tuple[str, ...] = (sys.executable, "-c"),
    ) -> None:
        self.columns, self.rows = columns, rows
        self.output = b""
        self.master: int | None
        self.master, far = pty.openpty()
        self._set_size(far)
        self.settings_before = termios.tcgetattr(far)
        usual = homes.environment(**{"TERM": "xterm-256color", "TZ": "UTC", **(environment or {})})
        if "NO_COLOR" not in (environment or {}):
            usual.pop("NO_COLOR", None)
        self.process = Program(
            [*command, script],
            cwd=CHECKOUT,
            env=usual,
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        os.close(far)

    def __enter__(self) -> Onlooker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # It leads a session of its own, with all that it has started.
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.master is not None:
            self.hang_up()

    def type(self, keys: bytes) -> None:
        assert self.master is not None
        os.write(self.master, keys)

    def resize(self, columns: int, rows: int) -> None:
        assert self.master is not None
        self.columns, self.rows = columns, rows
        self._set_size(self.master)

    def hang_up(self) -> None:
        assert self.master is not None
        os.close(self.master)
        self.master = None

    def wait_for(self, pattern: str) -> None:
        """Wait until the text is found on the screen."""
        self.wait_until(lambda: re.search(pattern, self.text) is not None, pattern)

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            left = deadline - time.monotonic()
            assert left > 0, f"no {what} in {self.output!r}:\n{self.text}"
            assert self._read_more(), f"ended without {what}: {self.output!r}\n{self.text}"

    def wait(self) -> int:
        """Read all that the program has written; return its exit status."""
        while self._read_more():
            pass
        return self.process.wait(PATIENCE)

    @property
    def screen(self) -> pyte.Screen:
        screen = _Emulator(self.columns, self.rows)
        pyte.ByteStream(screen).feed(self.output)
        return screen

    @property
    def text(self) -> str:
        """Return the text on the screen, without the blanks at the ends."""
        return "\n".join(row.rstrip() for row in self.screen.display).rstrip()

    @property
    def words(self) -> str:
        """Return the text on the screen as one line: the terminal breaks a long line anywhere."""
        return " ".join("".join(self.screen.display).split())

    @property
    def modes(self) -> set[int]:
        """Return the modes of ``SCREEN_MODES`` and ``MOUSE_MODES`` that are on."""
        return {mode for mode in SCREEN_MODES | MOUSE_MODES if mode << 5 in self.screen.mode}

    @property
    def settings(self) -> list[object]:
        """Return the settings of the terminal's line: whether it echoes, and so on."""
        assert self.master is not None
        return list(termios.tcgetattr(self.master))

    def _set_size(self, descriptor: int) -> None:
        size = struct.pack("HHHH", self.rows, self.columns, 0, 0)
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, size)

    def _read_more(self) -> bool:
        """False once nobody has the terminal open any more."""
        assert self.master is not None
        ready, _, _ = select.select([self.master], [], [], PATIENCE)
        assert ready, f"silent after {self.output!r}:\n{self.text}"
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.output += data
        return bool(data)


def onlooker(script: str, **environment: str) -> Onlooker:
    """Return a terminal on which ``script`` runs after ``BEGIN``."""
    return Onlooker(BEGIN + script, environment=environment)
