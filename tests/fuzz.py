"""Random and mutated streams against a real server, while two users chat who must not lose a word. Or, with a target,
any bytes against one part of the code by itself.

Usage:
  fuzz.py [--streams=<n>] [--seed=<n>]
  fuzz.py --replay=<file>
  fuzz.py <target>... [--seconds=<n>] [--engine=<name>] [--seed=<n>]
  fuzz.py (-h | --help)

Options:
  --streams=<n>    how many [default: 20000]
  --seed=<n>       the same streams for the same seed; without it, a new one
  --replay=<file>  the streams of a failure once more
  --seconds=<n>    how long each target is tried [default: 60]
  --engine=<name>  atheris, hypothesis, or auto: both, one after the other, as far as atheris is there [default: auto]

Targets: frames, headers, names, filenames, proxy, login (a client's, at a hostile server), client (what it makes of
what such a server says), screen (what it shows of that), or all. Each finding is kept as a case in
tests/fuzzing/corpus, which the tests replay; hypothesis makes it small.

At the end of a run with streams the server must have logged no fault, hold no more greenlets, descriptors and
temporary files than before, and stop with status 0. On a failure the streams that were on their way are kept in
fuzz-SEED.jsonl, one a line, and tried one by one; the one that fails alone is shown. Exit status: 0, or 1 after a
failure.
"""

from __future__ import annotations

import secrets
import sys
import traceback
from collections.abc import Iterable
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
from tests.fuzzing.campaign import Campaign, FuzzFailure, narrow
from tests.fuzzing.engines import Finding, has_atheris, run_atheris, run_hypothesis
from tests.fuzzing.streams import Stream, generate
from tests.fuzzing.targets import TARGETS

ENGINES = ("atheris", "hypothesis")
_TELL_EVERY = 1000  # streams


def main(argv: list[str] | None = None) -> int:
    try:
        options = parse_options(__doc__ or "", argv, "fuzz")
        if options["--replay"] is not None:
            return replay(Path(options["--replay"]))
        given = options["--seed"]
        seed = secrets.randbelow(10**9) if given is None else parse_count(given, "--seed")
        if options["<target>"]:
            seconds = parse_count(options["--seconds"], "--seconds", minimum=1)
            return fuzz_targets(_targets(options["<target>"]), seconds, options["--engine"], seed)
        return fuzz(seed, parse_count(options["--streams"], "--streams", minimum=1))
    except (UsageError, OSError, ValueError) as problem:
        report("fuzz", str(problem))
        return EXIT_USAGE


def fuzz(seed: int, count: int) -> int:
    """Streams 0 to ``count`` of ``seed``; the exit status."""
    print(f"seed {seed}: {count} streams", flush=True)
    try:
        _run(generate(seed, index) for index in range(count))
    except FuzzFailure as failure:
        kept = Path(f"fuzz-{seed}.jsonl")
        kept.write_text("".join(f"{stream.to_json()}\n" for stream in failure.suspects))
        print(f"FAILED with seed {seed}: {failure}")
        print(f"the last {len(failure.suspects)} streams: --replay={kept}", flush=True)
        culprit = narrow(failure)
        if culprit is not None:
            alone = Path(f"fuzz-{seed}-{culprit.index}.jsonl")
            alone.write_text(f"{culprit.to_json()}\n")
            print(f"stream {culprit.index} fails alone: --replay={alone}\n{culprit}")
        return EXIT_FAILED
    return EXIT_OK


def fuzz_targets(targets: list[str], seconds: int, engine: str, seed: int) -> int:
    """Run each of ``targets`` for ``seconds``; return the exit status."""
    engines = ENGINES if engine == "auto" else (engine,)
    if not set(engines) <= set(ENGINES):
        raise UsageError(f"--engine must be one of auto, {', '.join(ENGINES)}")
    if not has_atheris():
        if engine == "atheris":
            raise UsageError("atheris is not installed; --engine=hypothesis goes without it")
        engines = ("hypothesis",)
    for target in targets:
        try:
            if "atheris" in engines:
                print(f"{target}: atheris for {seconds} s, seed {seed}", flush=True)
                run_atheris(target, seconds // len(engines) or 1, seed)
            if "hypothesis" in engines:
                tried = run_hypothesis(target, seconds / len(engines), seed)
                print(
                    f"{target}: hypothesis found nothing in {tried} inputs, seed {seed}", flush=True
                )
        except Finding as finding:
            print(f"FAILED: {finding}\nkept as {finding.keep()}", flush=True)
            if finding.__cause__ is not None:
                traceback.print_exception(finding.__cause__)
            return EXIT_FAILED
    return EXIT_OK


def _targets(names: list[str]) -> list[str]:
    for name in names:
        if name != "all" and name not in TARGETS:
            raise UsageError(f"there is no target {name!r}: expected all, {', '.join(TARGETS)}")
    return list(TARGETS) if "all" in names else names


def replay(file: Path) -> int:
    """The streams in ``file``; the exit status."""
    streams = [Stream.from_json(line) for line in file.read_text().splitlines()]
    try:
        _run(streams)
    except FuzzFailure as failure:
        print(f"FAILED: {failure}")
        return EXIT_FAILED
    return EXIT_OK


def _run(streams: Iterable[Stream]) -> None:
    with Campaign() as campaign:
        footprint = campaign.run(streams, _tell)
        print(f"no fault; of {campaign.messages} messages of the pair none was lost; {footprint}")


def _tell(count: int) -> None:
    if count % _TELL_EVERY == 0:
        print(f"{count} streams", flush=True)


if __name__ == "__main__":
    sys.exit(main())
