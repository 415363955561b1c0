"""A server under attack, and what is seen of it from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import gevent

from tests.end_to_end.server_process import ServerProcess, eventually
from tests.hostile.attacks import Attack, Attacker
from tests.hostile.witnesses import Phase, Witnesses

OPTIONS = ("--exempt=127.0.0.1/32", "--tls=optional")
_SERVED = 20.0  # seconds in which all that an attack took must be given back
_AFTERMATH = 0.5  # seconds that still belong to an attack


class Resources(NamedTuple):
    """Resources of the server's process: memory in bytes, and counts."""

    memory: int
    descriptors: int
    temporary_files: int

    def __str__(self) -> str:
        return (
            f"{self.memory / 2**20:.0f} MB, {self.descriptors} descriptors, "
            f"{self.temporary_files} temporary files"
        )


class Outcome(NamedTuple):
    """Figures of one attack: how many connections it made, what the users saw, and what the log took."""

    name: str
    connections: int
    log_bytes: int
    phase: Phase

    def __str__(self) -> str:
        per_connection = self.log_bytes / max(self.connections, 1)
        return (
            f"{self.name.replace('_', ' '):20s} {self.connections:5d} connections  "
            f"{per_connection:5.1f} log bytes each  {self.phase}"
        )


def resources_of(server: ServerProcess) -> Resources:
    return Resources(server.resident_memory(), len(server.open_files()), server.temporary_files())


def run_attack(
    server: ServerProcess,
    witnesses: Witnesses,
    attack: Attack,
    *,
    count: int,
    seconds: float,
    first: int,
) -> Outcome:
    """Run one attack of ``count`` connections; afterwards the server must hold no more descriptors than before."""
    witnesses.end_phase()
    before, logged = resources_of(server), len(server.log)
    attacker = Attacker(server.address[1], count, seconds, first)
    with gevent.Timeout(60 + 4 * seconds):
        attack(attacker)
    gevent.sleep(_AFTERMATH)
    phase = witnesses.end_phase()
    outcome = Outcome(attack.__name__, attacker.connected, len(server.log) - logged, phase)
    wait_until_given_back(server, before)
    return outcome


def wait_until_given_back(server: ServerProcess, before: Resources) -> None:
    """Descriptors and temporary files; the system decides about memory."""

    def is_so() -> bool:
        now = resources_of(server)
        return (
            now.descriptors <= before.descriptors and now.temporary_files <= before.temporary_files
        )

    eventually(is_so, _SERVED)


def quiet(witnesses: Witnesses, seconds: float) -> Phase:
    """Measure how the users see each other while nobody attacks."""
    witnesses.end_phase()
    gevent.sleep(seconds)
    return witnesses.end_phase()


def numbered(
    attacks: Sequence[Attack],
) -> list[tuple[int, Attack]]:
    """Give each attack its own addresses, so that no attack uses up the limits of the next."""
    return list(enumerate(attacks, start=10))
