"""Unknown clients cannot fill the log: repeated lines are folded."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.server.process import log_folding
from chat.server.process.log_folding import FoldingLog
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
    monkeypatch.setattr(log_folding, "MAX_SUBJECTS", 3)
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
        refusals.log_event_of("the spool", "No space left on device", logging.WARNING)
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


def test_events_are_logged_each_until_they_come_too_fast(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    later: list[Callable[[], None]] = []
    log = FoldingLog(clock, lambda seconds, tell: later.append(tell))
    for number in range(1000):
        log.log_event("joined", "guest%d joined", number)
        log.log_event("left", "guest%d left", number, level=logging.WARNING)
    written = len(caplog.messages)
    assert written == log_folding.LINES.burst
    clock.advance(1)

    [tell] = later
    tell()

    [told] = caplog.messages[written:]
    joined = sum(message.endswith("joined") for message in caplog.messages[:written])
    left = written - joined
    assert told == f"{1000 - joined} more joined, {1000 - left} more left in the last 1 s"
    log.log_counts()
    assert len(caplog.messages) == written + 1


def test_a_fault_of_ours_that_clients_can_repeat_is_counted_too(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    log = FoldingLog(clock, lambda seconds, tell: None)
    for _ in range(3):
        try:
            raise RuntimeError("ours")
        except RuntimeError as problem:
            log.failed(problem, "serving %s failed", "192.0.2.1")
    log.log_counts()

    assert caplog.messages[0] == "serving 192.0.2.1 failed"
    assert caplog.records[0].exc_info is not None
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_refusals_that_come_too_fast_are_told_later_and_not_all_in_one_go(
    refusals: FoldingLog, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    addresses = [f"192.0.2.{number}" for number in range(log_folding.MAX_SUBJECTS)]
    for address in addresses:
        refusals.refused(address, "bad-username")
    at_once = list(caplog.messages)
    assert len(at_once) == log_folding.LINES.burst
    for address in addresses:
        refusals.refused(address, "bad-username")
    caplog.clear()

    clock.advance(60)
    refusals.flush_if_due()
    assert len(caplog.messages) == log_folding.COUNT_LINES.burst
    for _ in range(10):
        clock.advance(1)
        refusals.flush_if_due()

    written = int(log_folding.LINES.burst)
    assert caplog.messages == [
        *(f"refused {address} 1 more times: bad-username" for address in addresses[:written]),
        *(f"refused {address} 2 more times: bad-username" for address in addresses[written:]),
    ]


KINDS = ("joined", "left", "refused", "failed")


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.floats(0, 70)), max_size=30), st.data())
def test_the_log_has_a_bound_and_loses_no_event(
    bursts: list[tuple[str, float]], data: st.DataObject
) -> None:
    clock = FakeClock()
    later: list[tuple[float, Callable[[], None]]] = []
    log = FoldingLog(clock, lambda seconds, tell: later.append((clock.now + seconds, tell)))
    written: list[tuple[float, str]] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.extend([(clock.now, record.getMessage())] * (25 if record.exc_info else 1))

    def pass_time(seconds: float) -> None:
        end = clock.now + seconds
        while later and later[0][0] <= end:
            clock.now, tell = later.pop(0)
            tell()
        clock.now = end

    logger, collector = logging.getLogger("chat.server"), Collector()
    level = logger.level
    logger.addHandler(collector)
    logger.setLevel(logging.INFO)
    happened: Counter[str] = Counter()
    try:
        for kind, pause in bursts:
            for number in range(data.draw(st.integers(1, 300))):
                happened[kind] += 1
                if kind == "refused":
                    log.refused(f"192.0.2.{number}", "bad-username")
                elif kind == "failed":
                    log.failed(RuntimeError(), "it failed")
                else:
                    log.log_event(kind, f"x {kind}")
            pass_time(pause)
            log.flush_if_due()
        pass_time(2)
    finally:
        logger.removeHandler(collector)
        logger.setLevel(level)
    for at, _ in written:
        assert sum(at <= other < at + 1 for other, _ in written) <= 100
    for kind in ("joined", "left"):
        told = sum(int(n.replace(",", "")) for _, line in written for n in _counts_of(kind, line))
        assert told + sum(line == f"x {kind}" for _, line in written) == happened[kind]


def _counts_of(kind: str, line: str) -> list[str]:
    return re.findall(rf"([\d,]+) more {kind}\b", line)
