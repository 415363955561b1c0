"""Drive the terminal: rows of spans go out, names of keys come in. No other module knows curses.

Input is read past curses, because curses waits after an ESC to see whether a sequence follows, and that wait stops
every greenlet. Output is caught in memory and written without blocking, so that a stopped terminal does not stop the
connection.
"""

from __future__ import annotations

import contextlib
import curses
import os
import signal
import termios
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import gevent
from gevent.event import Event

from chat.client.screen.draw.layout import Cursor, Screen, Size
from chat.client.screen.input.decoder import Input
from chat.client.screen.terminal.bare_view import BareView
from chat.client.screen.terminal.key_reader import KeyReader
from chat.client.screen.terminal.modes import PrivateModes, set_line_mode, takes_strings
from chat.client.screen.terminal.output import Output, TerminalGone
from chat.client.screen.text.colours import DEFAULT, Pairs, nearest
from chat.client.screen.text.glyphs import Glyphs, use_utf8
from chat.client.screen.text.spans import Row, joined
from chat.client.screen.text.styles import Appearance, Colours, Style
from chat.client.screen.text.themes import Theme

STDOUT = 1
# Seconds at the end for the terminal to take the sequences that reset it; the rest is skipped.
_FAREWELL = 0.5
_BELL = b"\a"
# Seconds after which a terminal that has not answered will not answer.
_ANSWER_TAKES = 1.0
# Nearly every terminal of today understands what the first of these does; each system has at least one of them.
_SIMILAR = ("xterm-256color", "xterm", "vt100")

# A row as it was passed to curses: pieces of text with their attributes.
_Drawn = list[tuple[str, int]]


__all__ = ["Terminal", "TerminalGone", "TerminalUnusable"]


class TerminalUnusable(Exception):
    """Report that the terminal can't show a screen; the text says why."""


