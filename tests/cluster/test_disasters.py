"""Disasters that come once: power losses, backups, full disks and memory, two servers with one name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cluster.disasters import (
    Disaster,
    EngineFromBackup,
    EngineLosesItsEnd,
    EngineOutOfMemory,
    Flushed,
    FullDisk,
    KilledBetweenFileAndRecord,
    OneNameTwice,
    PausedForLong,
    PowerLoss,
    ServerFromBackup,
    TwoPythons,
)
from tests.cluster.recording import Fetched
from tests.hostile.trouble import small_disk
from tests.server.cluster.engine_process import needs_engine

pytestmark = [
    needs_engine,
    pytest.mark.timeout(240),
    pytest.mark.thorough(
        "each takes 20 s; tests/server/cluster and tests/server/replication show it in the small"
    ),
]


def must_be_right(disaster: Disaster) -> None:
    assert disaster.faults() == [], disaster.told


def test_all_machines_lose_power(tmp_path: Path) -> None:
    disaster = PowerLoss(tmp_path)
    must_be_right(disaster)
    assert len(disaster.epochs()) == 1


def test_the_engine_loses_the_end_of_its_log(tmp_path: Path) -> None:
    disaster = EngineLosesItsEnd(tmp_path, may_lose=True)
    must_be_right(disaster)
    assert len(disaster.epochs()) == 2


def test_the_engine_is_restored_from_a_backup(tmp_path: Path) -> None:
    disaster = EngineFromBackup(tmp_path, may_lose=True)
    must_be_right(disaster)
    assert len(disaster.epochs()) == 2


def test_a_server_is_restored_from_a_backup(tmp_path: Path) -> None:
    disaster = ServerFromBackup(tmp_path)
    must_be_right(disaster)
    assert len(disaster.epochs()) == 1


def test_the_engine_is_flushed(tmp_path: Path) -> None:
    disaster = Flushed(tmp_path, may_lose=True)
    must_be_right(disaster)
    assert len(disaster.epochs()) == 2


def test_the_engine_is_out_of_memory(tmp_path: Path) -> None:
    disaster = EngineOutOfMemory(tmp_path)
    must_be_right(disaster)
    assert disaster.stage.ended_by_themselves == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_the_disk_of_one_server_is_full(tmp_path: Path) -> None:
    with small_disk(24 << 20) as disk:
        must_be_right(FullDisk(tmp_path, disk))


def test_two_servers_with_one_name(tmp_path: Path) -> None:
    disaster = OneNameTwice(tmp_path)
    must_be_right(disaster)
    assert not disaster.has_come_in


def test_servers_are_killed_between_a_file_and_its_record(tmp_path: Path) -> None:
    disaster = KilledBetweenFileAndRecord(tmp_path)
    must_be_right(disaster)
    files = [line for line in disaster.stage.recording.lines.values() if line.is_file]
    assert len(files) > 20
    events = (e for session in disaster.stage.recording.sessions for e in session.events)
    assert any(isinstance(event, Fetched) and event.digest for event in events)


@pytest.mark.parametrize("seconds", [10.0, 60.0])
def test_users_of_a_paused_server_hear_nothing_of_after_its_fence(
    tmp_path: Path, seconds: float
) -> None:
    disaster = PausedForLong(tmp_path, seconds=seconds)
    must_be_right(disaster)
    assert disaster.heard > 0
    assert disaster.late == 0


@pytest.mark.skipif(
    "CHAT_TEST_PYTHONS" not in os.environ,
    reason="CHAT_TEST_PYTHONS names no two interpreters that can run the server, such as 3.10:3.13",
)
def test_servers_under_two_pythons(tmp_path: Path) -> None:
    must_be_right(TwoPythons(tmp_path, os.environ["CHAT_TEST_PYTHONS"].split(":")))
