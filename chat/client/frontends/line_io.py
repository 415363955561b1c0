"""Read and write lines on terminals, pipes and files without blocking other greenlets.

The descriptors stay in blocking mode, because the client shares them with the program that started it: O_NONBLOCK on a
terminal would break the shell afterwards. Instead each read waits until it will not block, and ``unblocked`` writes.
"""

from __future__ import annotations

import io
import os
import stat
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import gevent
from gevent.lock import RLock
from gevent.socket import wait_read

from chat.client.frontends.pasting import ENTER_PAUSE, MAX_PASTE, PASTE_LINES, PASTE_QUIET
from chat.client.runtime.unblocked import UnblockedWriter

_LOCAL, _CONTROL = 3, 6  # indexes in the list that tcgetattr returns
_READ_SIZE = 64 * 1024
# Seconds to wait after an output took no bytes although poll reported room.
_SHORT_PAUSE = 0.01


class OutputClosed(Exception):
    """The reader of the output is gone, as after ``| head -1``."""


class OutputFailed(OutputClosed):
    """The output can't be written. The text gives the reason."""


class Line(NamedTuple):
    """One line of input without its line end, or a piece of an overlong line.

    ``cut``: the line continues in the next piece. ``continued``: this piece continues the previous piece.
    """

    data: bytes
    cut: bool = False
    continued: bool = False


class LineReader:
    """Lines of a descriptor. A line over ``limit()`` bytes comes in pieces, cut between UTF-8 characters."""

    def __init__(self, fd: int, limit: Callable[[], int]) -> None:
        self._fd = fd
        self._limit = limit
        self._waits = _can_wait(fd)
        self._buffer = bytearray()
        self._continued = False
        self._ended = False

    def __iter__(self) -> Iterator[Line]:
        while (line := self.read()) is not None:
            yield line

    def read(self) -> Line | None:
        """Wait for the next line; None at the end of the input. The last line may lack its line end."""
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            # A UTF-8 character has up to 4 bytes, and a cut needs at least one whole character.
            limit = max(self._limit(), 4)
            size = end if end >= 0 else len(self._buffer)
            # A "\r" before the line end does not count.
            if size > limit + 1 or (size == limit + 1 and self._buffer[limit] != ord("\r")):
                return self._pop(_cut(self._buffer, limit), 0, continues=True)
            if end >= 0:
                return self._pop(size, 1, continues=False)
            searched = len(self._buffer)
            if self._ended:
                return self._pop(searched, 0, continues=False) if searched else None
            chunk = self._read_chunk()
            self._buffer += chunk
            self._ended = not chunk

    @property
    def has_line(self) -> bool:
        """Whether ``read`` would return a whole line at once."""
        return b"\n" in self._buffer

    def read_together(self) -> list[Line]:
        """Wait for the next line; return it with the lines that follow at once, as only a paste does.

        The list is empty at the end of the input. Beyond 1 MiB, further lines are left for the next call.
        """
        line = self.read()
        lines: list[Line] = []
        size = 0
        while line is not None:
            lines.append(line)
            size += len(line.data)
            # Two lines at once are a paste, and the rest of a paste may take a while.
            pause = PASTE_QUIET if count_lines(lines) > 1 else ENTER_PAUSE
            if size >= MAX_PASTE or not (line.cut or self._has_more(pause)):
                break
            line = self.read()
        return lines

    def discard(self) -> None:
        """Drop input that was read ahead."""
        self._buffer.clear()

    def _has_more(self, seconds: float) -> bool:
        if self._buffer:
            return True
        if self._ended:
            return False
        try:
            wait_read(self._fd, timeout=seconds)
        except TimeoutError:
            return False
        return True

    def _pop(self, size: int, end_size: int, *, continues: bool) -> Line:
        data = bytes(self._buffer[:size])
        del self._buffer[: size + end_size]
        if not continues:
            data = data.removesuffix(b"\r")
        line = Line(data, cut=continues, continued=self._continued)
        self._continued = continues
        return line

    def _read_chunk(self) -> bytes:
        while True:
            if self._waits:
                wait_read(self._fd)
            else:
                # A regular file is always ready, so other greenlets need a turn before each read.
                gevent.sleep(0)
            try:
                return os.read(self._fd, _READ_SIZE)
            except BlockingIOError:
                # Another program that shares the descriptor set O_NONBLOCK, and read the input first.
                continue
            except OSError:
                return b""  # the terminal is gone, or the client runs in its background


