"""Crowds from very many addresses, each address below every limit, against a server with two users who talk inside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.end_to_end.server_process import ServerProcess, running_server
from tests.hostile import attack_run as attack_run_module
from tests.hostile.crowd import KINDS, crowd
from tests.hostile.trouble import allow_descriptors
from tests.hostile.witnesses import Witnesses, witnesses_on

RATE, SECONDS = 2800.0, 6.0
MOST_LINES = 100  # of the log, in one second
_FIRST = 150  # 127.150.x.y and on
_STAMP = len("2026-01-01 00:00:00")


def crowds(
    rate: float = RATE, seconds: float = SECONDS, kinds: Sequence[str] = tuple(KINDS)
) -> int:
    """Run a crowd of each kind, one after the other, at ``rate`` strangers a second; return the count of lost texts.

    Each kind has a server of its own.
    """
    allow_descriptors(20_000 if rate * seconds > 500 else 1000)
    lost = 0
    for kind in kinds:
        with (
            running_server(*attack_run_module.OPTIONS, "--login-timeout=15") as server,
            witnesses_on(server.address[1]) as witnesses,
        ):
            lost += run_crowd(server, witnesses, kind, rate, seconds, _FIRST)
    return lost


def run_crowd(
    server: ServerProcess,
    witnesses: Witnesses,
    kind: str,
    rate: float,
    seconds: float,
    first: int,
) -> int:
    """Run a crowd of one kind, from 127.FIRST.x.y and on; return the count of lost texts."""
    witnesses.end_phase()
    logged = len(server.lines)
    with crowd(server.address[1], kind, rate, seconds, first) as told:
        pass
    phase = witnesses.end_phase()
    lines = Counter(line[:_STAMP] for line in server.lines[logged:])
    most = max(lines.values(), default=0)
    [(begun, answered)] = told
    print(
        f"{'crowd, ' + kind:20s} {begun:5d} connections  {answered:5d} answered  "
        f"{most:3d} log lines a second at most  {phase}",
        flush=True,
    )
    assert begun, "the crowd came"
    assert most <= MOST_LINES, f"{most} lines of the log in one second"
    return phase.lost
