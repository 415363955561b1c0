"""Rates that delay, and connections counted by address."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from chat.server.limits.limits import ConnectionsPerAddress, TokenBucket, parse_host
from chat.server.settings import Rate
from tests.server.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def bucket(clock: FakeClock) -> TokenBucket:
    return TokenBucket(Rate(per_second=10, burst=20), clock)


def test_a_burst_is_not_delayed(bucket: TokenBucket) -> None:
    assert [bucket.consume(1) for _ in range(20)] == [0.0] * 20


def test_after_a_burst_each_waits_for_a_turn(bucket: TokenBucket, clock: FakeClock) -> None:
    bucket.consume(20)

    for _ in range(5):
        delay = bucket.consume(1)
        assert delay == pytest.approx(0.1)
        clock.advance(delay)


def test_tokens_come_back_with_time_up_to_a_burst(bucket: TokenBucket, clock: FakeClock) -> None:
    bucket.consume(20)
    clock.advance(1)
    assert bucket.consume(10) == 0.0

    clock.advance(1_000_000)
    assert bucket.consume(20) == 0.0
    assert bucket.consume(1) == pytest.approx(0.1)


def test_more_than_a_burst_at_once_is_delayed_not_refused(bucket: TokenBucket) -> None:
    assert bucket.consume(120) == pytest.approx(10)


def test_time_that_is_not_waited_for_is_owed(bucket: TokenBucket) -> None:
    bucket.consume(20)

    assert [bucket.consume(1) for _ in range(3)] == pytest.approx([0.1, 0.2, 0.3])


def test_what_is_available_is_what_can_be_taken_without_a_wait(
    bucket: TokenBucket, clock: FakeClock
) -> None:
    assert bucket.available() == 20
    assert bucket.consume(23) == pytest.approx(0.3)
    assert bucket.available() == -3

    clock.advance(0.5)
    assert bucket.available() == pytest.approx(2)
    clock.advance(1_000_000)
    assert bucket.available() == 20


def test_taking_nothing_costs_nothing(bucket: TokenBucket) -> None:
    bucket.consume(20)

    assert bucket.consume(0) == 0.0


def test_connections_of_one_address_are_counted() -> None:
    limit = ConnectionsPerAddress(2, ())
    for _ in range(2):
        limit.enter("192.0.2.1")
        assert limit.exceeded_by("192.0.2.1") == 0

    limit.enter("192.0.2.1")
    assert limit.exceeded_by("192.0.2.1") == 1
    limit.enter("192.0.2.2")
    assert limit.exceeded_by("192.0.2.2") == 0

    limit.leave("192.0.2.1")
    assert limit.exceeded_by("192.0.2.1") == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:0:0:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_an_ipv4_address_counts_alone_an_ipv6_one_with_its_64(
    one: str, other: str, same: bool
) -> None:
    limit = ConnectionsPerAddress(1, ())
    limit.enter(one)
    limit.enter(other)

    assert limit.exceeded_by(other) == (1 if same else 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1", None])
def test_exempt_addresses_and_unix_sockets_are_not_limited(host: str | None) -> None:
    limit = ConnectionsPerAddress(1, (ip_network("127.0.0.0/8"), ip_network("::1/128")))

    for _ in range(5):
        limit.enter(host)

    assert limit.exceeded_by(host) == 0
    for _ in range(5):
        limit.leave(host)


def test_with_nothing_exempt_loopback_is_limited() -> None:
    limit = ConnectionsPerAddress(1, ())
    for _ in range(2):
        limit.enter("127.0.0.1")

    assert limit.exceeded_by("127.0.0.1") == 1


def test_nothing_is_remembered_of_who_has_left() -> None:
    limit = ConnectionsPerAddress(1, ())
    for number in range(100):
        limit.enter(f"192.0.2.{number}")
        limit.leave(f"192.0.2.{number}")

    # Entries that are never used again are a leak that nothing else shows.
    assert not limit._counts


@pytest.mark.parametrize(
    ("reported", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::", "::"),
    ],
)
def test_what_a_socket_reports_is_an_address(reported: str, address: str) -> None:
    assert parse_host(reported) == ip_address(address)
