"""Read from the command line what to measure: which programs, by which work, how thoroughly."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.clients import CLIENTS
from benchmarks.clients.chat import ChatClient, ComparedClient
from benchmarks.commits import prepare
from benchmarks.contender import Contender
from benchmarks.fleets import FLEETS
from benchmarks.peers import PEERS
from benchmarks.peers.chat import Chat
from benchmarks.peers.encrypted import ChatTls
from benchmarks.peers.peer import Peer
from benchmarks.plan import COMPARISON, QUICK, Plan
from benchmarks.work import WORK
from benchmarks.work.work import Work
from chat.config.command_line import UsageError, parse_count

_CONTENDERS: tuple[Contender, ...] = (*PEERS, *CLIENTS, *FLEETS)
# The servers that a commit has too, by the name before the @.
_OF_A_COMMIT: Mapping[str, type[Chat]] = {each.name: each for each in (Chat, ChatTls)}
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)%", re.ASCII)
_Named = TypeVar("_Named", Contender, Work)


@dataclass(frozen=True)
class Choice:
    """Hold what to measure. ``at_most`` is the share by which a figure may be worse than a commit's; None: any."""

    plan: Plan
    peers: Sequence[Contender]
    work: Sequence[Work]
    directory: Path
    at_most: float | None


def choose(options: Mapping[str, Any]) -> Choice:
    """Return what ``options`` ask for, with the commits that they name ready to start. Raises UsageError."""
    names = _split(options["--peers"])
    at_commits = [name for name in names or () if "@" in name]
    if names is not None:
        names = [name for name in names if name not in at_commits]
    peers = _named(names, "--peers", _CONTENDERS)
    work = _named(_split(options["--work"]), "--work", WORK)
    plan = _plan(options, QUICK if options["--quick"] else COMPARISON if at_commits else Plan())
    at_most = _share(options["--at-most"])
    if at_commits:
        _check_partners(at_commits, peers)
        if options["--work"] is None:
            work = [each for each in work if issubclass(each.kind, Peer)]
        peers = [ComparedClient() if isinstance(peer, ChatClient) else peer for peer in peers]
        plan = replace(plan, rounds=max(plan.rounds, COMPARISON.rounds))
        # Last, because it may take a while.
        peers = [*peers, *_prepared(at_commits)]
    elif at_most is not None and not options["draw"]:
        raise UsageError("--at-most needs a commit to compare with: --peers=chat,chat@HEAD~1")
    directory = options["--output"] or ("build/comparison" if at_commits else "build/benchmarks")
    return Choice(plan, peers, work, Path(directory), at_most)


def _split(names: str | None) -> list[str] | None:
    return names.split(",") if names is not None else None


def _named(names: Sequence[str] | None, option: str, all: Sequence[_Named]) -> list[_Named]:
    """Return those of ``all`` that the option names; without it, all."""
    if names is None:
        return list(all)
    unknown = set(names) - {each.name for each in all}
    if unknown:
        known = ", ".join(dict.fromkeys(each.name for each in all))
        raise UsageError(f"{option}={','.join(names)}: expected some of {known}")
    return [each for each in all if each.name in names]


def _check_partners(at_commits: Sequence[str], peers: Sequence[Contender]) -> None:
    """Check that today's program is measured too, since a commit's program is compared with it."""
    for name in at_commits:
        base = name.partition("@")[0]
        if base not in _OF_A_COMMIT:
            able = " and ".join(_OF_A_COMMIT)
            raise UsageError(f"--peers={name}: only {able} can be measured at a commit")
        if base not in {peer.name for peer in peers}:
            raise UsageError(f"--peers={name}: name today's beside it, --peers={base},{name}")


def _prepared(names: Sequence[str]) -> list[Contender]:
    """Prepare the programs of commits, each once, whatever the commit is called."""
    peers: dict[tuple[type[Contender], str], Contender] = {}
    for name in names:
        base, _, revision = name.partition("@")
        commit = prepare(revision)
        prepared: list[Contender] = [_OF_A_COMMIT[base](commit)]
        if base == ChatClient.name:
            prepared.append(ComparedClient(commit))
        for each in prepared:
            peers.setdefault((type(each), each.name), each)
    return list(peers.values())


def _plan(options: Mapping[str, Any], plan: Plan) -> Plan:
    """Return ``plan`` with the numbers that were asked for."""
    if plan.quick:
        return plan
    rounds, seconds = options["--rounds"], options["--seconds"]
    if rounds is not None:
        plan = replace(plan, rounds=parse_count(rounds, "--rounds", minimum=1))
    if seconds is not None:
        plan = replace(plan, seconds=parse_count(seconds, "--seconds", minimum=1))
    return plan


def _share(text: str | None) -> float | None:
    """Return 0.03 for ``3%``. Raises UsageError."""
    if text is None:
        return None
    match = _SHARE.fullmatch(text)
    if match is None:
        raise UsageError(f"--at-most={text}: expected a percentage such as 3% or 2.5%")
    return float(match[1]) / 100
