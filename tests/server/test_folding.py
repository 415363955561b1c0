"""A log that a stranger cannot fill."""

from __future__ import annotations

import logging

import pytest

from chat.server import folding
from chat.server.folding import FoldingLog
from tests.server.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def refusals(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> FoldingLog:
    caplog.set_level(logging.INFO, "chat.server")
    return FoldingLog(clock)


def test_the_first_refusal_is_logged_at_once(
    refusals: FoldingLog, caplog: pytest.LogCaptureFixture
) -> None:
    refusals.refused("192.0.2.1", "bad-username")

    assert caplog.messages == ["refused 192.0.2.1: bad-username"]


def test_the_same_again_is_counted_and_logged_when_the_window_is_over(
    refusals: FoldingLog, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(500):
        refusals.refused("192.0.2.1", "bad-username")
    refusals.refused("192.0.2.2", "bad-username")
    clock.advance(59.9)
    refusals.flush_if_due()
    assert len(caplog.messages) == 2

    clock.advance(0.1)
    refusals.flush_if_due()

    assert caplog.messages[2:] == ["refused 192.0.2.1 499 more times: bad-username"]
    refusals.flush_if_due()
    assert len(caplog.messages) == 3


def test_another_address_or_another_reason_is_logged_by_itself(
    refusals: FoldingLog, caplog: pytest.LogCaptureFixture
) -> None:
    refusals.refused("192.0.2.1", "bad-username")
    refusals.refused("192.0.2.2", "bad-username")
    refusals.refused("192.0.2.1", "server-full")

    assert len(caplog.messages) == 3


def test_in_the_next_window_it_is_logged_again(
    refusals: FoldingLog, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    refusals.refused("192.0.2.1", "bad-username")
    clock.advance(60)
    refusals.refused("192.0.2.1", "bad-username")

    assert caplog.messages == ["refused 192.0.2.1: bad-username"] * 2


def test_more_addresses_than_it_tells_apart_are_one(
    monkeypatch: pytest.MonkeyPatch,
    refusals: FoldingLog,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(folding, "MAX_SUBJECTS", 3)
    for number in range(100):
        refusals.refused(f"192.0.2.{number}", "bad-username")
    refusals.refused("192.0.2.0", "bad-username")

    assert caplog.messages == [
        "refused 192.0.2.0: bad-username",
        "refused 192.0.2.1: bad-username",
        "refused 192.0.2.2: bad-username",
        "refused other addresses: bad-username",
    ]
    clock.advance(60)
    refusals.flush_if_due()
    assert caplog.messages[4:] == [
        "refused 192.0.2.0 1 more times: bad-username",
        "refused other addresses 96 more times: bad-username",
    ]


def test_troubles_of_the_server_itself_are_folded_at_their_own_level(
    refusals: FoldingLog, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        refusals.noted("the spool", "No space left on device", logging.WARNING)
    clock.advance(60)
    refusals.flush_if_due()

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "the spool: No space left on device"),
        ("WARNING", "the spool 2 more times: No space left on device"),
    ]


def test_five_thousand_addresses_cost_few_bytes_each(
    refusals: FoldingLog, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(5000):
        refusals.refused(f"2001:db8:1234:{number:x}:1234:5678:9abc:def0", "took too long to log in")
    clock.advance(60)
    refusals.flush_if_due()

    assert (
        sum(len(message) + len("2026-01-01 00:00:00,000 INFO \n") for message in caplog.messages)
        < 5000 * 2
    )
