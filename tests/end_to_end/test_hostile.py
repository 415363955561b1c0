"""The real server under small attacks: users in the room lose nothing, and the server gives back all resources.

``python -m tests.hostile`` runs the attacks at full size, and prints figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.end_to_end.server_process import ServerProcess, running_server
from tests.hostile import attack_run as attack_run_module
from tests.hostile import trouble
from tests.hostile.attacks import ATTACKS, Attack, byte_by_byte, joining_and_leaving
from tests.hostile.crowd import KINDS
from tests.hostile.crowds import run_crowd
from tests.hostile.witnesses import Witnesses, witnesses_on
from tests.tiers import quick_first

COUNT = 120  # connections of an attack
FEW = 60  # of one that costs the attacker more than the server
M = 1024 * 1024


@pytest.fixture(scope="module")
def attacked() -> Iterator[tuple[ServerProcess, Witnesses]]:
    """Run one server, and two users who talk on it, for all attacks. Real attacks come one after the other too."""
    with (
        running_server(*attack_run_module.OPTIONS, "--login-timeout=2") as server,
        witnesses_on(server.address[1]) as witnesses,
    ):
        yield server, witnesses


@pytest.mark.parametrize(
    ("first", "attack"),
    quick_first(attack_run_module.numbered(ATTACKS), "each kind of attack"),
    ids=[attack.__name__ for attack in ATTACKS],
)
def test_users_in_the_room_lose_nothing_and_all_is_given_back(
    attacked: tuple[ServerProcess, Witnesses], first: int, attack: Attack
) -> None:
    server, witnesses = attacked
    memory = server.resident_memory()
    count = FEW if attack is byte_by_byte else COUNT

    outcome = attack_run_module.run_attack(
        server, witnesses, attack, count=count, seconds=1.0, first=first
    )

    assert outcome.connections == count
    assert outcome.phase.said > 0
    assert outcome.phase.lost == 0
    assert outcome.log_bytes < 100 * count, server.log
    assert server.resident_memory() < memory + 40 * M


@pytest.mark.thorough("an attack; tests/server/log and tests/server/limits have the limits")
def test_the_room_is_not_flooded_by_one_address_that_comes_and_goes(
    attacked: tuple[ServerProcess, Witnesses],
) -> None:
    server, witnesses = attacked
    joined = server.log.count("joined from 127.90.")

    attack_run_module.run_attack(
        server, witnesses, joining_and_leaving, count=COUNT, seconds=1.0, first=90
    )

    # The log names these; the rest are counted.
    assert server.log.count("joined from 127.90.") - joined <= 20


@pytest.mark.parametrize(
    ("first", "kind"), quick_first(enumerate(KINDS, start=150), "each kind of crowd"), ids=KINDS
)
def test_a_crowd_from_many_addresses_costs_nobody_a_word_and_the_log_little(
    attacked: tuple[ServerProcess, Witnesses], first: int, kind: str
) -> None:
    assert run_crowd(*attacked, kind, rate=800, seconds=0.5, first=first) == 0


@pytest.mark.thorough("exhausts the resources of a server; tests/server/net has each refusal")
@pytest.mark.parametrize("scene", trouble.SCENES, ids=lambda scene: str(scene.__name__))
def test_exhausted_resources_fail_for_new_connections_alone(scene: Callable[[], int]) -> None:
    try:
        if scene is trouble.few_descriptors:
            lost = trouble.few_descriptors(limit=200, count=600, seconds=0.2)
        else:
            lost = scene()
    except trouble.LeftOut as reason:
        pytest.skip(str(reason))
    assert lost == 0
