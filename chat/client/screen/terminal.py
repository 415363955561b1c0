"""The terminal: the only module that knows curses. Rows of spans go out, names of keys come in.

Input is read past curses, for its own way of telling a lone ESC from a sequence stops every greenlet. Output is caught
and written on without blocking, so that a terminal which is stopped does not stop the connection.
"""

from __future__ import annotations

import contextlib
import curses
import errno
import locale
import os
import select
import signal
import termios
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import gevent
from gevent.event import Event
from gevent.socket import wait_read

from chat.client.screen.colours import DEFAULT, Pairs, nearest
from chat.client.screen.decoder import Input
from chat.client.screen.glyphs import Glyphs
from chat.client.screen.keyboard import Keyboard
from chat.client.screen.layout import Screen, Size
from chat.client.screen.output import Output, TerminalGone
from chat.client.screen.spans import Row
from chat.client.screen.styles import LOOKS, TEXT, Colours, Style

STDIN, STDOUT = 0, 1
_READ_SIZE = 64 * 1024
# Seconds at the end for the terminal to take the sequences that reset it; then it is left as it is.
_FAREWELL = 0.5

# xterm, "CSI ? Pm h": bracketed paste, focus events, mouse buttons with the wheel, and their SGR coordinates.
_MODES_ON = b"\x1b[?2004h\x1b[?1004h\x1b[?1000h\x1b[?1006h"
_MODES_OFF = b"\x1b[?1006l\x1b[?1000l\x1b[?1004l\x1b[?2004l"
_BELL = b"\a"

# A row as it was handed to curses: what was written with which attributes.
_Drawn = list[tuple[str, int]]


__all__ = ["Terminal", "TerminalGone", "TerminalUnusable"]


class TerminalUnusable(Exception):
    """It can't show a screen; the text says why."""


