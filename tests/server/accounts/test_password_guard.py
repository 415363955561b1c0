"""Wrong passwords cost time that grows, for those who send them and for nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from chat.server.accounts.password_guard import PasswordGuard, TooManyAttempts
from chat.server.accounts.passwords import Passwords, TooManyWaiting, hash_password
from tests.server.fakes import FakeClock

MALLORY, OWNER, FRIEND = "192.0.2.66", "192.0.2.1", "10.0.0.1"

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def guard(clock: FakeClock) -> Iterator[PasswordGuard]:
    passwords = Passwords()
    # A sleep advances the clock at once.
    yield PasswordGuard(passwords, [ip_network("10.0.0.0/8")], clock, clock.advance)
    assert (passwords.waiting, passwords._lines) == (0, {})  # a line that stays is a leak
    passwords.close()


@pytest.fixture
def hash() -> str:
    return hash_password("correct horse")


def test_the_right_password_is_right(guard: PasswordGuard, hash: str) -> None:
    assert guard.verify(OWNER, "alice", "correct horse", hash)
    assert not guard.verify(OWNER, "alice", "wrong horse", hash)
    assert not guard.verify(OWNER, "nobody", "correct horse", None)


def test_a_password_without_a_hash_is_slowed_the_same_way(
    guard: PasswordGuard, clock: FakeClock
) -> None:
    assert guard.verify(OWNER, "bob", "open sesame", None, "open sesame")
    for _ in range(4):
        assert not guard.verify(MALLORY, "bob", "open barley", None, "open sesame")

    with pytest.raises(TooManyAttempts):
        guard.verify(MALLORY, "bob", "open sesame", None, "open sesame")


@pytest.mark.parametrize("known", [True, False])
def test_wrong_ones_cost_time_that_grows(
    guard: PasswordGuard, clock: FakeClock, hash: str, known: bool
) -> None:
    began = clock.now
    for _ in range(4):
        assert not guard.verify(MALLORY, "alice", "wrong horse", hash if known else None)
    assert clock.now - began == pytest.approx(0.5 + 1 + 2)

    with pytest.raises(
        TooManyAttempts, match=r"Too many wrong passwords; try again in 4 seconds\."
    ):
        guard.verify(MALLORY, "alice", "correct horse", hash)

    clock.advance(4)
    assert guard.verify(MALLORY, "alice", "correct horse", hash)


def test_the_owner_never_waits_for_the_tries_of_others(
    guard: PasswordGuard, clock: FakeClock, hash: str
) -> None:
    for _ in range(100):
        assert not guard.verify(MALLORY, "alice", "wrong horse", hash)
        clock.advance(30)
    began = clock.now

    assert guard.verify(OWNER, "alice", "correct horse", hash)

    assert clock.now == began


def test_other_names_from_the_same_address_wait_too(
    guard: PasswordGuard, clock: FakeClock, hash: str
) -> None:
    for name in ("a", "b", "c", "d"):
        guard.verify(MALLORY, name, "wrong horse", None)

    with pytest.raises(TooManyAttempts):
        guard.verify(MALLORY, "alice", "correct horse", hash)


def test_a_success_with_the_own_name_does_not_pay_for_tries_with_others(
    guard: PasswordGuard, clock: FakeClock, hash: str
) -> None:
    for _ in range(4):
        assert not guard.verify(MALLORY, "alice", "wrong horse", hash)
        clock.advance(30)
        assert guard.verify(MALLORY, "mallory", "correct horse", hash)

    assert not guard.verify(MALLORY, "alice", "wrong horse", hash)
    assert guard.verify(MALLORY, "mallory", "correct horse", hash)
    with pytest.raises(TooManyAttempts, match="try again in 8 seconds"):
        guard.verify(MALLORY, "alice", "wrong horse", hash)


def test_exempt_networks_and_unix_sockets_never_wait(
    guard: PasswordGuard, clock: FakeClock, hash: str
) -> None:
    began = clock.now
    for host in (FRIEND, None):
        for _ in range(20):
            assert not guard.verify(host, "alice", "wrong horse", hash)

    assert clock.now == began


def test_quiet_addresses_are_forgotten(guard: PasswordGuard, clock: FakeClock) -> None:
    guard.verify(MALLORY, "alice", "wrong horse", None)
    clock.advance(1000)

    guard.forget_old()

    # Entries that are never used again are a leak that nothing else shows.
    assert (len(guard._by_address), len(guard._by_name)) == (0, 0)


def test_a_queue_that_is_full_says_so(
    guard: PasswordGuard, hash: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(address: object) -> None:
        raise TooManyWaiting

    monkeypatch.setattr(guard._passwords, "turn", full)

    with pytest.raises(TooManyAttempts, match=r"Too many passwords are being checked"):
        guard.verify(OWNER, "alice", "correct horse", hash)
