"""Report what ended the client: one sentence for the user, and about a bug a file with all that helps to fix it."""

from __future__ import annotations

import os
import traceback
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import gevent

from chat import __version__
from chat.client.frontends.line_io import LineWriter, OutputClosed
from chat.client.program.settings import PROGRAM
from chat.config.command_line import report_line
from chat.files.home import log_directory
from chat.files.private_files import make_private_directory

STDERR = 2
# Seconds for the line to be taken.
_PATIENCE = 1.0


def report_end(problem: str) -> None:
    """Write one line to stderr, or skip the line if stderr is a terminal that takes nothing."""
    with suppress(OutputClosed):
        line = report_line(PROGRAM, problem)
        gevent.with_timeout(_PATIENCE, LineWriter(STDERR).write, [line], timeout_value=None)


def write_report(fault: BaseException, directory: Path | None = None) -> Path | None:
    """Write a report about ``fault``, and return its path; None if it can't be written.

    ``directory`` is by default the directory for the user's logs.
    """
    import platform  # these take a while, and a fault is rare
    import tempfile

    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    lines = [
        f"chat-client {__version__}, Python {platform.python_version()}, {platform.platform()}\n",
        f"TERM={os.environ.get('TERM', '')}\n\n",
        *traceback.format_exception(fault),
    ]
    try:
        if directory is None:
            directory = log_directory("chat")
        make_private_directory(directory)
        file_descriptor, name = tempfile.mkstemp(".txt", f"fault-{stamp}-", directory)
        with open(file_descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(lines)
    except OSError:
        return None
    return Path(name)


def describe(fault: BaseException, written: Path | None) -> str:
    """Return the sentence for the user; ``written`` is the path of the report."""
    sentence = f"internal fault: {type(fault).__name__}: {fault}"
    return f"{sentence}; the details are in {written}" if written is not None else sentence
