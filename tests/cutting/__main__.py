"""Cut links, kill clients and servers, slow the disk, and check that nothing was lost or doubled.

Usage:
  cutting [--cuts=<n>] [--seed=<n>] [--durable] [--screens=<n>] [--rooms=<n>] [--wire-only]
          [--cluster] [--without=<guard>] [--directory=<dir>]
  cutting returning [--users=<n>] [--directory=<dir>]
  cutting files [--uploads] [--size=<size>] [--cuts=<n>] [--seed=<n>] [--directory=<dir>]
  cutting (-h | --help)

Options:
  --cuts=<n>         how many times something goes wrong [default: 1000]
  --seed=<n>         the same choices for the same seed (not to the millisecond); without it, a new one
  --durable          the server confirms a message when it is on the disk; nothing may be missing then
  --screens=<n>      how many people type into the screen client beside, 4 at most [default: 0]
  --rooms=<n>        in how many rooms beside the default one each client is, 13 at most [default: 10]
  --cluster          two servers of a cluster, and Redis; only with --durable
  --wire-only        no client is a program with our library
  --size=<size>      of the file, in bytes, with K, M or G [default: 1G]
  --uploads          the file is sent, and not fetched
  --users=<n>        how many come back at once after a restart [default: 10000]
  --directory=<dir>  an empty directory for the files of the run, which stay there
  --without=<guard>  take a guard out: device, look-up, one-write or jump. Then something must be found

Ten clients of registered users post numbered lines, public and private, and small files. Seven of them speak the wire
by themselves, and three are programs with our library. Each is in ten of thirteen closed rooms. Two of the programs
also come and go in three rooms which a host makes, removes, opens and closes, and from which it puts them out.
Clients and screens are killed (-9) and started again. The end compares the messages that each client showed, also on
the screens, the fate of each line, and the history. Each answered line must be there once, in one order.
History must list the messages that a crash took as lost, and each client must have shown the loss.

`files`: a large file is fetched or sent, while links are cut, and clients and servers are killed in turn; 20 times is
enough.

`returning`: very many users with remembered devices come back at once after a restart, and catch up.

Exit status: 0, or 1 if something is wrong.
"""

from __future__ import annotations

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
    parse_size,
    report,
)
from tests.cutting.files import FilesRun
from tests.cutting.guards import Guard
from tests.cutting.returning import Returning
from tests.cutting.run import CuttingRun
from tests.cutting.stage import LIBRARY, NO_LIBRARY, ROOMS

_SHOWN = 20  # problems
_SCREENS = ("kilian", "laura", "marco", "nadia")


def main(argv: list[str] | None = None) -> int:
    try:
        options = parse_options(__doc__ or "", argv, "cutting")
        cuts = parse_count(options["--cuts"], "--cuts")
        seed = options["--seed"]
        seed = secrets.randbelow(10**9) if seed is None else parse_count(seed, "--seed")
        screens = parse_count(options["--screens"], "--screens")
        rooms = min(parse_count(options["--rooms"], "--rooms"), len(ROOMS))
        users = parse_count(options["--users"], "--users", minimum=1)
        size = parse_size(options["--size"], "--size")
        without = _guard(options["--without"])
    except UsageError as problem:
        report("cutting", str(problem))
        return EXIT_USAGE
    with tempfile.TemporaryDirectory(prefix="chat-cutting-") as temporary:
        directory = Path(options["--directory"] or temporary)
        if options["returning"]:
            return _tell(Returning(directory, users).run(_say))
        _say(f"seed {seed}")
        if options["files"]:
            moving = FilesRun(
                directory, size=size, cuts=cuts, seed=seed, uploads=options["--uploads"]
            )
            return _tell(moving.run(_say))
        run = CuttingRun(
            directory,
            cuts=cuts,
            seed=seed,
            durable=options["--durable"],
            library=NO_LIBRARY if options["--wire-only"] else LIBRARY,
            screens=_SCREENS[:screens],
            rooms=rooms,
            without=without,
            two_servers=options["--cluster"],
        )
        return _tell(run.run(_say))


def _tell(problems: list[str]) -> int:
    """Tell what is wrong, and return the exit status."""
    for each in problems[:_SHOWN]:
        _say(f"FAILED: {each}")
    if problems:
        _say(f"{len(problems)} problems")
        return EXIT_FAILED
    _say("nothing is missing, and nothing is there twice")
    return EXIT_OK


def _say(line: str) -> None:
    print(line, flush=True)


def _guard(name: str | None) -> Guard | None:
    if name is None:
        return None
    try:
        return Guard(name)
    except ValueError:
        raise UsageError(
            f"--without must be one of {', '.join(each.value for each in Guard)}"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
