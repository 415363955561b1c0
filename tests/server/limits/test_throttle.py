"""How often each of very many addresses may come, and the price of a failure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.server.limits.throttle import FailureDelays, Queues, SlidingWindow
from chat.server.settings import Rate
from tests.server.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(now=600.0)  # the beginning of a minute


@pytest.fixture
def window(clock: FakeClock) -> SlidingWindow:
    return SlidingWindow(limit=5, seconds=60, max_keys=3, clock=clock)


@pytest.fixture
def delays(clock: FakeClock) -> FailureDelays:
    return FailureDelays(clock, max_keys=3)


@pytest.fixture
def queues(clock: FakeClock) -> Queues:
    return Queues(Rate(per_second=2, burst=4), max_keys=3, clock=clock)


def test_a_window_admits_up_to_its_limit(window: SlidingWindow) -> None:
    assert [window.admit("a") for _ in range(5)] == [0.0] * 5
    assert window.admit("a") > 0


def test_a_client_that_waits_as_long_as_told_is_admitted(
    window: SlidingWindow, clock: FakeClock
) -> None:
    for _ in range(200):
        delay = window.admit("a")
        clock.advance(delay)
        assert not delay or window.admit("a") == 0.0


def test_no_sooner_is_a_client_admitted(window: SlidingWindow, clock: FakeClock) -> None:
    for _ in range(5):
        window.admit("a")
    clock.advance(window.admit("a") - 0.1)

    assert window.admit("a") == pytest.approx(0.1)


def test_a_window_slides(window: SlidingWindow, clock: FakeClock) -> None:
    clock.advance(59)
    assert [window.admit("a") for _ in range(5)] == [0.0] * 5

    clock.advance(2)  # another minute, but not another five
    assert window.admit("a") > 0

    clock.advance(60)
    assert window.admit("a") == 0.0


def test_knocking_keeps_nobody_out_for_ever(window: SlidingWindow, clock: FakeClock) -> None:
    admitted = 0
    for _ in range(60 * 10):
        admitted += window.admit("a") == 0.0
        clock.advance(1)

    assert 5 * 7 <= admitted <= 5 * 11


def test_keys_have_windows_of_their_own_and_none_has_no_limit(window: SlidingWindow) -> None:
    for _ in range(6):
        window.admit("a")

    assert window.admit("b") == 0.0
    assert [window.admit(None) for _ in range(100)] == [0.0] * 100
    assert len(window) == 2


def test_what_is_given_back_does_not_count(window: SlidingWindow) -> None:
    for _ in range(100):
        assert window.admit("a") == 0.0
        window.forgive("a")
    window.forgive("a")
    window.forgive("nobody")
    window.forgive(None)

    assert [window.admit("a") for _ in range(5)] == [0.0] * 5
    assert window.admit("a") > 0


def test_what_is_given_back_after_its_minute_does_not_count_in_the_next_one(
    window: SlidingWindow, clock: FakeClock
) -> None:
    for _ in range(5):
        window.admit("a")
    clock.advance(60)
    for _ in range(5):
        window.forgive("a")

    assert [window.admit("a") for _ in range(5)] == [0.0] * 5


def test_a_window_remembers_so_many_keys_and_forgets_the_oldest(window: SlidingWindow) -> None:
    for key in "abc":
        for _ in range(5):
            window.admit(key)
    window.admit("a")
    window.admit("d")  # b was seen longest ago

    assert len(window) == 3
    assert window.admit("a") > 0
    assert window.admit("b") == 0.0


@given(st.lists(st.floats(0, 90), max_size=200), st.integers(1, 10))
def test_no_window_lets_in_twice_its_limit(pauses: list[float], limit: int) -> None:
    clock = FakeClock()
    window = SlidingWindow(limit, 60, clock=clock)
    times = []
    for pause in pauses:
        clock.advance(pause)
        if window.admit("a") == 0.0:
            times.append(clock.now)

    for start in times:
        assert sum(start <= time < start + 60 for time in times) < 2 * limit + 1


def test_each_failure_costs_twice_as_much_up_to_half_a_minute(delays: FailureDelays) -> None:
    assert [delays.failed("a") for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_client_that_failed_may_try_again_when_the_time_is_over(
    delays: FailureDelays, clock: FakeClock
) -> None:
    assert delays.wait("a") == 0.0
    delays.failed("a")
    delays.failed("a")
    clock.advance(0.75)
    assert delays.wait("a") == pytest.approx(0.25)

    clock.advance(0.25)
    assert delays.wait("a") == 0.0


def test_a_success_and_a_quiet_time_are_a_fresh_start(
    delays: FailureDelays, clock: FakeClock
) -> None:
    for _ in range(4):
        delays.failed("a")
        delays.failed("b")
    delays.succeeded("a")
    delays.succeeded("nobody")
    assert delays.failed("a") == 0.5

    clock.advance(900)
    assert delays.failed("b") == 0.5


def test_of_nobody_no_failures_are_kept(delays: FailureDelays) -> None:
    assert delays.failed(None) == 0.0
    assert delays.wait(None) == 0.0
    delays.succeeded(None)
    assert len(delays) == 0


def test_failures_of_so_many_keys_are_remembered(delays: FailureDelays) -> None:
    for key in "abcd":
        delays.failed(key)

    assert len(delays) == 3
    assert delays.wait("a") == 0.0
    assert delays.wait("d") == 0.5


def test_quiet_keys_are_given_back(delays: FailureDelays, clock: FakeClock) -> None:
    delays.failed("a")
    clock.advance(500)
    delays.failed("b")
    clock.advance(500)
    delays.forget_old()

    assert len(delays) == 1
    assert delays.failed("b") == 1.0


def test_in_a_line_nobody_of_a_burst_waits_and_then_each_for_a_turn(
    queues: Queues, clock: FakeClock
) -> None:
    assert [queues.reserve("a", 30) for _ in range(4)] == [0.0] * 4
    assert [queues.reserve("a", 30) for _ in range(3)] == pytest.approx([0.5, 1.0, 1.5])
    assert queues.reserve("b", 30) == 0.0
    assert queues.reserve(None, 0) == 0.0

    clock.advance(2)
    assert queues.reserve("a", 30) == 0.0


def test_a_line_longer_than_one_has_patience_is_not_joined(queues: Queues) -> None:
    for _ in range(4):
        queues.reserve("a", 30)

    assert queues.reserve("a", 0.4) is None
    assert queues.reserve("a", 0.5) == pytest.approx(0.5)
    assert queues.reserve("a", 0.9) is None
    assert queues.reserve("a", 1.0) == pytest.approx(1.0)


def test_lines_of_so_many_keys_are_remembered(queues: Queues) -> None:
    for key in "abca":
        for _ in range(5):
            queues.reserve(key, 30)
    queues.reserve("d", 30)  # b was seen longest ago

    assert len(queues) == 3
    assert queues.reserve("a", 0) is None
    assert queues.reserve("b", 0) == 0.0


def test_windows_and_lines_of_quiet_keys_are_given_back(
    window: SlidingWindow, queues: Queues, clock: FakeClock
) -> None:
    window.admit("a")
    queues.reserve("a", 30)
    clock.advance(60)
    for _ in range(3):
        window.admit("b")
        queues.reserve("b", 30)
    window.forget_old()
    queues.forget_old()
    assert (len(window), len(queues)) == (2, 1)  # half of a's window is still to come

    clock.advance(60)
    window.forget_old()
    queues.forget_old()
    assert (len(window), len(queues)) == (1, 0)

    clock.advance(60)
    window.forget_old()
    assert len(window) == 0
