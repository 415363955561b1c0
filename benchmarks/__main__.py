"""Measures our server and client beside others, by the CPU time that each needs for the same work on loopback.

Typed as `python -m benchmarks`.

Usage:
  benchmarks [draw] [options]
  benchmarks (-h | --help)

Options:
  --work=<names>        only these, with commas between: fan-out, paced, one-by-one, idle, file,
                        private, growth-receivers, growth-size, client-log, client-key, client-start
  --peers=<names>       only these: chat, redis, nats, ngircd, floor, chat-tls, redis-tls, irssi,
                        weechat; those that are not installed are left out
                        (benchmarks/install-peers installs them)
  --rounds=<n>          of each measurement, interleaved; medians count [default: 5]
  --seconds=<n>         each of a server takes at least, and until it has used a second of CPU
                        [default: 2]
  --quick               one round of a fraction of a second, everything small: does it work?
  --output=<directory>  where results.json, results.txt and results.svg go
                        [default: build/benchmarks]
  -h --help             show this

`draw` does not measure: it makes the table and the picture again from results.json.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from benchmarks.clients import CLIENTS
from benchmarks.contender import Contender
from benchmarks.cores import load_confined
from benchmarks.network import own_network
from benchmarks.peers import PEERS
from benchmarks.picture import draw_picture
from benchmarks.plan import QUICK, BenchmarkError, Plan
from benchmarks.results import Results, Sample
from benchmarks.table import draw_table
from benchmarks.work import WORK
from benchmarks.work.work import Work
from chat.command_line import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_USAGE,
    UsageError,
    parse_count,
    parse_options,
    report,
)

_PROGRAM = "benchmarks"
_CONTENDERS: tuple[Contender, ...] = (*PEERS, *CLIENTS)
_Named = TypeVar("_Named", Contender, Work)


class _Task(NamedTuple):
    work: Work
    case: str
    peer: Contender
    round: int

    def __str__(self) -> str:
        return f"round {self.round + 1}: {self.work.name} {self.case}, {self.peer.name}"


def main(argv: list[str] | None = None) -> int:
    """Measure, or draw what was measured; the exit status."""
    try:
        options = parse_options(__doc__ or "", argv, "")
        directory = Path(options["--output"])
        if options["draw"]:
            _publish(Results.load(directory / "results.json"), directory)
            return EXIT_OK
        plan = _plan(options)
        peers = _chosen(options, "--peers", _CONTENDERS)
        work = _chosen(options, "--work", WORK)
        directory.mkdir(parents=True, exist_ok=True)
    except UsageError as problem:
        report(_PROGRAM, str(problem))
        return EXIT_USAGE
    except (OSError, ValueError) as problem:
        report(_PROGRAM, str(problem))
        return EXIT_FAILED
    results = Results(_machine(), {})
    machine = results.machine
    with load_confined() as machine["processors"], own_network() as machine["network"]:
        for task in _tasks(work, _present(peers, work, results), plan):
            _carry_out(task, plan, results)
            results.save(directory / "results.json")
    _publish(results, directory)
    return EXIT_OK if results.samples else EXIT_FAILED


def _tasks(work: Sequence[Work], peers: Sequence[Contender], plan: Plan) -> Iterator[_Task]:
    """Everyone in turn with the same; each turn begins with another, so that no one always comes first."""
    for round in range(plan.rounds):
        for each in work:
            for case in each.cases(plan):
                able = [p for p in peers if isinstance(p, each.kind) and each.suits(p, case)]
                for turn in range(round * each.times, (round + 1) * each.times):
                    first = turn % len(able) if able else 0
                    for peer in (*able[first:], *able[:first]):
                        yield _Task(each, case, peer, round)


def _present(peers: Sequence[Contender], work: Sequence[Work], results: Results) -> list[Contender]:
    """Those who are installed, of those whom the work is for."""
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


def _carry_out(task: _Task, plan: Plan, results: Results) -> None:
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


def _publish(results: Results, directory: Path) -> None:
    table = draw_table(results)
    (directory / "results.txt").write_text(table)
    (directory / "results.svg").write_text(draw_picture(results))
    print(table, end="")


def _plan(options: dict[str, Any]) -> Plan:
    if options["--quick"]:
        return QUICK
    return Plan(
        rounds=parse_count(options["--rounds"], "--rounds", minimum=1),
        seconds=parse_count(options["--seconds"], "--seconds", minimum=1),
    )


def _chosen(options: dict[str, Any], option: str, all: Sequence[_Named]) -> list[_Named]:
    """Those that the option names; all without it."""
    text: str | None = options[option]
    if text is None:
        return list(all)
    names = text.split(",")
    unknown = set(names) - {each.name for each in all}
    if unknown:
        known = ", ".join(dict.fromkeys(each.name for each in all))
        raise UsageError(f"{option}={text}: expected some of {known}")
    return [each for each in all if each.name in names]


def _machine() -> dict[str, str]:
    """What the figures depend on."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in info if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return {
        "processor": f"{model}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}",
    }


if __name__ == "__main__":
    sys.exit(main())
