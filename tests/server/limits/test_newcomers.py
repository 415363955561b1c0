"""Strangers by address: how often, how fast, and who is not slowed."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from chat.server.limits.newcomers import LOGGED_JOINS, Newcomers, Welcome
from chat.server.settings import Settings
from tests.server.fakes import FakeClock

STRANGER, OTHER, EXEMPT = "192.0.2.1", "192.0.2.2", "10.1.2.3"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(now=600.0)


def newcomers_with(clock: FakeClock, **changes: Any) -> Newcomers:
    settings = Settings(exempt=(ip_network("10.0.0.0/8"),), **changes)
    return Newcomers(settings, clock)


def test_of_too_many_connections_as_many_again_are_told_so_and_the_rest_closed(
    clock: FakeClock,
) -> None:
    newcomers = newcomers_with(clock, max_connects=3)
    answers = [newcomers.connects(STRANGER) for _ in range(8)]

    assert answers == [Welcome.COME_IN] * 3 + [Welcome.SAY_NO] * 3 + [Welcome.CLOSE] * 2
    assert newcomers.connects(OTHER) is Welcome.COME_IN
    clock.advance(120)
    assert newcomers.connects(STRANGER) is Welcome.COME_IN


def test_an_ipv6_network_is_one_address(clock: FakeClock) -> None:
    newcomers = newcomers_with(clock, max_connects=1)

    assert newcomers.connects("2001:db8::1") is Welcome.COME_IN
    assert newcomers.connects("2001:db8::2") is Welcome.SAY_NO
    assert newcomers.connects("2001:db8:0:1::1") is Welcome.COME_IN


@pytest.mark.parametrize("host", [EXEMPT, f"::ffff:{EXEMPT}", None])
def test_the_exempt_and_unix_sockets_are_never_slowed(clock: FakeClock, host: str | None) -> None:
    newcomers = newcomers_with(clock, max_connects=1, max_logins=1, max_per_address=1)
    for _ in range(100):
        assert newcomers.connects(host) is Welcome.COME_IN
        assert newcomers.may_try(host)
        assert newcomers.line_up(host, 0.0) == 0.0
        assert newcomers.is_worth_a_line(host)


def test_tries_to_log_in_are_few_in_a_minute(clock: FakeClock) -> None:
    newcomers = newcomers_with(clock, max_logins=3)

    assert [newcomers.may_try(STRANGER) for _ in range(5)] == [True] * 3 + [False] * 2
    assert newcomers.may_try(OTHER)
    clock.advance(120)
    assert newcomers.may_try(STRANGER)


def test_tries_that_succeed_are_not_counted(clock: FakeClock) -> None:
    newcomers = newcomers_with(clock, max_logins=3)
    for _ in range(50):
        assert newcomers.may_try(STRANGER)
        newcomers.came_in(STRANGER)


def test_transfers_of_who_is_in_the_room_are_no_newcomers(clock: FakeClock) -> None:
    newcomers = newcomers_with(clock, max_connects=3)
    for _ in range(50):
        assert newcomers.connects(STRANGER) is Welcome.COME_IN
        newcomers.was_no_newcomer(STRANGER)


def test_as_many_as_may_be_here_come_in_at_once_and_then_one_a_second(clock: FakeClock) -> None:
    newcomers = newcomers_with(clock, max_per_address=4)

    assert [newcomers.line_up(STRANGER, 30) for _ in range(6)] == [0, 0, 0, 0, 1, 2]
    assert newcomers.line_up(STRANGER, 2) is None
    assert newcomers.line_up(OTHER, 0) == 0


def test_what_quiet_addresses_take_is_given_back(clock: FakeClock) -> None:
    newcomers = newcomers_with(clock, max_connects=1)
    for number in range(100):
        host = f"192.0.2.{number}"
        for _ in range(2):
            newcomers.connects(host)
        newcomers.may_try(host)
        newcomers.line_up(host, 30)
        newcomers.is_worth_a_line(host)
    tables = [value for value in vars(newcomers).values() if hasattr(value, "forget_old")]
    assert [len(table) for table in tables] == [100] * 5

    clock.advance(180)
    newcomers.forget_old()

    assert [len(table) for table in tables] == [0] * 5


def test_the_log_tells_of_so_many_of_one_address(clock: FakeClock) -> None:
    newcomers = newcomers_with(clock)

    lines = [newcomers.is_worth_a_line(STRANGER) for _ in range(LOGGED_JOINS + 2)]
    assert lines == [True] * LOGGED_JOINS + [False] * 2
    assert newcomers.is_worth_a_line(OTHER)
