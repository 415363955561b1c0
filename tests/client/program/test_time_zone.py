from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import gevent
import pytest

from chat.client.program import time_zone
from chat.client.program.time_zone import TimeZone, follow_time_zone
from chat.local_time import clock_time

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=timezone.utc)
ZONES = Path("/usr/share/zoneinfo")
needs_zones = pytest.mark.skipif(not (ZONES / "Asia/Tokyo").exists(), reason="no tzdata here")


@pytest.fixture
def zone_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The zone of the reader, who is in London at first."""
    path = tmp_path / "localtime"
    path.symlink_to(ZONES / "Europe/London")
    monkeypatch.setenv("TZ", f":{path}")
    time.tzset()
    yield path
    monkeypatch.undo()
    time.tzset()


def move(zone_file: Path, name: str) -> None:
    """Set the time zone as ``timedatectl set-timezone`` does."""
    new = zone_file.with_name("new")
    new.symlink_to(ZONES / name)
    new.replace(zone_file)


@needs_zones
def test_times_follow_the_file(zone_file: Path) -> None:
    zone = TimeZone()
    assert clock_time(NOON) == "12:00:00"
    assert not zone.follow()
    move(zone_file, "Asia/Tokyo")
    assert zone.follow()
    assert clock_time(NOON) == "21:00:00"
    assert not zone.follow()
    assert os.environ["TZ"] == f":{zone_file}"


@needs_zones
def test_new_rules_in_the_same_file(zone_file: Path) -> None:
    """An update of the time zones writes new rules to the same file."""
    zone = TimeZone()
    zone_file.unlink()
    zone_file.write_bytes((ZONES / "Asia/Tokyo").read_bytes())
    zone.follow()
    assert clock_time(NOON) == "21:00:00"
    zone_file.write_bytes((ZONES / "Asia/Kolkata").read_bytes() + b"\n")
    assert zone.follow()
    assert clock_time(NOON) == "17:30:00"


@needs_zones
@pytest.mark.parametrize("given", ["CET-1", "Asia/Tokyo", "", ":no such zone", "\udcff"])
def test_a_zone_by_its_name_stays(
    zone_file: Path, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", given)
    zone = TimeZone()
    move(zone_file, "Asia/Tokyo")
    assert not zone.follow()
    assert os.environ["TZ"] == given


@needs_zones
def test_the_zone_of_the_system(zone_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ")
    zone = TimeZone(str(zone_file))
    zone_file.unlink()
    assert zone.follow()
    assert not zone.follow()
    assert "TZ" not in os.environ


@needs_zones
def test_it_is_looked_for_now_and_then(zone_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert time_zone.CHECK >= 60
    monkeypatch.setattr(time_zone, "CHECK", 0.001)
    seen: list[str] = []
    following = gevent.spawn(follow_time_zone, lambda: seen.append(clock_time(NOON)))
    try:
        gevent.sleep(0.01)
        assert seen == []
        move(zone_file, "Asia/Tokyo")
        with gevent.Timeout(30):
            while not seen:
                gevent.sleep(0.001)
        assert seen == ["21:00:00"]
    finally:
        following.kill()
