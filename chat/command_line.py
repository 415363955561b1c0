"""What both command lines share: reading options by docopt, sizes, and ends in one clear line."""

from __future__ import annotations

import contextlib
import re
import sys
from typing import Any

EXIT_OK = 0
EXIT_FAILED = 1  # could not do it: unreachable, refused, something was lost
EXIT_USAGE = 2  # was asked for something that makes no sense

_LEFT_OVER = re.compile(
    r"Option\((?:None|'([^']*)'), (?:None|'([^']*)'),"
    r"""|Argument\(None, ('[^']*'|"[^"]*")\)"""
)
_SIZE = re.compile(r"([0-9]{1,18})([KMG]?)", re.IGNORECASE | re.ASCII)
_MAX_SIZE = 2**63 - 1  # what a file offset holds
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


class UsageError(Exception):
    """An unusable command line; its text is one line for the person who typed it."""


def parse_options(usage: str, argv: list[str] | None, version: str) -> dict[str, Any]:
    """What docopt makes of ``argv`` (None: of the process).

    Raises UsageError where docopt would end the process with the whole usage text and status 1; SystemExit for
    ``--help`` and ``--version``, which it prints.
    """
    # Only now: a program sees to its signals before it loads anything that is not Python's own.
    import docopt

    arguments = sys.argv[1:] if argv is None else argv
    try:
        return dict(docopt.docopt(usage, arguments, version=version))
    except docopt.DocoptExit as problem:
        raise UsageError(f"{_in_plain_words(str(problem))} (see --help)") from None


def _in_plain_words(problem: str) -> str:
    """What docopt has to say, of which the usage pattern is always the end and sometimes all."""
    reason, _, pattern = problem.partition("Usage:")
    expected = f"expected {pattern.strip().splitlines()[0]}"
    # What is left over it shows as Python objects; that may as well be because something else is missing.
    left = ["".join(groups) for groups in _LEFT_OVER.findall(reason)]
    if left:
        return f"{', '.join(left)} does not fit: {expected}"
    return reason.strip() or expected


def parse_size(text: str, option: str) -> int:
    """Bytes from ``10G``, ``64K``, ``512``: K, M and G are powers of 1024. Raises UsageError."""
    match = _SIZE.fullmatch(text)
    size = int(match[1]) * _UNITS[match[2].upper()] if match else None
    if size is None or size > _MAX_SIZE:
        raise UsageError(f"{option}={text}: expected a size such as 512, 64K, 10M or 1G")
    return size


def parse_count(text: str, option: str, minimum: int = 0) -> int:
    """A whole number. Raises UsageError."""
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or int(text) < minimum:
        raise UsageError(f"{option}={text}: expected a whole number, {minimum} or more")
    return int(text)


def report(program: str, sentence: str) -> None:
    """One line on stderr, whatever is in it: a terminal obeys none of it."""
    # A full disk, or nobody at the other end: then the exit status has to say it all.
    with contextlib.suppress(OSError):
        print(report_line(program, sentence), file=sys.stderr)


def report_line(program: str, sentence: str) -> str:
    """What ``report`` prints."""
    flat = " ".join(sentence.split())
    flat = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in flat)
    return f"{program}: {flat}"
