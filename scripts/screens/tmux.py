"""Run a program in a terminal of tmux, without a window, in a tmux server that no other session uses."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

PATIENCE = 15.0  # seconds to wait for text that should appear
_NUMBERS = count(1)
_PAUSE = 0.02  # between two looks
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_BLANKS_AT_ENDS = re.compile(r" +$", re.MULTILINE)


class NeverShown(Exception):
    """Report that the terminal did not show the expected text."""


class Captured(NamedTuple):
    """Hold what a terminal shows: rows with their colours as ANSI sequences, and the cell of the cursor."""

    ansi: str
    column: int
    row: int
    is_over: bool  # the program has ended

    @property
    def text(self) -> str:
        return _BLANKS_AT_ENDS.sub("", _COLOURS.sub("", self.ansi))


class Terminal:
    """Run a program in a terminal of ``columns`` x ``rows``. ``directory`` is where tmux has its socket.

    ``background`` is a colour such as ``#ffffff``: the terminal gives it to programs that ask for the background.
    """

    def __init__(
        self,
        command: Sequence[str],
        columns: int,
        rows: int,
        *,
        directory: Path,
        environment: Mapping[str, str],
        background: str,
    ) -> None:
        # A tmux server that is about to end may still be there.
        self._name = f"screen{next(_NUMBERS)}"
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("TMUX")},
            **environment,
            "TMUX_TMPDIR": str(directory),
            "LC_ALL": "C.UTF-8",
        }
        size = ("-x", str(columns), "-y", str(rows))
        # tmux would set another TERM, which not every system knows.
        words = f"TERM=screen-256color exec {shlex.join(command)}"
        # The status line of tmux would take a row. remain-on-exit keeps the last output of the program visible.
        first = ("-f", "/dev/null", "start-server", ";", "set", "-g", "status", "off", ";")
        more = ("set", "-g", "remain-on-exit", "on", ";")
        ground = ("set", "-g", "window-style", f"bg={background}", ";")
        self._tmux(*first, *more, *ground, "new-session", "-d", *size, words)

    def close(self) -> None:
        """End the program, and wait until it is gone and writes nothing more."""
        is_over, process = map(int, self._tmux("display", "-p", "#{pane_dead} #{pane_pid}").split())
        if not is_over:
            os.kill(process, signal.SIGKILL)
        self._tmux("kill-server")

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", "--", text)

    def press(self, *keys: str) -> None:
        """Press keys by their names in tmux: ``Enter``, ``PPage``, ``C-r``."""
        self._tmux("send-keys", *keys)

    def enter(self, line: str) -> None:
        self.type(line)
        self.press("Enter")

    def wait_for(self, *patterns: str) -> Captured:
        """Wait until all patterns are shown together; return the screen. Raises NeverShown."""
        return self._wait_for(patterns, lambda captured: captured.text)

    def wait_for_colours(self, *patterns: str) -> Captured:
        """Wait until all patterns are found in the text with its ANSI sequences. Raises NeverShown."""
        return self._wait_for(patterns, lambda captured: captured.ansi)

    def _wait_for(self, patterns: Sequence[str], searched: Callable[[Captured], str]) -> Captured:
        deadline = time.monotonic() + PATIENCE
        while True:
            captured = self._capture()
            missing = [p for p in patterns if not re.search(p, searched(captured), re.MULTILINE)]
            if not missing:
                return captured
            if captured.is_over or time.monotonic() > deadline:
                raise NeverShown(f"no {missing} in:\n{captured.text}")
            time.sleep(_PAUSE)

    def wait_until_over(self) -> None:
        """Wait until the program has ended by itself. Raises NeverShown."""
        deadline = time.monotonic() + PATIENCE
        while not (captured := self._capture()).is_over:
            if time.monotonic() > deadline:
                raise NeverShown(f"the program does not end:\n{captured.text}")
            time.sleep(_PAUSE)

    def _capture(self) -> Captured:
        answer = self._tmux(
            *("display", "-p", "#{cursor_x} #{cursor_y} #{pane_dead}", ";"),
            *("capture-pane", "-e", "-N", "-p"),
        )
        state, _, ansi = answer.partition("\n")
        column, row, is_over = map(int, state.split())
        return Captured(ansi, column, row, bool(is_over))

    def _tmux(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-u", "-L", self._name, *arguments],
            env=self._environment,
            capture_output=True,
            check=True,
            encoding="utf-8",
        ).stdout
