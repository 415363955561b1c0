"""Let users talk over a cluster in trouble, and check what each of them saw.

Usage:
  cluster [--seconds=<n>] [--seed=<n>] [--servers=<n>] [--clients=<n>] [--pause=<s>] [--longest=<s>]
          [--no-replica] [--late-log] [--talk-only]
          [--directory=<dir>]
  cluster (-h | --help)

Options:
  --seconds=<n>      how long there is trouble [default: 600]
  --seed=<n>         the same choices for the same seed (not to the millisecond); without it, a new one
  --servers=<n>      how many servers; 0: one alone, without a cluster [default: 3]
  --no-replica       Redis alone, without a replica and Sentinel
  --late-log         with --servers=0: the log of the server commits late, in random batches
  --talk-only        nobody joins or leaves rooms, or is put out, muted or banned
  --clients=<n>      how many clients, at least 8 [default: 30]
  --pause=<s>        seconds between two deeds of a client, on average [default: 1]
  --longest=<s>      the longest time that something is paused or cut off, in seconds [default: 60]
  --directory=<dir>  an empty directory for the files of the run, which stay there

Clients talk in five rooms and privately, send files, join and leave rooms; an owner lets users into a closed room and
puts them out, a moderator kicks, mutes and bans, the operator removes a room. Servers, engines and replicas are killed
(-9), paused, and cut off by proxies that hold bytes, in one direction or both; clocks jump. Each client records what it
sent and saw. The checker judges the recordings at the end: each answered line must be there once, in one order for all;
nobody may be heard after their removal, mute or ban; and more: see tests/cluster/checker.py.

Exit status: 0, or 1 if something is wrong.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
from pathlib import Path
from random import Random

from chat.config.command_line import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_USAGE,
    UsageError,
    parse_count,
    parse_options,
    report,
)
from tests.cluster.cluster_stage import MOST_SERVERS, ClusterStage
from tests.cluster.recording import write_sessions
from tests.cluster.run import ClusterRun
from tests.cluster.stage import LateStage, Stage

_SHOWN = 30  # faults
# Files in the directory of the run: the troubles, and all that each client sent and saw.
_TROUBLES, _SESSIONS = "troubles", "sessions"


def main(argv: list[str] | None = None) -> int:
    try:
        options = parse_options(__doc__ or "", argv, "cluster")
        seed = options["--seed"]
        seed = secrets.randbelow(10**9) if seed is None else parse_count(seed, "--seed")
        seconds = parse_count(options["--seconds"], "--seconds")
        clients = parse_count(options["--clients"], "--clients", minimum=8)
        servers = parse_count(options["--servers"], "--servers")
        if servers > MOST_SERVERS:
            raise UsageError(f"--servers must be at most {MOST_SERVERS}")
        has_replica = not options["--no-replica"]
        longest = _seconds(options, "--longest")
        pause = _seconds(options, "--pause")
    except UsageError as problem:
        report("cluster", str(problem))
        return EXIT_USAGE
    _say(f"seed {seed}")
    rng = Random(seed)
    with tempfile.TemporaryDirectory(prefix="chat-cluster-") as temporary:
        directory = Path(options["--directory"] or temporary)
        place = (directory, Random(rng.random()))
        if servers > 0:
            stage: Stage = ClusterStage(
                *place, count=clients, pause=pause, servers=servers, has_replica=has_replica
            )
        else:
            kind = LateStage if options["--late-log"] else Stage
            stage = kind(*place, count=clients, pause=pause)
        stage.only_talks = options["--talk-only"]
        run = ClusterRun(stage, seconds=seconds, rng=rng, longest=longest)
        found = run.run(_say)
        (directory / _TROUBLES).write_text("\n".join(run.troubles) + "\n")
        write_sessions(run.recording, directory / _SESSIONS)
        for server in stage.servers.values():
            (directory / f"{server.name}.log").write_text("\n".join(server.logs))
    for fault in found[:_SHOWN]:
        _say(f"FAILED: {fault}")
    if found:
        _say(f"{len(found)} faults")
        return EXIT_FAILED
    _say("nothing is wrong")
    return EXIT_OK


def _seconds(options: dict[str, str], name: str) -> float:
    try:
        return float(options[name])
    except ValueError:
        raise UsageError(f"{name} must be a number of seconds") from None


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
