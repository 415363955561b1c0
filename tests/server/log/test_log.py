"""The room's clock."""

from __future__ import annotations

import logging
import re
from datetime import datetime, timezone

import pytest

from chat.server.log.log import Timestamps
from tests.server.fakes import FakeClock

START = datetime(2026, 11, 24, 9, 30, tzinfo=timezone.utc).timestamp()


class TwoClocks:
    """Two clocks: one shows the date and can be set, the other only runs on."""

    def __init__(self) -> None:
        self.date = FakeClock(START)
        self.steady = FakeClock()
        self.timestamps = Timestamps(self.date, self.steady)

    def advance(self, seconds: float) -> None:
        self.date.advance(seconds)
        self.steady.advance(seconds)

    def set_back(self, seconds: float) -> None:
        self.date.advance(-seconds)


@pytest.fixture
def clocks() -> TwoClocks:
    return TwoClocks()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "2026-11-24T09:30:00.000000Z"),
        (0.25, "2026-11-24T09:30:00.250000Z"),
        (1.5, "2026-11-24T09:30:01.500000Z"),
        (14.5 * 3600, "2026-11-25T00:00:00.000000Z"),
    ],
)
def test_it_shows_the_time_as_rfc_3339_in_utc(
    clocks: TwoClocks, seconds: float, shown: str
) -> None:
    clocks.advance(seconds)

    assert clocks.timestamps() == shown


def test_every_fraction_of_a_second_has_six_digits(clocks: TwoClocks) -> None:
    shape = re.compile(r"2026-11-24T09:3\d:\d\d\.\d{6}Z")
    last = ""
    for _ in range(5000):
        clocks.advance(0.0123457)
        shown = clocks.timestamps()
        assert shape.fullmatch(shown)
        assert shown > last
        last = shown


def test_by_default_it_is_the_time_of_the_system() -> None:
    before = datetime.now(timezone.utc)
    shown = datetime.strptime(Timestamps()(), "%Y-%m-%dT%H:%M:%S.%f%z")

    assert abs((shown - before).total_seconds()) < 60


def test_a_clock_set_back_is_held_for_a_minute_then_followed_and_logged(
    clocks: TwoClocks, caplog: pytest.LogCaptureFixture
) -> None:
    held = clocks.timestamps()
    clocks.set_back(3600)

    assert clocks.timestamps() == held
    clocks.advance(59.9)
    assert clocks.timestamps() == held
    assert caplog.records == []

    clocks.advance(0.1)
    assert clocks.timestamps() == "2026-11-24T08:31:00.000000Z"
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "set back by 3540 s" in record.getMessage()
    clocks.advance(1)
    assert clocks.timestamps() == "2026-11-24T08:31:01.000000Z"


def test_a_clock_set_back_a_little_is_held_until_it_has_caught_up(
    clocks: TwoClocks, caplog: pytest.LogCaptureFixture
) -> None:
    clocks.timestamps()
    clocks.set_back(30)
    shown = []
    for _ in range(8):
        shown.append(clocks.timestamps())
        clocks.advance(10)

    assert shown == sorted(shown)
    assert shown[:4] == ["2026-11-24T09:30:00.000000Z"] * 4
    assert shown[-1] == "2026-11-24T09:30:40.000000Z"
    assert caplog.records == []


def test_each_time_it_is_set_back_is_held_anew(clocks: TwoClocks) -> None:
    clocks.timestamps()
    clocks.set_back(30)
    clocks.timestamps()
    clocks.advance(50)  # caught up, 20 seconds ago
    held = clocks.timestamps()
    clocks.set_back(3600)
    clocks.timestamps()
    clocks.advance(30)

    assert clocks.timestamps() == held


def test_setting_it_back_again_and_again_does_not_hold_it_for_longer(clocks: TwoClocks) -> None:
    held = clocks.timestamps()
    for _ in range(6):
        clocks.set_back(3600)
        assert clocks.timestamps() == held
        clocks.advance(10)

    assert clocks.timestamps() < held
