"""Pictures that arrived, as rows of half-blocks: ``▀`` in two colours is two pixels of a terminal.

What decodes them is ``picture_process``, a process of its own with little memory, time and rights. Here it is started,
waited for by nobody but who asked, ended if it takes too long, and what it drew is checked.
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

from chat.client.display import byte_count
from chat.client.errors import ChatError, explain
from chat.client.screen import picture_process
from chat.client.screen.colours import palette, rgb_of
from chat.client.screen.picture_process import HEADER, MAX_COLOURS, STDIN, Refusal
from chat.client.screen.spans import Row, Span
from chat.client.screen.styles import Colours

# No picture is larger than this, whatever is asked for.
MAX_COLUMNS = 160
MAX_ROWS = 80
# Seconds, a little longer than it gives itself: so what ends it tells why.
DEADLINE = picture_process.MAX_SECONDS + 1.0
# That may wait for their turn. One is drawn at a time: a flood of pictures must not take the machine.
MAX_WAITING = 50

_HALF = "▀"
_SENTENCES: dict[int, str] = {
    Refusal.BROKEN: "it is broken.",
    Refusal.NOT_A_FILE: "it is no file.",
    Refusal.UNREADABLE: "the file is gone, or may not be read.",
    Refusal.FILE_TOO_LARGE: f"the file is larger than {byte_count(picture_process.MAX_FILE_SIZE)}.",
    Refusal.UNKNOWN_FORMAT: "it is no PNG, JPEG, GIF, WebP or BMP.",
    Refusal.TOO_MANY_PIXELS: f"it has more than {picture_process.MAX_PIXELS // 10**6} million pixels.",
    Refusal.OUT_OF_MEMORY: "it takes too much memory.",
}
# What a system needs to find Python's own libraries; all else stays here.
_ENVIRONMENT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

Process: TypeAlias = "gevent.subprocess.Popen[bytes]"

_turn = BoundedSemaphore(1)
_waiting: set[object] = set()


class PictureError(ChatError):
    """A picture was not drawn."""


def draw(
    path: Path, columns: int, rows: int, colours: int, file: BinaryIO | None = None
) -> tuple[Row, ...]:
    """The first frame of the picture at ``path`` in at most so many columns and rows, on a terminal of ``colours``.

    With ``file`` it is the picture in that open file, and ``path`` only what it is called.
    All rows are equally wide; a small picture stays small. Waits, by gevent, until those before it are drawn. Raises
    PictureError with one harmless sentence if the file is no picture or a hostile one, or Pillow is not installed.
    """
    if min(columns, rows) < 1 or not palette(colours):
        raise _refusal(path, "this terminal has no room or no colours for it.")
    if len(_waiting) >= MAX_WAITING:
        raise _refusal(path, "too many others are being drawn.")
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
        # One byte more than the largest picture has, to see whether it is one.
        drawn, status = _answer(process, path, HEADER.size + 2 * rows * columns + 1)
    finally:
        _end(process)
    if status is None or status < 0:
        raise _refusal(path, "it takes too long.")
    if status != 0:
        raise _refusal(path, _SENTENCES.get(status, _SENTENCES[Refusal.BROKEN]))
    return _rows(path, drawn, columns, rows, choice)


def _answer(process: Process, path: Path, limit: int) -> tuple[bytes, int | None]:
    """What it wrote, less than ``limit`` bytes, and its status; None: it did not end in time."""
    assert process.stdout is not None
    deadline = gevent.Timeout(DEADLINE)
    try:
        with deadline:
            if process.stdin is not None:
                with suppress(OSError):  # the process may have ended; its status says why
                    process.stdin.write(os.fsencode(path.absolute()))
                    process.stdin.close()
            drawn = process.stdout.read(limit)
            if len(drawn) == limit:  # who knows whether that ever ends
                return drawn, Refusal.BROKEN
            return drawn, process.wait()
    except gevent.Timeout as expired:
        if expired is not deadline:
            raise
        return b"", None


def _start(
    path: Path, file: BinaryIO | None, columns: int, rows: int, choice: list[int]
) -> Process:
    # Isolated as it is, it finds nothing but Python's own; so it is told where Pillow is.
    spec = find_spec("PIL")
    if spec is None or spec.origin is None:
        raise _refusal(path, "Pillow is not installed (the extra 'pictures').")
    library = Path(spec.origin).parent.parent
    command = [
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
            start_new_session=True,  # keys of the terminal are not for it
        )
    except OSError as error:
        raise _refusal(path, f"no process for it: {explain(error)}") from None


def _end(process: Process) -> None:
    """Leave nothing of it; one that hangs in the kernel is not waited for long."""
    with suppress(OSError):
        process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    with suppress(gevent.subprocess.TimeoutExpired):
        process.wait(timeout=1.0)


def _rows(path: Path, drawn: bytes, columns: int, rows: int, choice: list[int]) -> tuple[Row, ...]:
    """What was drawn, if it is what was asked for: whatever a picture made of the process, here it is only colours."""
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
        raise _refusal(path, _SENTENCES[Refusal.BROKEN])
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
