"""Handle standard streams that are closed, full, or not read, and set the exit status."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from typing import TextIO

from chat.config.command_line import EXIT_FAILED, EXIT_OK, report

EXIT_INTERRUPTED = 128 + 2  # the status that a shell gives for SIGINT
# Errors of a write to a stream that are no fault of this program.
_UNWRITABLE = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}


def open_missing_streams() -> None:
    """Open /dev/null as each of the descriptors 0 to 2 that is closed.

    Otherwise the next socket would become one of them, and a message for people would go to a peer. Python's own
    streams, which are None then, are made too: ``print(file=None)`` writes to the standard output.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # open() takes the lowest free number. Programs that we start must find it open too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    # closefd=False: the descriptors must outlive these objects.
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    if sys.stdout is None:
        sys.stdout = _null(1)
    if sys.stderr is None:
        sys.stderr = _null(2)


def run_to_status(program: str, main: Callable[[], int]) -> int:
    """Call ``main`` and return the exit status, after all output has been written.

    An output that could not be written makes a success a failure, with one line on stderr unless its reader just
    went away. The interpreter would exit with status 120 instead.
    """
    unwritten = None
    try:
        status = main()
    except SystemExit as end:  # --help and --version
        status = (
            end.code if isinstance(end.code, int) else EXIT_OK if end.code is None else EXIT_FAILED
        )
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    except OSError as problem:
        if problem.errno not in _UNWRITABLE or problem.filename is not None:
            raise
        status, unwritten = EXIT_FAILED, problem
    try:
        sys.stdout.flush()
    except OSError as problem:
        status, unwritten = status or EXIT_FAILED, problem
        _divert(sys.stdout, 1)
    if unwritten is not None and not isinstance(unwritten, BrokenPipeError):
        report(program, f"the output cannot be written: {unwritten.strerror}")
    try:
        sys.stderr.flush()
    except OSError:
        _divert(sys.stderr, 2)  # nowhere to report this
    return status


def _divert(stream: TextIO, descriptor: int) -> None:
    """Discard the unwritten text of ``stream``, now and when the interpreter flushes it at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
    with contextlib.suppress(OSError):
        stream.flush()


def _null(descriptor: int) -> TextIO:
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
