"""Read the keyboard of the terminal on descriptor 0: wait for bytes, and for the pauses that end a key or a paste."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable

from gevent.socket import wait_read

from chat.client.screen.input.decoder import Input
from chat.client.screen.terminal.keyboard import Keyboard
from chat.client.screen.terminal.output import TerminalGone

STDIN = 0
_READ_SIZE = 64 * 1024


class KeyReader:
    """Read keys for the whole life of a terminal. The arguments are those of ``Keyboard``."""

    def __init__(self, is_asking: Callable[[], bool], hear: Callable[[str], object]) -> None:
        self._keyboard = Keyboard(is_asking, hear)

    def read(self) -> list[Input]:
        """Wait for keys and pastes. Raises TerminalGone."""
        keyboard = self._keyboard
        while True:
            try:
                patience = keyboard.patience(time.monotonic())
                wait_read(STDIN, timeout=patience, timeout_exc=_Silence)
            except _Silence:
                # This process may have been busy, so typed characters may be waiting to be read.
                is_silent = not select.select([STDIN], [], [], 0)[0]
                keys = keyboard.expire(time.monotonic()) if is_silent else []
            else:
                keys = keyboard.feed(_read_bytes(), time.monotonic())
            if keys:
                return keys

    def read_answers(self, are_due: Callable[[], bool], deadline: float) -> None:
        """Read answers of the terminal while they ``are_due``, until ``deadline`` (monotonic). Keys are dropped.

        Other greenlets wait meanwhile.
        """
        with contextlib.suppress(TerminalGone):
            while are_due() and (left := deadline - time.monotonic()) > 0:
                if select.select([STDIN], [], [], left)[0]:
                    self._keyboard.feed(_read_bytes(), time.monotonic())


class _Silence(Exception):
    """Report that nothing came within the timeout."""


def _read_bytes() -> bytes:
    try:
        data = os.read(STDIN, _READ_SIZE)
    except BlockingIOError:  # another process that reads this terminal was faster
        return b""
    except OSError as problem:
        raise TerminalGone(problem.strerror) from None
    if not data:
        raise TerminalGone("it was closed")
    return data
