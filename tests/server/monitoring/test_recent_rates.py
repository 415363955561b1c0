from __future__ import annotations

import pytest

from chat.server.monitoring.recent_rates import RecentRates, Totals
from tests.server.fakes import FakeClock


def test_rates_are_those_of_the_last_minute() -> None:
    clock, totals = FakeClock(), [Totals(0, 0, 0)]
    rates = RecentRates(lambda: totals[0], clock)
    clock.advance(5)
    totals[0] = Totals(10, 100, 1000)
    assert rates.per_second() == {
        "seconds": 5,
        "messages": 2,
        "received_bytes": 20,
        "delivered_bytes": 200,
    }

    for _ in range(20):
        clock.advance(10)
        rates.sample()

    assert rates.per_second()["messages"] == 0
    totals[0] = Totals(610, 100, 1000)
    assert rates.per_second()["seconds"] == 60
    assert rates.per_second()["messages"] == pytest.approx(10)


def test_the_first_moment_divides_by_nothing() -> None:
    assert RecentRates(lambda: Totals(5, 5, 5), FakeClock()).per_second()["messages"] == 0
