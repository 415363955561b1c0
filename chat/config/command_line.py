"""Read command lines with docopt, parse sizes and counts, and report errors in one line, for both programs."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Mapping
from typing import Any

EXIT_OK = 0
EXIT_FAILED = 1  # the work failed: unreachable, refused, something was lost
EXIT_USAGE = 2  # the command line or the settings make no sense

_LEFT_OVER = re.compile(
    r"Option\((?:None|'([^']*)'), (?:None|'([^']*)'),"
    r"""|Argument\(None, ('[^']*'|"[^"]*")\)"""
)
_SIZE = re.compile(r"([0-9]{1,18})([KMG]?)", re.IGNORECASE | re.ASCII)
_MAX_SIZE = 2**63 - 1  # the largest file offset
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}

_DURATION = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class UsageError(Exception):
    """Report an invalid command line or setting; the text is one line for the user."""


def parse_options(
    usage: str, argv: list[str] | None, version: str, meant: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Parse ``argv`` (None: the arguments of the process) by docopt.

    ``meant`` has options of other programs, without dashes, and the options of this program that do the same. Raises
    UsageError where docopt would exit with the whole usage text and status 1. Raises SystemExit after ``--help`` and
    ``--version``, whose text docopt prints.
    """
    # Imported late: a program sets up its signals before it loads third-party modules, which take time.
    import docopt

    arguments = sys.argv[1:] if argv is None else argv
    # A word such as -username may fit the usage, but not in the way that it was meant.
    if any(re.match(r"-[^-]{2}", word) for word in arguments):
        _refuse_mistake(usage, arguments, meant or {})
    try:
        return dict(docopt.docopt(usage, arguments, version=version))
    except docopt.DocoptExit as problem:
        reason = _in_plain_words(str(problem), usage, arguments, meant or {})
        raise UsageError(f"{reason} (see --help)") from None


def _refuse_mistake(usage: str, arguments: list[str], meant: Mapping[str, str]) -> None:
    from chat.config.mistakes import find_unknown_option

    mistake = find_unknown_option(usage, arguments, meant)
    if mistake is not None:
        raise UsageError(f"{mistake} (see --help)")


def _in_plain_words(
    problem: str, usage: str, arguments: list[str], meant: Mapping[str, str]
) -> str:
    """Return the problem in one line. docopt's message ends with the usage pattern, and may be nothing else."""
    from chat.config.mistakes import find_mistake, nearest_form  # most command lines have none

    mistake = find_mistake(usage, arguments, meant)
    if mistake is not None:
        return mistake
    reason = problem.partition("Usage:")[0]
    expected = f"expected {nearest_form(usage, arguments)}"
    # docopt prints unmatched arguments as Python objects, also if the real problem is that another one is missing.
    left = ["".join(groups) for groups in _LEFT_OVER.findall(reason)]
    if left:
        return f"{', '.join(left)} does not fit: {expected}"
    return reason.strip() or expected


def parse_size(text: str, option: str) -> int:
    """Return the bytes of ``10G``, ``64K``, ``512``: K, M and G are powers of 1024. Raises UsageError."""
    match = _SIZE.fullmatch(text)
    size = int(match[1]) * _UNITS[match[2].upper()] if match else None
    if size is None or size > _MAX_SIZE:
        raise UsageError(f"{option}={text}: expected a size such as 512, 64K, 10M or 1G")
    return size


def parse_duration(text: str, option: str) -> int:
    """Return the seconds of ``90s``, ``30m``, ``2h``, ``7d`` or ``4w``. Raises UsageError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UsageError(f"{option}={text}: expected a time such as 90s, 30m, 2h, 7d or 4w")
    return int(match[1]) * _SECONDS[match[2]]


def parse_count(text: str, option: str, minimum: int = 0) -> int:
    """Return a whole number of at least ``minimum``. Raises UsageError."""
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or int(text) < minimum:
        raise UsageError(f"{option}={text}: expected a whole number, {minimum} or more")
    return int(text)


def report(program: str, sentence: str) -> None:
    """Write one line to stderr, with control characters replaced, so that a terminal obeys none of them."""
    # The disk is full or the reader is gone: only the exit status can tell of the problem.
    with contextlib.suppress(OSError):
        print(report_line(program, sentence), file=sys.stderr)


def report_line(program: str, sentence: str) -> str:
    """Return the line that ``report`` prints."""
    flat = " ".join(sentence.split())
    flat = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in flat)
    return f"{program}: {flat}"
