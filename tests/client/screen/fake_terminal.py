"""A terminal that a test types at and reads, for the program that draws on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

import gevent
from gevent.event import Event
from gevent.queue import Queue

from chat.client.screen.draw.layout import Cursor, Screen, Size
from chat.client.screen.input.decoder import Input
from chat.client.screen.input.keys import split_keys
from chat.client.screen.terminal.modes import PrivateModes
from chat.client.screen.terminal.terminal import TerminalGone, TerminalUnusable
from chat.client.screen.text.spans import Row, text_of
from chat.client.screen.text.styles import Style

PATIENCE = 30.0  # seconds after which something that should happen is taken not to


class _OutOfPatience(Exception):
    """Report that something has not been drawn in time."""


class FakeTerminal:
    """``done`` tells what was asked of it, beside drawing."""

    def __init__(self) -> None:
        self.colours = 256
        self.resized = Event()
        self.modes = PrivateModes()
        self.size = Size(60, 10)
        self.rows: list[str] = []
        self.styles: set[Style] = set()
        self.title: str | None = None
        self.done: list[str | bytes] = []
        self.is_on = False
        self.unusable: TerminalUnusable | None = None
        self.frames = 0  # drawings of the whole screen
        self._drawn = Event()
        self._typed: Queue[list[Input] | TerminalGone] = Queue()

    # For tests

    def type(self, keys: str) -> None:
        self._typed.put([*split_keys(keys)])

    def hang_up(self) -> None:
        self._typed.put(TerminalGone("it was closed"))

    def wait_for(self, *texts: str) -> None:
        """Wait until each text is in a row."""
        self._wait(lambda: self._shows(texts))
        assert self._shows(texts), f"no {texts!r} in {self.rows}"

    def wait_for_style(self, style: Style) -> None:
        """Wait until something has this style."""
        self._wait(lambda: style in self.styles)
        assert style in self.styles

    def _wait(self, is_shown: Callable[[], bool]) -> None:
        with suppress(_OutOfPatience), gevent.Timeout(PATIENCE, _OutOfPatience):
            while not is_shown():
                self._drawn.clear()
                self._drawn.wait()

    def _shows(self, texts: Iterable[str]) -> bool:
        return all(any(text in row for row in self.rows) for text in texts)

    # The interface of a terminal

    def __enter__(self) -> FakeTerminal:
        if self.unusable is not None:
            raise self.unusable
        self.is_on = True
        return self

    def __exit__(self, *problem: object) -> None:
        self.is_on = False

    def read(self) -> list[Input]:
        typed = self._typed.get()
        if isinstance(typed, TerminalGone):
            raise typed
        return typed

    def draw(self, screen: Screen) -> None:
        self.frames += 1
        self.title = screen.title
        self.rows = [text_of(row).rstrip() for row in screen.rows]
        self.styles = {span.style for row in screen.rows for span in row}
        self._drawn.set()

    def draw_last_rows(self, rows: list[Row], cursor: Cursor) -> None:
        self.rows[len(self.rows) - len(rows) :] = [text_of(row).rstrip() for row in rows]
        self._drawn.set()

    def write(self, sequence: bytes) -> None:
        self.done.append(sequence)
        self._drawn.set()

    def suspend(self) -> None:
        self.done.append("suspend")

    def redraw(self) -> None:
        self.done.append("redraw")