class Terminal:
    """Use the terminal inside a ``with`` block; afterwards it is as it was, whatever happens inside.

    ``colours`` is how many colours it has, 0 if none are to be used. ``resized`` is set when the size changes, and when
    the screen must be drawn again. ``modes`` are sent with the next frame. ``is_asking`` tells whether a single key
    would answer a question now. Styles look as ``theme`` says.
    """

    def __init__(self, theme: Theme | None = None) -> None:
        self.colours = 0
        self.resized = Event()
        self.modes = PrivateModes(takes_strings(os.environ.get("TERM", "")))
        self.is_asking: Callable[[], bool] = lambda: False
        self._window: curses.window | None = None
        self._output: Output | None = None
        self._first_words = b""  # output of curses at its start, sent with the first frame
        self._has_drawn = False
        self._mode_of_shell: list[Any] = []  # termios attributes, as found
        self._mode_of_screen: list[Any] = []
        self._pairs: Pairs | None = None
        self._drawn: list[_Drawn] = []
        self._bare = BareView()
        self._attributes: dict[Style, tuple[int, Appearance]] = {}
        self._reader = KeyReader(lambda: self.is_asking(), self._hear)
        self._theme = theme or Theme()
        self._glyphs = Glyphs()
        self._watchers: list[Any] = []

    def __enter__(self) -> Terminal:
        """Set up the terminal. Raises TerminalUnusable."""
        use_utf8()
        try:
            self._mode_of_shell = termios.tcgetattr(STDOUT)
            _find_terminal()
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
        """Return the size that the terminal has now."""
        try:
            columns, rows = os.get_terminal_size(STDOUT)
        except OSError:  # it is gone, or does not know its size
            columns, rows = 80, 24
        return Size(columns or 80, rows or 24)

    def read(self) -> list[Input]:
        """Wait for keys and pastes. Raises TerminalGone."""
        return self._reader.read()

    def draw(self, screen: Screen) -> None:
        """Show ``screen``, and wait until the terminal has taken it. Rows that have not changed are not sent.

        Raises TerminalGone.
        """
        if screen.bare is not None:
            start = self._refreshed() if self.modes.are_due else b""
            self._out.send(start + self._bare.sequence(screen.bare, self.size))
            return
        if self._bare.end():
            self.modes.forget_mouse()
            self.redraw()
        window = self._shown
        self._fit(window, screen)
        if self._pairs is not None:
            self._pairs.begin_frame()
        self._put_rows(window, 0, screen.rows, screen.cursor)
        self.modes.title = screen.title
        self._out.send(self._refreshed())

    def _refreshed(self) -> bytes:
        """Return what curses sends for its next frame, with what is due before and after it."""
        frame = self._first_words + self._out.caught(self._shown.refresh) + self.modes.due()
        self._first_words = b""
        self._has_drawn = True
        return frame

    def draw_last_rows(self, rows: list[Row], cursor: Cursor) -> None:
        """Show ``rows`` in place of the last rows of the screen, with the cursor in them, and leave the others alone.

        Do nothing if the next ``draw`` must send everything. Raises TerminalGone.
        """
        first = len(self._drawn) - len(rows)
        if first < 0:
            return
        window = self._shown
        self._put_rows(window, first, rows, Cursor(first + cursor.row, cursor.column))
        # curses compares only the rows that were written to.
        self._out.send(self._out.caught(window.refresh))

    def redraw(self) -> None:
        """Make the next ``draw`` send everything, because another program wrote on the screen."""
        self._bare.forget()
        self._drawn = []
        self._shown.clear()

    def bell(self) -> None:
        """Ring the bell. Raises TerminalGone."""
        self.write(_BELL)

    def write(self, sequence: bytes) -> None:
        """Send ``sequence``, which must leave no trace on the screen. Raises TerminalGone."""
        self._out.send(sequence)

    def suspend(self) -> None:
        """Give the terminal back to the shell, stop this process, and set the terminal up again when it continues."""
        self._leave()
        # Stop the whole process group, as Ctrl-Z in a terminal does: a parent such as ``make`` may be waiting for this
        # process.
        os.kill(0, signal.SIGTSTP)
        self._return()

    def _set_up(self, window: curses.window) -> None:
        # raw, not cbreak: Ctrl-C, Ctrl-Z and Ctrl-\ are keys, not signals.
        curses.raw()
        curses.noecho()
        curses.nonl()
        curses.typeahead(-1)  # otherwise curses stops drawing as soon as a key is typed
        window.nodelay(True)
        window.leaveok(False)
        self._mode_of_screen = termios.tcgetattr(STDOUT)
        self._output = Output()
        # These calls write at once, but the terminal may take nothing. So their output is sent with the first frame.
        self._first_words = self._output.caught(lambda: self._set_up_keys_and_colours(window))

    def _set_up_keys_and_colours(self, window: curses.window) -> None:
        # Without the keypad mode, curses leaves the sequences of keys to the decoder.
        window.keypad(False)
        self._attributes.clear()
        # NO_COLOR: https://no-color.org
        if os.environ.get("NO_COLOR") or not curses.has_colors():
            self.colours, self._pairs = 0, None
            return
        curses.start_color()
        with contextlib.suppress(
            curses.error
        ):  # without them the default colours are white on black
            curses.use_default_colors()
        self.colours = 256 if curses.COLORS >= 256 else 8
        self.modes.asks_background = self._theme.asks_background
        # The attribute of a character has 8 bits for the number of the pair.
        self._pairs = Pairs(min(curses.COLOR_PAIRS, 256) - 1, curses.init_pair)

    def _restore(self) -> None:
        """Restore the terminal, even if it was set up only in part, or is gone."""
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
            farewell = self.modes.undo() + self._output.caught(_end_window)
            # If no frame was sent, the alternate screen was never entered: leaving it would move the cursor.
            if self._has_drawn:
                with contextlib.suppress(TerminalGone):
                    self._output.send_within(_FAREWELL, farewell)
                self._await_answer()
        set_line_mode(self._mode_of_shell)

    def _return(self) -> None:
        """Set the terminal up again after SIGSTOP or Ctrl-Z: a shell may have changed its modes meanwhile."""
        if self._output is None:
            return
        set_line_mode(self._mode_of_screen)
        self._output.drop()
        self._output.caught(
            _end_window
        )  # resets curses' state, so that the next frame enters the screen again
        self.modes.forget()
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

    def _hear(self, answer: str) -> None:
        """Take an answer of the terminal. If it changes the theme, the screen is drawn again."""
        if self._theme.hear(answer):
            self._attributes.clear()
            self.resized.set()
        if answer.endswith("c"):
            self.modes.asked_at = None

    def _await_answer(self) -> None:
        """Read the answer of the terminal, if it is on its way: at the end, the shell would take it for input."""
        asked_at = self.modes.asked_at
        if asked_at is None:
            return
        deadline = min(asked_at + _ANSWER_TAKES, time.monotonic() + _FAREWELL / 2)
        self._reader.read_answers(lambda: self.modes.asked_at is not None, deadline)
        self.modes.asked_at = None

    def _fit(self, window: curses.window, screen: Screen) -> None:
        """Follow the size of the terminal; a screen of another height is drawn from nothing."""
        rows, columns = window.getmaxyx()
        size = self.size
        if (size.rows, size.columns) != (rows, columns) and size.rows and size.columns:
            curses.resizeterm(size.rows, size.columns)
            self._drawn = []
        if len(self._drawn) != len(screen.rows):
            window.erase()
            self._drawn = [[] for _ in screen.rows]

    def _put_rows(
        self, window: curses.window, first: int, rows: list[Row], cursor: Cursor | None
    ) -> None:
        for number, row in enumerate(rows, first):
            written = self._written(row)
            if written != self._drawn[number]:
                self._drawn[number] = written
                _put(window, number, written)
        if cursor is not None:
            # The terminal may have shrunk since the layout. The next frame has the new size.
            with contextlib.suppress(curses.error):
                window.move(*cursor)

    def _written(self, row: Row) -> _Drawn:
        shown = self._glyphs.shown
        return [(shown(text), self._attribute(style)) for text, style in row]

    def _attribute(self, style: Style) -> int:
        """Return the attribute of curses for ``style``.

        Colour pairs are asked for in every frame, so that the pairs on the screen keep their numbers.
        """
        if isinstance(style, Colours):
            if self._pairs is None:
                return 0
            foreground, background = (nearest(colour, self.colours) for colour in style)
            return self._pair(foreground, background)
        known = self._attributes.get(style)
        if known is None:
            look = self._theme.look(style)
            known = self._attributes[style] = _attribute_of(look), look
        attribute, look = known
        full = self.colours >= 256
        colour, ground = (look.colour, look.ground) if full else (look.basic, look.basic_ground)
        if self._pairs is None or colour is ground is None:
            return attribute
        pair = self._pair(*(DEFAULT if each is None else each for each in (colour, ground)))
        return attribute ^ pair  # a reversed pair in a reversed style is the pair itself

    def _pair(self, foreground: int, background: int) -> int:
        assert self._pairs is not None
        number, is_reversed = self._pairs.get(foreground, background)
        return curses.color_pair(number) | (curses.A_REVERSE if is_reversed else 0)


