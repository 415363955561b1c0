"""Clients of all kinds come, talk, whisper, send files, leave and die in one room, for as long as you like.

Usage:
  soak.py [--minutes=<n>] [--clients=<n>] [--programs=<n>] [--seed=<n>] [--tls=<mode>] [--pause=<s>] [--life=<s>]
  soak.py (-h | --help)

Options:
  --minutes=<n>   how long [default: 60]
  --clients=<n>   how many at a time [default: 200]
  --programs=<n>  how many of them are real chat-client processes [default: 4]
  --seed=<n>      the same lives for the same seed (not to the millisecond); without it, a new one
  --tls=<mode>    on: a part of them is encrypted; off: nobody [default: on]
  --pause=<s>     seconds between two deeds of one of them, on average [default: 8]
  --life=<s>      seconds that one of them stays, on average [default: 45]

Raw and JSON clients in both byte orders, with TLS and without, the library on gevent and the real program. At the end
the messages that each of them received are compared with those of a witness who was there all along: equal, in the same
order, nothing twice, nothing missing between joining and leaving. The server must be as it was before: as many
greenlets, descriptors and temporary files to the one, the spool within its bound and all of it free, memory within
10 % and 8 MiB of what it was after the first fifth of the time, no fault in its log, status 0.

Exit status: 0, or 1 after a failure.
"""

from __future__ import annotations

import os
import secrets
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
from tests.soaking.soak import Soak, describe

_SHOWN = 20  # problems


def main(argv: list[str] | None = None) -> int:
    try:
        options = parse_options(__doc__ or "", argv, "soak")
        seed = options["--seed"]
        if options["--tls"] not in ("on", "off"):
            raise UsageError("--tls must be on or off")
        with tempfile.TemporaryDirectory(prefix="soak-") as directory:
            soak = Soak(
                seconds=60 * _amount(options, "--minutes"),
                clients=parse_count(options["--clients"], "--clients", minimum=1),
                programs=parse_count(options["--programs"], "--programs"),
                seed=secrets.randbelow(10**9) if seed is None else parse_count(seed, "--seed"),
                directory=Path(directory),
                tls=options["--tls"] == "on",
                pause=_amount(options, "--pause"),
                life=_amount(options, "--life"),
            )
            with soak:
                return run(soak)
    except UsageError as problem:
        report("soak", str(problem))
        return EXIT_USAGE


def run(soak: Soak) -> int:
    """All of ``soak``, told on stdout; the exit status."""
    problems = soak.run(lambda line: print(line, flush=True))
    counts = ", ".join(f"{count} {what}" for what, count in sorted(soak.soak_state.counts.items()))
    print(f"{len(soak.soak_state.chronicle.entries)} entries in the room's record; {counts}")
    if len(soak.samples) > 1:
        settled = soak.samples[len(soak.samples) // 5]
        print(f"first: {describe(soak.samples[0])}")
        print(f"after a fifth of the time: {describe(settled)}")
        print(f"last, everyone gone: {describe(soak.samples[-1])}")
    used = os.times()
    print(f"clients: {used.user + used.system:.0f} s of CPU; seed {soak.seed}")
    for problem in problems[:_SHOWN]:
        print(f"FAILED: {problem}")
    if problems:
        print(f"{len(problems)} problems", flush=True)
        return EXIT_FAILED
    print("each record is the room's; everything was given back", flush=True)
    return EXIT_OK


def _amount(options: dict[str, object], name: str) -> float:
    try:
        amount = float(str(options[name]))
    except ValueError:
        amount = 0.0
    if amount <= 0:
        raise UsageError(f"{name} must be a number above 0")
    return amount


if __name__ == "__main__":
    sys.exit(main())
