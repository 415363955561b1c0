"""Decide when the screen is drawn, and draw it: the input as soon as a key has changed it, the rest in frames.

A whole screen takes a few milliseconds to draw. In a flood that is worth doing thirty times a second, but a user who
types should not wait for the next time. So a key that changes only the draft draws the input rows and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Protocol

from gevent.event import Event

from chat.client.screen.controller import Controller
from chat.client.screen.draw.layout import Cursor, Renderer, Screen, Size
from chat.client.screen.model.model import Model
from chat.client.screen.text.spans import Row

# Seconds between two drawings of the whole screen.
FRAME = 1 / 30
# The same after a key that changed more than the draft: the user waits for that.
KEY_FRAME = 1 / 100


class Part(Enum):
    """Name what is to be drawn."""

    INPUT = "the input rows and the cursor"
    SCREEN = "everything"


class Pace:
    """Decide what is drawn next, and when. Moments are in seconds of any clock that only goes forward."""

    def __init__(self) -> None:
        # The least seconds since the last frame before the next one; None if no frame is needed.
        self._gap: float | None = 0.0
        self._input_changed = False
        self._drawn_at = 0.0

    def want_screen(self, gap: float) -> bool:
        """Have the whole screen drawn ``gap`` seconds after the last frame; return whether that is news."""
        if self._gap is not None and self._gap <= gap:
            return False
        self._gap = gap
        return True

    def want_input(self) -> None:
        """Have the input drawn at once."""
        self._input_changed = True

    def next_part(self, now: float) -> Part | None:
        """Return what must be drawn at ``now``."""
        if self._gap is not None and now >= self._drawn_at + self._gap:
            return Part.SCREEN
        return Part.INPUT if self._input_changed else None

    def patience(self, now: float) -> float | None:
        """Return the seconds until the next frame is due; None if none is needed."""
        return None if self._gap is None else max(0.0, self._drawn_at + self._gap - now)

    def begin(self, part: Part) -> None:
        """Forget the changes that are drawn now; later ones are drawn next time."""
        self._input_changed = False
        if part is Part.SCREEN:
            self._gap = None

    def end(self, part: Part, now: float) -> None:
        """Record that ``part`` has been drawn, and that the terminal had taken it at ``now``."""
        if part is Part.SCREEN:
            self._drawn_at = now


class Canvas(Protocol):
    """List what the painter needs of a terminal. All methods raise TerminalGone."""

    resized: Event

    @property
    def size(self) -> Size: ...

    def draw(self, screen: Screen) -> None: ...

    def draw_last_rows(self, rows: list[Row], cursor: Cursor) -> None: ...

    def write(self, sequence: bytes) -> None: ...


class Painter:
    """Draw ``model`` on ``terminal``. ``signals`` returns the sequences to send with a frame, each once."""

    def __init__(
        self,
        terminal: Canvas,
        renderer: Renderer,
        model: Model,
        controller: Controller,
        signals: Callable[[], Iterable[bytes]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terminal = terminal
        self._renderer = renderer
        self._model = model
        self._controller = controller
        self._signals = signals
        self._clock = clock
        self._pace = Pace()
        self._woken = Event()
        self._input_height = 0  # rows of the input in the last frame
        self._size = Size(0, 0)  # of the last frame

    def repaint(self) -> None:
        """Have the whole screen drawn with the next frame."""
        if self._pace.want_screen(FRAME):
            self._woken.set()

    def show_keys(self, *, draft_only: bool) -> None:
        """Have the effect of keys drawn at once. ``draft_only``: they changed only the draft."""
        self._pace.want_input()
        if not draft_only:
            self._pace.want_screen(KEY_FRAME)
        self._woken.set()

    def run(self) -> None:
        """Draw until the greenlet is killed. Only this greenlet draws, so drawings never mix. Raises TerminalGone."""
        pace = self._pace
        while True:
            now = self._clock()
            part = pace.next_part(now)
            if part is None:
                self._woken.clear()
                self._woken.wait(pace.patience(now))
                continue
            pace.begin(part)
            if part is Part.SCREEN or not self._draw_input():
                part = Part.SCREEN
                pace.begin(part)
                self._draw_screen()
            pace.end(part, self._clock())

    def watch_size(self) -> None:
        """Draw again whenever the terminal asks for it, until the greenlet is killed."""
        resized = self._terminal.resized
        while True:
            resized.wait()
            resized.clear()
            self.repaint()

    def _draw_input(self) -> bool:
        """Draw the input rows; return False if the rest of the screen must move."""
        if not self._input_height or self._terminal.size != self._size:
            return False
        written = self._renderer.input(self._model, self._size)
        if len(written.rows) != self._input_height:
            return False
        self._terminal.draw_last_rows(written.rows, written.cursor)
        return True

    def _draw_screen(self) -> None:
        self._controller.size = size = self._terminal.size
        self._controller.show_draft()
        screen = self._renderer.render(self._model, size)
        self._size, self._input_height = size, screen.input_height
        self._terminal.draw(screen)
        for sequence in self._signals():
            self._terminal.write(sequence)