def _attribute_of(look: Appearance) -> int:
    """Return the attribute of curses for ``look``, without its colours."""
    # Without italics, as on the Linux console, curses would show the text as any other.
    italic = curses.A_ITALIC if curses.termattrs() & curses.A_ITALIC else curses.A_UNDERLINE
    return (
        (curses.A_BOLD if look.bold else 0)
        | (curses.A_DIM if look.dim else 0)
        | (curses.A_REVERSE if look.reverse else 0)
        | (curses.A_UNDERLINE if look.underline else 0)
        | (italic if look.italic else 0)
    )


def _find_terminal() -> None:
    """Load the description of the terminal that TERM names. Raises TerminalUnusable with advice."""
    name = os.environ.get("TERM", "")
    try:
        curses.setupterm(name, STDOUT)
    except curses.error:
        advice = next(filter(_is_described, _SIMILAR), None)
        raise TerminalUnusable(
            f"the database of terminals (terminfo) on this system has no entry for TERM={name}; "
            + (f"try TERM={advice}" if advice else "install ncurses-base or ncurses-term")
        ) from None
    if not curses.tigetstr("cup"):
        raise TerminalUnusable(
            f"a terminal of the kind TERM={name} can't move its cursor; "
            f"try TERM={_SIMILAR[0]} if it is another one"
        )


def _is_described(name: str) -> bool:
    try:
        curses.setupterm(name, STDOUT)
    except curses.error:
        return False
    return True


def _put(window: curses.window, number: int, written: _Drawn) -> None:
    rows, _ = window.getmaxyx()
    if number >= rows:
        return
    window.move(number, 0)
    window.clrtoeol()
    for text, attribute in joined(written):
        try:
            window.addstr(text, attribute)
        except curses.error:
            # The corner was written, and the cursor has nowhere to go after it; or the terminal shrank meanwhile,
            # and the next frame is for its new size.
            return


def _end_window() -> None:
    # Curses fails to set the modes, since its output is a file in memory; ``set_line_mode`` sets them.
    with contextlib.suppress(curses.error):
        curses.endwin()