class Terminal:
    """A context manager: the terminal is as it was afterwards, whatever happens inside.

    ``colours`` is how many there are, 0 if none are to be used. ``resized`` is set when the size changes, and when
    the screen has to be drawn anew. ``is_asking`` tells whether a single key would be an answer now.
    """

    def __init__(self) -> None:
        self.colours = 0
        self.resized = Event()
        self.is_asking: Callable[[], bool] = lambda: False
        self._window: curses.window | None = None
        self._output: Output | None = None
        self._first_words = b""  # output of curses at its start, sent with the first frame
        self._modes_are_due = True
        self._has_drawn = False
        self._mode_of_shell: list[Any] = []  # termios attributes, as found
        self._mode_of_screen: list[Any] = []
        self._pairs: Pairs | None = None
        self._drawn: list[_Drawn] = []
        self._attributes: dict[Style, int] = {}
        self._keyboard = Keyboard(lambda: self.is_asking())
        self._glyphs = Glyphs()
        self._watchers: list[Any] = []

    def __enter__(self) -> Terminal:
        """Raises TerminalUnusable."""
        _use_utf8()
        try:
            self._mode_of_shell = termios.tcgetattr(STDOUT)
            window = curses.initscr()
        except (curses.error, termios.error) as problem:
            raise TerminalUnusable(f"the terminal can't be used: {problem}") from None
        self._window = window
        try:
            self._set_up(window)
            for number, handler in (
                (signal.SIGWINCH, self.resized.set),
                (signal.SIGCONT, self._return),
            ):
                self._watchers.append(gevent.signal_handler(number, handler))
        except BaseException:
            self._restore()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore()

    @property
    def size(self) -> Size:
        """As the terminal says now."""
        try:
            columns, rows = os.get_terminal_size(STDOUT)
        except OSError:  # it is gone, or knows none
            columns, rows = 80, 24
        return Size(columns or 80, rows or 24)

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
                keys = keyboard.feed(self._read_bytes(), time.monotonic())
            if keys:
                return keys

    def draw(self, screen: Screen) -> None:
        """Show ``screen``, and wait until the terminal has taken it; rows that have not changed are not sent.

        Raises TerminalGone.
        """
        window = self._shown
        self._fit(window, screen)
        if self._pairs is not None:
            self._pairs.begin_frame()
        for number, row in enumerate(screen.rows):
            written = self._written(row)
            if written != self._drawn[number]:
                self._drawn[number] = written
                _put(window, number, written)
        if screen.cursor is not None:
            # It may have shrunk since the screen was laid out: the next frame is for its new size.
            with contextlib.suppress(curses.error):
                window.move(*screen.cursor)
        frame = self._first_words + self._out.caught(window.refresh)
        self._first_words = b""
        self._has_drawn = True
        if self._modes_are_due:
            self._modes_are_due = False
            frame += _MODES_ON
        self._out.send(frame)

    def redraw(self) -> None:
        """The next ``draw`` sends everything: something else has written on the screen."""
        self._drawn = []
        self._shown.clear()

    def bell(self) -> None:
        self.write(_BELL)

    def write(self, sequence: bytes) -> None:
        """A sequence that leaves no trace on the screen. Raises TerminalGone."""
        self._out.send(sequence)

    def suspend(self) -> None:
        """Back to the shell, until it brings us to the front again."""
        self._leave()
        # The whole job, as the terminal's own Ctrl-Z would: whoever started us may be waiting for us.
        os.kill(0, signal.SIGTSTP)
        self._return()

    def _set_up(self, window: curses.window) -> None:
        curses.raw()
        curses.noecho()
        curses.nonl()
        curses.typeahead(-1)  # else curses stops drawing as soon as a key is typed
        window.nodelay(True)
        window.leaveok(False)
        self._mode_of_screen = termios.tcgetattr(STDOUT)
        self._output = Output()
        # Both write at once, but the terminal may take nothing. So their output is sent with the first frame.
        self._first_words = self._output.caught(lambda: self._set_up_keys_and_colours(window))

    def _set_up_keys_and_colours(self, window: curses.window) -> None:
        window.keypad(False)
        self._attributes.clear()
        if os.environ.get("NO_COLOR") or not curses.has_colors():
            self.colours, self._pairs = 0, None
            return
        curses.start_color()
        with contextlib.suppress(curses.error):  # then the terminal's own are black and white
            curses.use_default_colors()
        self.colours = 256 if curses.COLORS >= 256 else 8
        self._pairs = Pairs(min(curses.COLOR_PAIRS, 256) - 1, curses.init_pair)

    def _restore(self) -> None:
        """Also if only a part has been set up, and if the terminal is gone."""
        if self._window is None:
            return
        for watcher in self._watchers:
            watcher.cancel()
        self._watchers.clear()
        self._leave()
        if self._output is not None:
            self._output.close()
        self._window = self._output = None

    def _leave(self) -> None:
        """Give the terminal back as it was found. Output that the terminal does not take in time is skipped."""
        if self._output is None:  # nothing has been written yet
            with contextlib.suppress(curses.error):
                curses.endwin()
        else:
            self._output.drop()
            farewell = _MODES_OFF + self._output.caught(_end_window)
            # One that has got nothing is a usual one: to leave a screen that was never there would move the cursor.
            if self._has_drawn:
                with contextlib.suppress(TerminalGone):
                    self._output.send_within(_FAREWELL, farewell)
        _set_mode(self._mode_of_shell)

    def _return(self) -> None:
        """Set the terminal up again, because a shell may have changed its modes while this program was stopped."""
        if self._output is None:
            return
        _set_mode(self._mode_of_screen)
        self._output.drop()
        self._output.caught(_end_window)  # so the next frame begins by setting up the screen
        self._modes_are_due = True
        self.redraw()
        self.resized.set()

    @property
    def _shown(self) -> curses.window:
        assert self._window is not None, "a Terminal is entered before it is used"
        return self._window

    @property
    def _out(self) -> Output:
        assert self._output is not None, "a Terminal is entered before it is used"
        return self._output

    def _read_bytes(self) -> bytes:
        try:
            data = os.read(STDIN, _READ_SIZE)
        except BlockingIOError:  # somebody else who reads it was faster
            return b""
        except OSError as problem:
            raise TerminalGone(problem.strerror) from None
        if not data:
            raise TerminalGone("it was closed")
        return data

    def _fit(self, window: curses.window, screen: Screen) -> None:
        """A screen of another height than before begins from nothing."""
        rows, columns = window.getmaxyx()
        size = self.size
        if (size.rows, size.columns) != (rows, columns) and size.rows and size.columns:
            curses.resizeterm(size.rows, size.columns)
            self._drawn = []
        if len(self._drawn) != len(screen.rows):
            window.erase()
            self._drawn = [[] for _ in screen.rows]

    def _written(self, row: Row) -> _Drawn:
        shown = self._glyphs.shown
        return [(shown(text), self._attribute(style)) for text, style in row]

    def _attribute(self, style: Style) -> int:
        """Of curses. Colours are asked for in every frame, so that those in sight are kept."""
        if isinstance(style, Colours):
            if self._pairs is None:
                return 0
            foreground, background = (nearest(colour, self.colours) for colour in style)
            return self._pair(foreground, background)
        attribute = self._attributes.get(style)
        look = LOOKS.get(style) or LOOKS[TEXT]
        if attribute is None:
            attribute = self._attributes[style] = (
                (curses.A_BOLD if look.bold else 0)
                | (curses.A_DIM if look.dim else 0)
                | (curses.A_REVERSE if look.reverse else 0)
                | (curses.A_UNDERLINE if look.underline else 0)
            )
        colour = look.colour if self.colours >= 256 else look.basic
        if self._pairs is None or colour is None:
            return attribute
        return attribute | self._pair(colour, DEFAULT)

    def _pair(self, foreground: int, background: int) -> int:
        assert self._pairs is not None
        number, is_reversed = self._pairs.get(foreground, background)
        return curses.color_pair(number) | (curses.A_REVERSE if is_reversed else 0)