class LineWriter:
    """Writes whole lines to a descriptor: greenlets never mix their lines. Lone surrogates become question marks."""

    def __init__(self, fd: int) -> None:
        self._writer = UnblockedWriter(fd)
        self._lock = RLock()
        self._around: Callable[[Callable[[], None]], None] = _directly

    def draw_around(self, around: Callable[[Callable[[], None]], None]) -> None:
        """Let ``around`` call the function that writes: it clears the progress bars first, and redraws them after."""
        self._around = around

    def write(self, lines: list[str]) -> None:
        """Write lines, and wait until all are written. Raises OutputClosed, OutputFailed."""
        self.write_text("".join(line + "\n" for line in lines))

    def write_text(self, text: str) -> None:
        """Write text without a line end, such as a prompt. Raises OutputClosed, OutputFailed."""
        data = text.encode(errors="replace")
        with self._lock:
            self._around(lambda: self._write_all(data))

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._writer.wait()
            try:
                written = self._writer.write_some(view)
            except (BrokenPipeError, ConnectionResetError):
                raise OutputClosed from None
            except OSError as problem:  # a full disk, a terminal that is gone
                raise OutputFailed(problem.strerror) from None
            if not written:
                gevent.sleep(_SHORT_PAUSE)
            view = view[written:]


class PassingStream(io.TextIOBase):
    """A stream for text that is soon outdated, such as progress bars. Drops bytes that are not taken at once."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._writer = UnblockedWriter(fd)

    def fileno(self) -> int:
        return self._fd

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding; tqdm chooses the characters of a bar by it."""
        return getattr(sys.stderr, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        view = memoryview(text.encode(self.encoding, errors="replace"))
        with suppress(OSError):  # the terminal is gone
            while view and (written := self._writer.write_some(view)):
                view = view[written:]
        return len(text)


def joined(lines: list[Line]) -> bytes:
    """Return the text of ``lines`` together, without a line end after the last one."""
    return b"".join(line.data if line.cut else line.data + b"\n" for line in lines).rstrip(b"\n")


def count_lines(lines: list[Line]) -> int:
    """Count lines. The pieces of an overlong line count as one."""
    return sum(not line.continued for line in lines)


def is_terminal(fd: int) -> bool:
    """Return whether ``fd`` is a terminal."""
    return os.isatty(fd)


@contextmanager
def unseen(fd: int) -> Iterator[None]:
    """Turn the echo of the terminal ``fd`` off, for a password. Drops input that was typed before.

    Ctrl-Z is off as well: the shell would get a terminal without echo.
    """
    saved = termios.tcgetattr(fd)
    quiet = termios.tcgetattr(fd)
    quiet[_LOCAL] &= ~termios.ECHO
    quiet[_CONTROL][termios.VSUSP] = os.fpathconf(fd, "PC_VDISABLE").to_bytes(1, "big")
    termios.tcsetattr(fd, termios.TCSANOW, quiet)
    try:
        termios.tcflush(fd, termios.TCIFLUSH)
        yield
    finally:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(fd, termios.TCSANOW, saved)


def _directly(write: Callable[[], None]) -> None:
    write()


def _can_wait(fd: int) -> bool:
    """Return whether an event loop can watch ``fd``. It refuses regular files and devices such as /dev/null."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


def _cut(data: bytearray, limit: int) -> int:
    """Return the position, at most ``limit``, at which a cut splits no UTF-8 character."""
    for end in range(limit, limit - 4, -1):
        if data[end] & 0xC0 != 0x80:  # not a continuation byte
            return end
    return limit  # not UTF-8


def is_to_be_asked_about(lines: list[Line]) -> bool:
    """Return whether ``lines`` are a paste that is long or has commands in it."""
    count = count_lines(lines)
    whole = (line.data.strip() for line in lines if not line.continued)
    has_commands = any(line.startswith(b"/") and line != b"/quit" for line in whole)
    return count > PASTE_LINES or (count > 1 and has_commands)


def answer_of(lines: list[Line]) -> bool | None:
    """Return whether ``lines`` are a yes or a no; None if they are neither, or several lines."""
    return {b"yes": True, b"no": False}.get(
        lines[0].data.strip().lower() if len(lines) == 1 else b""
    )
