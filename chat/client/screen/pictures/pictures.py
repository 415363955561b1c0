"""Draw pictures as rows of half-blocks: ``▀`` in two colours is two pixels of a terminal.

``picture_process`` decodes a picture in a process with little memory, time and rights. This module starts that process,
kills it if it takes too long, and checks its output. Only the greenlet that asked for the picture waits.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, TypeAlias

import gevent
import gevent.subprocess
from gevent.lock import BoundedSemaphore

from chat.client.errors import ChatError, explain
from chat.client.screen.pictures import picture_process
from chat.client.screen.pictures.picture_process import HEADER, MAX_COLOURS, STDIN, ExitStatus
from chat.client.screen.text.colours import palette, rgb_of
from chat.client.screen.text.spans import Row, Span
from chat.client.screen.text.styles import Colours
from chat.sizes import byte_count

# No picture is larger than this.
MAX_COLUMNS = 160
MAX_ROWS = 80
# Seconds; a little longer than the process gives itself, so that the process can report its reason.
DEADLINE = picture_process.MAX_SECONDS + 1.0
# Pictures that may wait. One is drawn at a time, so that a flood of pictures does not take the whole CPU.
MAX_WAITING = 50

_HALF = "▀"
_SENTENCES: dict[int, str] = {
    ExitStatus.BROKEN: "it is damaged.",
    ExitStatus.NOT_A_FILE: "it is not a regular file.",
    ExitStatus.UNREADABLE: "the file is gone or can't be read.",
    ExitStatus.FILE_TOO_LARGE: f"the file is larger than {byte_count(picture_process.MAX_FILE_SIZE)}.",
    ExitStatus.UNKNOWN_FORMAT: "it is not a PNG, JPEG, GIF, WebP or BMP.",
    ExitStatus.TOO_MANY_PIXELS: f"it has more than {picture_process.MAX_PIXELS // 10**6} million pixels.",
    ExitStatus.OUT_OF_MEMORY: "it needs too much memory.",
}
# Variables that a system needs to find Python's libraries. The process gets no others.
_ENVIRONMENT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

Process: TypeAlias = "gevent.subprocess.Popen[bytes]"

_turn = BoundedSemaphore(1)
_waiting: set[object] = set()


class PictureError(ChatError):
    """Report that a picture was not drawn."""


def draw(
    path: Path, columns: int, rows: int, colours: int, file: BinaryIO | None = None
) -> tuple[Row, ...]:
    """Draw the first frame of a picture in at most so many columns and rows, on a terminal of ``colours``.

    ``file`` is the open picture, and ``path`` then only its name; without it the file at ``path`` is drawn. All rows
    are equally wide, and a small picture is not enlarged. The call waits, by gevent, until earlier pictures are drawn.
    Raises PictureError with one sanitized sentence if the file is no picture or too large, or Pillow is not installed.
    """
    if min(columns, rows) < 1 or not palette(colours):
        raise _refusal(path, "the terminal is too small or has no colours.")
    if len(_waiting) >= MAX_WAITING:
        raise _refusal(path, "too many pictures are waiting to be drawn.")
    ticket = object()
    _waiting.add(ticket)
    try:
        with _turn:
            columns, rows = min(columns, MAX_COLUMNS), min(rows, MAX_ROWS)
            return _draw(path, file, columns, rows, palette(colours))
    finally:
        _waiting.remove(ticket)


def _draw(
    path: Path, file: BinaryIO | None, columns: int, rows: int, numbers: range
) -> tuple[Row, ...]:
    choice = [rgb_of(number) for number in numbers]
    process = _start(path, file, columns, rows, choice)
    try:
        # One byte more than the largest answer, to detect a longer one.
        drawn, status = _answer(process, path, HEADER.size + 2 * rows * columns + 1)
    finally:
        _end(process)
    # A negative status is a signal: the process had used up its time.
    if status is None or status < 0:
        raise _refusal(path, "it takes too long to decode.")
    if status != 0:
        raise _refusal(path, _SENTENCES.get(status, _SENTENCES[ExitStatus.BROKEN]))
    return _rows(path, drawn, columns, rows, choice)


def _answer(process: Process, path: Path, limit: int) -> tuple[bytes, int | None]:
    """Return the output of the process, less than ``limit`` bytes, and its status; None if it did not end in time."""
    assert process.stdout is not None
    deadline = gevent.Timeout(DEADLINE)
    try:
        with deadline:
            if process.stdin is not None:
                with suppress(OSError):  # the process may have ended; its status says why
                    process.stdin.write(os.fsencode(path.absolute()))
                    process.stdin.close()
            drawn = process.stdout.read(limit)
            if len(drawn) == limit:  # the output is invalid already, and may be endless
                return drawn, ExitStatus.BROKEN
            return drawn, process.wait()
    except gevent.Timeout as expired:
        # Another timeout, of a caller, must reach that caller.
        if expired is not deadline:
            raise
        return b"", None


def _start(
    path: Path, file: BinaryIO | None, columns: int, rows: int, choice: list[int]
) -> Process:
    # The isolated process finds only Python's own modules, so it is given the directory of Pillow.
    spec = find_spec("PIL")
    if spec is None or spec.origin is None:
        raise _refusal(path, "Pillow is not installed; install the extra 'pictures'.")
    library = Path(spec.origin).parent.parent
    command = [
        # -I and -S keep the user's environment and site packages out; -B writes no .pyc files.
        *(sys.executable, "-I", "-S", "-B", picture_process.__file__),
        *(
            str(columns),
            str(rows),
            "".join(f"{colour:06x}" for colour in choice),
            os.fspath(library),
        ),
    ]
    if file is not None:
        command.append(STDIN)
        file.seek(0)  # also flushes the buffer
    try:
        return gevent.subprocess.Popen(
            command,
            stdin=gevent.subprocess.PIPE if file is None else file,
            stdout=gevent.subprocess.PIPE,
            stderr=gevent.subprocess.DEVNULL,  # a decoder's complaints may quote the picture
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            cwd="/",
            close_fds=True,
            start_new_session=True,  # so that Ctrl-C and Ctrl-Z do not reach it
        )
    except OSError as error:
        raise _refusal(path, f"can't start a process: {explain(error)}") from None


def _end(process: Process) -> None:
    """Kill the process, and close its pipes. A process that hangs in the kernel is waited for one second."""
    with suppress(OSError):
        process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    with suppress(gevent.subprocess.TimeoutExpired):
        process.wait(timeout=1.0)


def _rows(path: Path, drawn: bytes, columns: int, rows: int, choice: list[int]) -> tuple[Row, ...]:
    """Check the output of the process, and return it as rows.

    A hostile picture may control the process, so its output is checked like any peer's: only colours can come through.
    """
    pixels = drawn[HEADER.size :]
    width, height = HEADER.unpack(drawn[: HEADER.size]) if len(drawn) > HEADER.size else (0, 0)
    is_sound = (
        1 <= width <= columns
        and 1 <= height <= rows
        and len(pixels) == 2 * width * height
        and max(pixels) < len(choice)
        and len(set(pixels)) <= MAX_COLOURS
    )
    if not is_sound:
        raise _refusal(path, _SENTENCES[ExitStatus.BROKEN])
    lines = [pixels[start : start + width] for start in range(0, len(pixels), width)]
    return tuple(
        [
            Span(_HALF * len(list(run)), Colours(choice[upper], choice[lower]))
            for (upper, lower), run in groupby(zip(*pair, strict=True))
        ]
        for pair in zip(lines[::2], lines[1::2], strict=True)
    )


def _refusal(path: Path, why: str) -> PictureError:
    return PictureError(f"Can't draw {path.name or os.fspath(path)!r}: {why}")
