"""Limits per address: how often and how fast clients may connect, and who is exempt."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from chat.server.limits.address_limits import LOGGED_JOINS, AddressLimits, Verdict
from chat.server.settings import Settings
from tests.server.fakes import FakeClock

STRANGER, OTHER, EXEMPT = "192.0.2.1", "192.0.2.2", "10.1.2.3"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(now=600.0)


def address_limits_with(clock: FakeClock, **changes: Any) -> AddressLimits:
    settings = Settings(exempt=(ip_network("10.0.0.0/8"),), **changes)
    return AddressLimits(settings, clock)


def test_of_too_many_connections_as_many_again_are_told_so_and_the_rest_closed(
    clock: FakeClock,
) -> None:
    address_limits = address_limits_with(clock, max_connects=3)
    answers = [address_limits.count_connection(STRANGER) for _ in range(8)]

    assert answers == [Verdict.ADMIT] * 3 + [Verdict.REFUSE] * 3 + [Verdict.CLOSE] * 2
    assert address_limits.count_connection(OTHER) is Verdict.ADMIT
    clock.advance(120)
    assert address_limits.count_connection(STRANGER) is Verdict.ADMIT


def test_an_ipv6_network_is_one_address(clock: FakeClock) -> None:
    address_limits = address_limits_with(clock, max_connects=1)

    assert address_limits.count_connection("2001:db8::1") is Verdict.ADMIT
    assert address_limits.count_connection("2001:db8::2") is Verdict.REFUSE
    assert address_limits.count_connection("2001:db8:0:1::1") is Verdict.ADMIT


@pytest.mark.parametrize("host", [EXEMPT, f"::ffff:{EXEMPT}", None])
def test_the_exempt_and_unix_sockets_are_never_slowed(clock: FakeClock, host: str | None) -> None:
    address_limits = address_limits_with(clock, max_connects=1, max_logins=1, max_per_address=1)
    for _ in range(100):
        assert address_limits.count_connection(host) is Verdict.ADMIT
        assert address_limits.count_attempt(host)
        assert address_limits.reserve_join(host, 0.0) == 0.0
        assert address_limits.may_log_join(host)


def test_tries_to_log_in_are_few_in_a_minute(clock: FakeClock) -> None:
    address_limits = address_limits_with(clock, max_logins=3)

    assert [address_limits.count_attempt(STRANGER) for _ in range(5)] == [True] * 3 + [False] * 2
    assert address_limits.count_attempt(OTHER)
    clock.advance(120)
    assert address_limits.count_attempt(STRANGER)


def test_tries_that_succeed_are_not_counted(clock: FakeClock) -> None:
    address_limits = address_limits_with(clock, max_logins=3)
    for _ in range(50):
        assert address_limits.count_attempt(STRANGER)
        address_limits.forgive_attempt(STRANGER)


def test_transfers_of_users_in_the_room_do_not_count(clock: FakeClock) -> None:
    address_limits = address_limits_with(clock, max_connects=3)
    for _ in range(50):
        assert address_limits.count_connection(STRANGER) is Verdict.ADMIT
        address_limits.forgive_connection(STRANGER)


def test_as_many_as_may_be_here_come_in_at_once_and_then_one_a_second(clock: FakeClock) -> None:
    address_limits = address_limits_with(clock, max_per_address=4)

    assert [address_limits.reserve_join(STRANGER, 30) for _ in range(6)] == [0, 0, 0, 0, 1, 2]
    assert address_limits.reserve_join(STRANGER, 2) is None
    assert address_limits.reserve_join(OTHER, 0) == 0


def test_what_quiet_addresses_take_is_given_back(clock: FakeClock) -> None:
    address_limits = address_limits_with(clock, max_connects=1)
    for number in range(100):
        host = f"192.0.2.{number}"
        for _ in range(2):
            address_limits.count_connection(host)
        address_limits.count_attempt(host)
        address_limits.reserve_join(host, 30)
        address_limits.may_log_join(host)
    tables = [value for value in vars(address_limits).values() if hasattr(value, "forget_old")]
    assert [len(table) for table in tables] == [100] * 5

    clock.advance(180)
    address_limits.forget_old()

    assert [len(table) for table in tables] == [0] * 5


def test_the_log_tells_of_so_many_of_one_address(clock: FakeClock) -> None:
    address_limits = address_limits_with(clock)

    lines = [address_limits.may_log_join(STRANGER) for _ in range(LOGGED_JOINS + 2)]
    assert lines == [True] * LOGGED_JOINS + [False] * 2
    assert address_limits.may_log_join(OTHER)
