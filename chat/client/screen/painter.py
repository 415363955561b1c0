"""Decide when the screen is drawn, and draw it: the input as soon as a key has changed it, the rest in frames.

A whole screen takes a few milliseconds to draw. In a flood that is worth doing thirty times a second, but a user who
types should not wait for the next time. So a key that changes only the draft draws the input rows and nothing else.
"""

from __future__ import annotations

import math
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
# After a drawing comes a rest of so many times its duration, and at most LONGEST_REST seconds. So a flood on a slow
# machine or a slow line leaves time for the messages themselves, and for keys.
REST = 20
LONGEST_REST = 0.1
# Seconds between two drawings after keys that changed more than the draft. The first such key is drawn at once, however
# short ago the last frame was: the user waits for that.
KEY_FRAME = 1 / 100


class Part(Enum):
    """Name what is to be drawn."""

    INPUT = "the input rows and the cursor"
    SCREEN = "everything"


class Pace:
    """Decide what is drawn next, and when. Moments are in seconds of any clock that only goes forward.

    Set ``screen_changed`` to have the whole screen drawn with the next frame, ``input_changed`` to have the input drawn
    at once.
    """

    def __init__(self) -> None:
        self.screen_changed = True
        self.input_changed = False
        self._hurries = False  # a key changed the screen
        self._is_for_key = False  # what is drawn now
        self._began_at = 0.0
        self._drawn_for_key_at = -math.inf
        self._drawn_at = -math.inf
        self._rest = 0.0  # seconds from the last frame to the next

    def hurry(self) -> None:
        """Have the whole screen drawn for a user who waits for it."""
        self.screen_changed = self._hurries = True

    def next_part(self, now: float) -> Part | None:
        """Return what must be drawn at ``now``."""
        if self.screen_changed and now >= self._due:
            return Part.SCREEN
        return Part.INPUT if self.input_changed else None

    def patience(self, now: float) -> float | None:
        """Return the seconds until the next frame is due; None if none is needed."""
        return max(0.0, self._due - now) if self.screen_changed else None

    def begin(self, part: Part, now: float) -> None:
        """Forget the changes that are drawn now; later ones are drawn next time."""
        self.input_changed = False
        if part is Part.SCREEN:
            self._is_for_key = self._hurries
            self.screen_changed = self._hurries = False
            self._began_at = now

    def end(self, part: Part, now: float) -> None:
        """Record that ``part`` has been drawn, and that the terminal had taken it at ``now``."""
        if part is Part.SCREEN:
            self._drawn_at = now
            if self._is_for_key:
                self._drawn_for_key_at = now
            self._rest = max(FRAME, min(REST * (now - self._began_at), LONGEST_REST))

    @property
    def _due(self) -> float:
        if self._hurries:
            return self._drawn_for_key_at + KEY_FRAME
        return self._drawn_at + self._rest


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
        # Called for each message of a flood.
        if not self._pace.screen_changed:
            self._pace.screen_changed = True
            self._woken.set()

    def show_keys(self, *, draft_only: bool) -> None:
        """Have the effect of keys drawn at once. ``draft_only``: they changed only the draft."""
        self._pace.input_changed = True
        if not draft_only:
            self._pace.hurry()
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
            pace.begin(part, now)
            if part is Part.INPUT and not self._draw_input():
                part = Part.SCREEN
                pace.begin(part, now)
            if part is Part.SCREEN:
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
