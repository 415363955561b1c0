"""Measure the log that several servers share over Redis.

Usage:
  cluster_log [--servers=<n>] [--seconds=<n>] [--size=<bytes>] [--replica] [--fsync=<how>]

A Redis is started, and each server is a process of its own. At each of two rates, the first server appends records,
and all servers read them; the table has the time from the call that appends until the same server has read the record
back. In the flood, all servers append as fast as they can, with at most 4 MiB on the way. A message is one record.

Options:
  --servers=<n>    servers that share the log [default: 2]
  --seconds=<n>    time for each rate, and for the flood [default: 5]
  --size=<bytes>   bytes in a record [default: 100]
  --replica        with a replica that must have each entry before it is applied
  --fsync=<how>    appendfsync of the engine: always, everysec or no [default: everysec]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from docopt import docopt

from benchmarks.plan import BenchmarkError
from benchmarks.processes import CHECKOUT, ProcessTree, free_port, python_environment, running
from chat.config.command_line import report
from chat.net.engine_url import parse_engine_url
from chat.server.cluster.engine_line import Redialing
from chat.server.cluster.library import LIBRARY
from chat.server.cluster.redis_connection import Dialer

RATES = (100, 5000)  # records a second
EPOCH = "benchmark"
_START_TIMEOUT = 10.0  # seconds


class Plan(NamedTuple):
    """Hold what each run has in common."""

    url: str
    servers: int
    seconds: float
    size: int


class Measured(NamedTuple):
    """Hold the results of the servers, and the CPU seconds of the engine."""

    servers: Sequence[dict[str, Any]]
    engine: float


@contextmanager
def engines(fsync: str, has_replica: bool) -> Iterator[tuple[str, ProcessTree]]:
    """Run an engine, with or without a replica; return its URL and process."""
    with ExitStack() as stack:
        port = free_port()
        engine = stack.enter_context(_engine(port, fsync))
        if has_replica:
            primary = ("127.0.0.1", str(port))
            stack.enter_context(_engine(free_port(), fsync, "--replicaof", *primary))
        url = f"redis://127.0.0.1:{port}/bench?replicas={int(has_replica)}"
        with Redialing(Dialer(parse_engine_url(url), 3.0), LIBRARY).line() as line:
            line.create(EPOCH)
            # Only a replica that has all of it so far counts.
            begin = time.monotonic()
            while line.connection.call("WAIT", int(has_replica), 1000) < has_replica:
                if time.monotonic() - begin > _START_TIMEOUT:
                    raise BenchmarkError("the replica does not follow its primary")
        yield url, engine


@contextmanager
def _engine(port: int, fsync: str, *options: str) -> Iterator[ProcessTree]:
    with tempfile.TemporaryDirectory() as directory:
        words = ("--port", str(port), "--bind", "127.0.0.1", "--dir", directory, "--save", "")
        disk = ("--appendonly", "no" if fsync == "no" else "yes", "--appendfsync", fsync)
        command = ["redis-server", *words, *disk, *options]
        with running(command, port, Path(directory)) as process:
            yield process


def run(plan: Plan, rate: int, engine: ProcessTree) -> Measured:
    """Run all servers once; a ``rate`` of 0 is the flood. Raises BenchmarkError."""
    children = []
    try:
        for number in range(plan.servers):
            own_rate = rate if number == 0 or not rate else -1
            words = (plan.url, f"server{number}", str(own_rate), str(plan.seconds), str(plan.size))
            children.append(
                subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.cluster_server", *words],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=python_environment(CHECKOUT),
                    cwd=CHECKOUT,
                    text=True,
                )
            )
        for child in children:
            _next_line(child)  # it follows the log
        before = engine.cpu()
        _tell(children, "go")
        for child in children:
            _next_line(child)  # it has appended its part
        _tell(children, "end")
        results = [json.loads(_next_line(child)) for child in children]
        used = engine.cpu() - before
        for child in children:
            child.wait(_START_TIMEOUT)  # it ends its lease
        return Measured(results, used)
    finally:
        for child in children:
            child.kill()
            child.wait()


def _tell(children: Sequence[subprocess.Popen[str]], word: str) -> None:
    for child in children:
        if child.stdin is not None:
            print(word, file=child.stdin, flush=True)


def _next_line(child: subprocess.Popen[str]) -> str:
    line = child.stdout.readline() if child.stdout is not None else ""
    if not line:
        raise BenchmarkError("a server of the benchmark has ended; its reason is above")
    return line


def show(title: str, measured: Measured) -> None:
    """Print one row: times in ms, CPU in µs for each record."""
    first = measured.servers[0]
    records = min(result["applied"] for result in measured.servers)
    seconds = max(result["seconds"] for result in measured.servers)
    entries = min(result["entries"] for result in measured.servers)
    times = f"{first['p50']:8.2f} {first['p99']:8.2f}" if "p50" in first else " " * 17
    cpu = [result["cpu"] * 1e6 / records for result in measured.servers]
    print(
        f"{title:>10} {records / seconds:10,.0f} {records / entries:8.1f} {times} "
        f"{cpu[0]:8.2f} {cpu[-1]:8.2f} {measured.engine * 1e6 / records:8.2f}",
        flush=True,
    )


def main() -> int:
    options = docopt(__doc__)
    try:
        with engines(options["--fsync"], options["--replica"]) as (url, engine):
            seconds, size = float(options["--seconds"]), int(options["--size"])
            plan = Plan(url, int(options["--servers"]), seconds, size)
            print(
                f"{'rate':>10} {'records/s':>10} {'in entry':>8} {'p50 ms':>8} {'p99 ms':>8} "
                f"{'first':>8} {'last':>8} {'engine':>8}  (CPU, µs for each record)"
            )
            for rate in RATES:
                show(f"{rate:,}/s", run(plan, rate, engine))
            show("flood", run(plan, 0, engine))
    except (BenchmarkError, OSError, ValueError, subprocess.TimeoutExpired) as problem:
        report("cluster_log", str(problem))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
