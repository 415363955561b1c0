"""Run one of the operator's commands, such as ``chat-server users``: options, exit status, a line for each failure."""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

from chat.config.command_line import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_USAGE,
    UsageError,
    parse_options,
    report,
)

PROGRAM = "chat-server"


def run_subcommand(
    usage: str,
    argv: list[str],
    execute: Callable[[dict[str, Any]], object],
    *,
    misused: tuple[type[Exception], ...] = (),
    failed: tuple[type[Exception], ...] = (),
    interrupted: str | None = None,
) -> int:
    """Call ``execute`` with the options in ``argv``, as ``usage`` names them; return the exit status.

    An exception of ``misused``, like UsageError, says that an option or argument is invalid, one of ``failed`` that the
    command failed. ``interrupted`` is what to say after Ctrl-C or Ctrl-D; None: they go on to the caller.
    """
    # A name may have letters that the encoding of the terminal lacks.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    invalid: tuple[type[Exception], ...] = (UsageError, *misused)
    try:
        execute(parse_options(usage, argv, PROGRAM))
    except invalid as problem:
        report(PROGRAM, str(problem))
        return EXIT_USAGE
    except failed as problem:
        report(PROGRAM, str(problem))
        return EXIT_FAILED
    except (KeyboardInterrupt, EOFError):
        if interrupted is None:
            raise
        print(file=sys.stderr)
        report(PROGRAM, interrupted)
        return EXIT_FAILED
    return EXIT_OK
