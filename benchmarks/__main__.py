"""Measure our server and client beside others, by the CPU time that each needs for the same work on loopback.

Typed as `python -m benchmarks`.

Usage:
  benchmarks [draw] [options]
  benchmarks (-h | --help)

Options:
  --work=<names>        only this work, with commas between: fan-out, paced, one-by-one, idle, file,
                        private, rooms-quiet, rooms-busy, rooms-idle, crowd, cluster,
                        growth-receivers, growth-size, client-log, client-key, client-rooms, client-start
  --peers=<names>       only these programs: chat, redis, nats, ngircd, floor, chat-tls, redis-tls, irssi,
                        weechat; programs that are not installed are left out
                        (benchmarks/install-peers installs them). To compare with a commit:
                        chat,chat@COMMIT or chat-tls,chat-tls@COMMIT, where COMMIT is any git revision,
                        such as HEAD~5. That compares the servers, and chat,chat@COMMIT also the
                        clients, if --work names work for clients
  --rounds=<n>          rounds of each measurement, interleaved; medians count. 5; with a COMMIT at least 9
  --seconds=<n>         at least so long for each measurement of a server, and until the server has used a
                        second of CPU. 2; with a COMMIT 1, and half a second of CPU
  --at-most=<share>     with a COMMIT: end with status 1 if a figure is worse by more than this share,
                        such as 3%: if the whole 95 % interval of the ratio lies beyond it
  --quick               one round of a fraction of a second, everything small, to check that it works
                        (with a COMMIT 9 rounds)
  --output=<directory>  directory for results.json, results.txt and results.svg. build/benchmarks; with a
                        COMMIT build/comparison
  -h --help             show this help

`draw` does not measure: it draws the table and the picture again from results.json in --output.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.choice import Choice, choose
from benchmarks.commits import compile_package
from benchmarks.comparison import Row, base_of, compare, describe_doubt, draw_comparison, judge
from benchmarks.contender import Contender
from benchmarks.cores import load_confined
from benchmarks.network import own_network
from benchmarks.picture import draw_picture
from benchmarks.plan import BenchmarkError, Plan
from benchmarks.processes import CHECKOUT
from benchmarks.results import Results, Sample
from benchmarks.schedule import Task, in_words, seconds_needed, tasks
from benchmarks.table import draw_table
from benchmarks.work.work import Work
from chat.config.command_line import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_USAGE,
    UsageError,
    parse_options,
    report,
)

_PROGRAM = "benchmarks"


def main(argv: list[str] | None = None) -> int:
    """Measure, or draw what was measured; return the exit status."""
    try:
        options = parse_options(__doc__ or "", argv, "")
        choice = choose(options)
        if options["draw"]:
            results = Results.load(choice.directory / "results.json")
            return conclude(results, choice, planned=())
        choice.directory.mkdir(parents=True, exist_ok=True)
    except UsageError as problem:
        report(_PROGRAM, str(problem))
        return EXIT_USAGE
    except (OSError, ValueError) as problem:
        report(_PROGRAM, str(problem))
        return EXIT_FAILED
    results = Results(_machine(), {})
    peers = _present(choice.peers, choice.work, results)
    planned = list(tasks(choice.work, peers, choice.plan))
    _measure(planned, choice, results)
    return conclude(results, choice, planned)


def _measure(planned: Sequence[Task], choice: Choice, results: Results) -> None:
    """Carry out all measurements of the plan, and store the results after each."""
    rounds = choice.plan.rounds
    report(
        _PROGRAM,
        f"rounds: {rounds}, measurements: {len(planned)}, "
        f"time: {in_words(seconds_needed(planned, choice.plan))} if nothing else runs",
    )
    compile_package(CHECKOUT)
    began = time.monotonic()
    machine = results.machine
    with load_confined() as machine["processors"], own_network() as machine["network"]:
        for number, task in enumerate(planned):
            if number and task.round > planned[number - 1].round:
                left = (time.monotonic() - began) / task.round * (rounds - task.round)
                report(_PROGRAM, f"{task.round} of {rounds} rounds done, {in_words(left)} to go")
            _carry_out(task, choice.plan, results)
            results.save(choice.directory / "results.json")


def conclude(results: Results, choice: Choice, planned: Sequence[Task]) -> int:
    """Publish, and say whether today's program is as good as required; return the exit status."""
    rows = compare(results)
    _publish(results, rows, choice.directory)
    if not results.samples:
        return EXIT_FAILED
    if choice.at_most is None:
        return EXIT_OK
    faults = judge(rows, choice.at_most)
    compared = {(row.commit, row.work, row.case) for row in rows}
    missing = {
        (task.peer.name, task.work.name, task.case) for task in planned if base_of(task.peer.name)
    } - compared
    faults += [
        f"not compared with {commit}: {work} {case}: neither could be measured"
        for commit, work, case in sorted(missing)
    ]
    if not faults and not rows:
        faults.append("no commit was measured that --at-most could compare with")
    doubt = describe_doubt(rows, choice.at_most)
    for line in (*faults, *([doubt] if doubt is not None else ())):
        report(_PROGRAM, line)
    return EXIT_FAILED if faults else EXIT_OK


def _present(peers: Sequence[Contender], work: Sequence[Work], results: Results) -> list[Contender]:
    """Return the installed programs that can do some of the work."""
    present = []
    for peer in peers:
        if not any(isinstance(peer, each.kind) for each in work):
            continue
        if peer.is_installed():
            results.versions[peer.name] = peer.version()
            present.append(peer)
        else:
            results.failures.append(f"{peer.name}: it is not installed (benchmarks/install-peers)")
    return present


def _carry_out(task: Task, plan: Plan, results: Results) -> None:
    work = task.work
    try:
        values = work.measure(task.peer, task.case, plan)
    except (BenchmarkError, OSError) as problem:
        results.failures.append(f"{task}: {problem}")
        print(results.failures[-1], file=sys.stderr, flush=True)
        return
    results.samples.append(Sample(work.name, task.case, task.peer.name, task.round, values))
    shown = (
        f"{values[figure.key] * figure.scale:.4g} {figure.unit}".strip()
        for figure in work.figures
        if figure.key in values
    )
    print(f"{task}: {', '.join(shown)}", file=sys.stderr, flush=True)


def _publish(results: Results, rows: Sequence[Row], directory: Path) -> None:
    text = draw_table(results)
    if rows:
        text += f"\n{draw_comparison(rows)}"
    (directory / "results.txt").write_text(text)
    (directory / "results.svg").write_text(draw_picture(results))
    print(text, end="")


def _machine() -> dict[str, str]:
    """Describe the machine, which the figures depend on."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in info if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return {
        "processor": f"{model}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}",
    }


if __name__ == "__main__":
    sys.exit(main())
