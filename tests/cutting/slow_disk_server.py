"""The real server on a disk that a test can slow down: ``python -m tests.cutting.slow_disk_server``.

Takes the options of ``chat-server``; with ``--no-jump`` among them, numbers go on right behind the last one that
the file has, also after a crash. The file ``disk`` in the data directory says how slow the disk is: so many seconds for
each write of history, or ``fails``. Passwords are hashed cheaply: clients come back a thousand times.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from chat.server.accounts import passwords
from chat.server.history.faults import HistoryFault
from chat.server.history.writer import Writer
from chat.start import server
from tests.cheap_hashes import HASHER

CONTROL = "disk"
FAILS = "fails"
STANDS_STILL = "3600"
NO_JUMP = "--no-jump"
_LOOK = 0.01  # seconds between two looks at the file while a write waits


def slow_down_writes() -> None:
    """Let each write take as long as the file says: half of the time before the commit, half of it behind.

    A write fails before the commit, as in SQLite: a failed write is not in the file.
    """
    really_write = Writer.write

    def write(writer: Writer, *batch: Any, **more: Any) -> None:
        _wait(writer.path.parent)
        if _read(writer.path.parent / CONTROL) == FAILS:
            raise HistoryFault("the disk fails for a test")
        really_write(writer, *batch, **more)
        _wait(writer.path.parent)

    # In the class: several modules may have imported it.
    setattr(Writer, "write", write)  # noqa: B010


def take_jump_out() -> None:
    """Let the file say that nothing can be said and not written yet."""
    really_begin = Writer.__init__

    def begin(writer: Writer, directory: Path, *, bound: int, **more: Any) -> None:
        really_begin(writer, directory, bound=0, **more)

    setattr(Writer, "__init__", begin)  # noqa: B010


def _wait(directory: Path) -> None:
    control, began = directory / CONTROL, time.monotonic()
    while (word := _read(control)) and time.monotonic() - began < _seconds(word) / 2:
        time.sleep(_LOOK)


def _read(control: Path) -> str:
    try:
        return control.read_text()
    except FileNotFoundError:
        return ""


def _seconds(word: str) -> float:
    return 0.0 if word == FAILS else float(word)


def main() -> int:
    if NO_JUMP in sys.argv:
        take_jump_out()
        sys.argv.remove(NO_JUMP)
    slow_down_writes()
    setattr(passwords, "_hasher", lambda: HASHER)  # noqa: B010
    return server()


if __name__ == "__main__":
    sys.exit(main())