class _Silence(Exception):
    """Nothing came for a while."""


def _put(window: curses.window, number: int, written: _Drawn) -> None:
    rows, _ = window.getmaxyx()
    if number >= rows:
        return
    window.move(number, 0)
    window.clrtoeol()
    for text, attribute in _joined(written):
        try:
            window.addstr(text, attribute)
        except curses.error:
            # The corner was written, and the cursor has nowhere to go after it; or the terminal shrank meanwhile,
            # and the next frame is for its new size.
            return


def _joined(written: _Drawn) -> Iterator[tuple[str, int]]:
    """Neighbours that look alike as one, so that a cluster in two spans reaches curses whole."""
    text, attribute = "", 0
    for piece, its_attribute in written:
        if text and its_attribute != attribute:
            yield text, attribute
            text = ""
        text, attribute = text + piece, its_attribute
    if text:
        yield text, attribute


def _end_window() -> None:
    # Curses fails to set the modes, since its output is a file in memory; ``_set_mode`` sets them.
    with contextlib.suppress(curses.error):
        curses.endwin()


def _set_mode(mode: list[Any]) -> None:
    """Set termios attributes at once: to wait until the terminal has taken all output could take for ever."""
    while True:
        try:
            termios.tcsetattr(STDOUT, termios.TCSANOW, mode)
            return
        except termios.error as problem:
            # In the background the call stops this process; in the foreground again, it goes on here.
            if problem.args[0] != errno.EINTR:
                return  # the terminal is gone


def _use_utf8() -> None:
    """Curses writes and measures by the locale; one that is not UTF-8 is of no use to anybody here."""
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, "")
    if locale.nl_langinfo(locale.CODESET).upper() not in ("UTF-8", "UTF8"):
        for name in ("C.UTF-8", "en_US.UTF-8", "UTF-8"):
            with contextlib.suppress(locale.Error):
                locale.setlocale(locale.LC_CTYPE, name)
                return
