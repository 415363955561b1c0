"""Read and write lines on terminals, pipes and files without keeping other greenlets from running.

The descriptors stay in blocking mode: they are shared with whoever started us, and O_NONBLOCK on a terminal would
break the shell that comes after. Instead each read waits until it will not block, and ``unblocked`` writes.
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

from chat.client.frontends.pasting import ENTER_PAUSE, MAX_PASTE, PASTE_QUIET
from chat.client.runtime.unblocked import UnblockedWriter

_LOCAL, _CONTROL = 3, 6  # of what tcgetattr returns
_READ_SIZE = 64 * 1024
# Seconds to wait after an output took nothing although poll said that it had room.
_SHORT_PAUSE = 0.01


class OutputClosed(Exception):
    """Nobody reads our output any more, as after ``| head -1``."""


class OutputFailed(OutputClosed):
    """It can't be written; the text says why."""


class Line(NamedTuple):
    """One line of input without its end, or a piece of one that is too long to be held whole.

    ``cut``: the line goes on in the next piece; ``continued``: this piece goes on the one before.
    """

    data: bytes
    cut: bool = False
    continued: bool = False


class LineReader:
    """Lines of a descriptor. One of more than ``limit()`` bytes comes in pieces, cut between UTF-8 characters."""

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
        """Wait for the next line; None at the end. A last line may lack its end."""
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            limit = max(self._limit(), 4)
            size = end if end >= 0 else len(self._buffer)
            # A "\r" before the end does not count.
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

    def read_together(self) -> list[Line]:
        """Wait for the next line, and take the lines that follow at once, as only in a paste; none at the end.

        Beyond 1 MiB, further lines are left for the next call.
        """
        line = self.read()
        lines: list[Line] = []
        size = 0
        while line is not None:
            lines.append(line)
            size += len(line.data)
            # Once two lines have come, it is a paste, which may come in pieces.
            pause = PASTE_QUIET if count_lines(lines) > 1 else ENTER_PAUSE
            if size >= MAX_PASTE or not (line.cut or self._has_more(pause)):
                break
            line = self.read()
        return lines

    def discard(self) -> None:
        """Forget what was read and not asked for yet."""
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
                gevent.sleep(0)
            try:
                return os.read(self._fd, _READ_SIZE)
            except BlockingIOError:
                # Somebody else set O_NONBLOCK, and was faster.
                continue
            except OSError:
                return b""  # the terminal is gone, or we run in the background of one


class LineWriter:
    """Whole lines to a descriptor: two greenlets never mix theirs. Lone surrogates become question marks."""

    def __init__(self, fd: int) -> None:
        self._writer = UnblockedWriter(fd)
        self._lock = RLock()
        self._around: Callable[[Callable[[], None]], None] = _directly

    def draw_around(self, around: Callable[[Callable[[], None]], None]) -> None:
        """``around`` is called with what writes, to clear a progress bar before and draw it again after."""
        self._around = around

    def write(self, lines: list[str]) -> None:
        """Wait until all are written. Raises OutputClosed, OutputFailed."""
        self.write_text("".join(line + "\n" for line in lines))

    def write_text(self, text: str) -> None:
        """For what is no line, such as a prompt."""
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
    """A stream for text that is soon out of date, such as progress bars: what is not taken at once is dropped."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._writer = UnblockedWriter(fd)

    def fileno(self) -> int:
        return self._fd

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding, by which a progress bar chooses its characters."""
        return getattr(sys.stderr, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        view = memoryview(text.encode(self.encoding, errors="replace"))
        with suppress(OSError):  # the terminal is gone
            while view and (written := self._writer.write_some(view)):
                view = view[written:]
        return len(text)


def count_lines(lines: list[Line]) -> int:
    """Count the lines that begin in ``lines``, which has an overlong line in several pieces."""
    return sum(not line.continued for line in lines)


def is_terminal(fd: int) -> bool:
    return os.isatty(fd)


@contextmanager
def unseen(fd: int) -> Iterator[None]:
    """For a password: what is typed at the terminal ``fd`` meanwhile is not shown. What was typed before is gone.

    Nor can the program be stopped meanwhile by a key: the shell would get a terminal that shows nothing.
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
    """Regular files and devices such as /dev/null are always ready, and an event loop refuses to watch them."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


def _cut(data: bytearray, limit: int) -> int:
    """Where to cut so that at most ``limit`` bytes come before, and no UTF-8 character is torn apart."""
    for end in range(limit, limit - 4, -1):
        if data[end] & 0xC0 != 0x80:  # not the continuation of a character
            return end
    return limit  # no UTF-8 at all
