"""Measure how much a clock can tell about passwords. People read the figures; the test suite does not judge them.

Usage:
  timing.py names [--tries=<n>] [--without-password] [--seed=<n>]
  timing.py guesses [--guesses=<n>] [--per-second=<n>] [--quiet=<s>] [--without-limits]
  timing.py (-h | --help)

names: logins with wrong passwords to a room for members only, with names of members and with other names, in random
order; medians, and the Mann-Whitney test of whether the two can be told apart.

guesses: wrong passwords for one name from one address, while two others talk; how long their texts take before and
during that, and whether the owner of the name gets in from another address in the middle of it.

Options:
  --tries=<n>         with names of each kind [default: 1000]
  --without-password  none is sent at all, which is refused at once
  --seed=<n>          of names and order [default: 1]
  --guesses=<n>       [default: 10000]
  --per-second=<n>    [default: 400]
  --quiet=<s>         seconds of talk before them [default: 20]
  --without-limits    those on connections and logins of one address are off, so that more is looked at

Exit status: 0; 1 if the names can be told apart, the talk got slower than twice, or the owner was kept out.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from chat.config.command_line import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_USAGE,
    UsageError,
    parse_count,
    parse_options,
    report,
)
from tests.measuring import guessing, names
from tests.measuring.guessing import Latency
from tests.measuring.statistic import LEVEL

_TELL_EVERY = 200


def main(argv: list[str] | None = None) -> int:
    try:
        options = parse_options(__doc__ or "", argv, "timing")
        with tempfile.TemporaryDirectory(prefix="timing-") as directory:
            if options["names"]:
                return tell_names(
                    parse_count(options["--tries"], "--tries", minimum=10),
                    parse_count(options["--seed"], "--seed"),
                    Path(directory),
                    None if options["--without-password"] else "a wrong password",
                )
            return tell_guesses(
                parse_count(options["--guesses"], "--guesses", minimum=1),
                parse_count(options["--quiet"], "--quiet", minimum=1),
                parse_count(options["--per-second"], "--per-second", minimum=1),
                Path(directory),
                limits=not options["--without-limits"],
            )
    except UsageError as problem:
        report("timing", str(problem))
        return EXIT_USAGE


def tell_names(tries: int, seed: int, directory: Path, password: str | None) -> int:
    """Print the figures to stdout; return the exit status."""
    found = names.measure(tries, seed, directory, password, _tell)
    known, unknown = (1000 * median for median in found.medians)
    print(
        f"{tries} logins each: median {known:.3f} ms with members' names, {unknown:.3f} ms with others"
    )
    print(
        f"a member's took longer in {100 * found.share:.2f} % of all pairs (95 % interval {100 * found.low:.2f} to"
        f" {100 * found.high:.2f}; 50 where there is no difference), p = {found.p:.3f}"
    )
    if found.is_distinguishable:
        print(f"DISTINGUISHABLE, at the level of {LEVEL}")
        return EXIT_FAILED
    print(f"indistinguishable, at the level of {LEVEL}")
    return EXIT_OK


def tell_guesses(
    guesses: int, quiet: float, per_second: float, directory: Path, *, limits: bool
) -> int:
    """Print the figures to stdout; return the exit status."""
    try:
        found = guessing.measure(guesses, quiet, per_second, directory, limits)
    except AssertionError as problem:
        print(f"FAILED: {problem}")
        return EXIT_FAILED
    said = ", ".join(f"{count} {word}" for word, count in found.answers.most_common())
    print(f"{guesses} guesses in {found.seconds:.1f} s, answered: {said}")
    print(f"quiet:  {_words(found.quiet)}")
    print(
        f"during: {_words(found.attacked)}, {found.attacked.p99 / found.quiet.p99:.2f} times the quiet p99"
    )
    print(f"the owner got in from another address after {1000 * found.owner:.0f} ms, in one try")
    if not found.is_well:
        print("SLOWER than twice")
        return EXIT_FAILED
    return EXIT_OK


def _words(latency: Latency) -> str:
    return f"p50 {1000 * latency.p50:.2f} ms, p99 {1000 * latency.p99:.2f} ms over {latency.texts} texts"


def _tell(number: int) -> None:
    if number % _TELL_EVERY == 0:
        print(f"{number} logins", flush=True)


if __name__ == "__main__":
    sys.exit(main())
