"""Passwords: which are valid, how they are stored, and that nobody can fill the queue of logins."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Literal

import gevent
import pytest
from argon2 import PasswordHasher
from gevent.event import Event

from chat.server.accounts import passwords
from chat.server.accounts.passwords import (
    AT_ONCE,
    MAX_WAITING_PER_ADDRESS,
    Passwords,
    TooManyWaiting,
    UnusablePassword,
    check_rules,
    hash_password,
    is_outdated,
    is_same,
    matches,
)
from tests.cheap_hashes import hash_cheaply


@pytest.fixture
def line() -> Iterator[Passwords]:
    line = Passwords()
    yield line
    line.close()


def test_what_is_kept_is_argon2id_with_the_parameters_of_rfc_9106() -> None:
    kept = hash_password("correct horse")

    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert "correct" not in kept
    assert matches("correct horse", kept)
    assert not matches("correct  horse", kept)
    assert not is_outdated(kept)


@pytest.mark.usefixtures("cheap_hashes")
def test_two_of_the_same_are_not_seen_to_be() -> None:
    assert hash_password("correct horse") != hash_password("correct horse")


def test_a_hash_of_other_parameters_counts_and_is_outdated() -> None:
    old = hash_cheaply("correct horse")

    assert matches("correct horse", old)
    assert is_outdated(old)


@pytest.mark.usefixtures("cheap_hashes")
@pytest.mark.parametrize("hash", [None, "", "no hash", "$argon2id$v=19$m=8,t=1,p=1$x$y"])
def test_nothing_matches_what_is_no_hash(hash: str | None) -> None:
    assert not matches("correct horse", hash)


class WatchedHasher(PasswordHasher):
    """A cheap one that remembers what it was to compare with."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.compared: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.compared.append(str(hash))
        return super().verify(hash, password)


def test_an_unknown_name_is_as_much_work(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = WatchedHasher()
    monkeypatch.setattr(passwords, "_hasher", lambda: hasher)
    # The hash for unknown names is made once, in private.
    passwords._dummy.cache_clear()

    for hash in (hash_cheaply("another"), None):
        assert not matches("correct horse", hash)

    known, unknown = hasher.compared
    assert known.rsplit("$", 2)[0] == unknown.rsplit("$", 2)[0]  # the same parameters
    passwords._dummy.cache_clear()


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("pass\u0301word", "pas\u015bword"),  # composed or not
        ("long\u3000space", "long space"),
        ("ＡＢＣＤＥＦＧＨ", "ＡＢＣＤＥＦＧＨ"),
    ],
)
def test_how_a_keyboard_makes_it_does_not_matter(typed: str, same: str) -> None:
    assert is_same(typed, same)
    assert matches(typed, hash_cheaply(same))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("secret", "Secret"),
        ("secret ", "secret"),
        ("sécret", "secret"),
        ("", "secret"),
        ("a\0b", "a"),
        ("x" * 5000, "x" * 1000),
    ],
)
def test_another_password_is_another(given: str, expected: str) -> None:
    assert not is_same(given, expected)
    assert not matches(given, hash_cheaply(expected))


@pytest.mark.parametrize("password", ["12345678", "x" * 1024, "pass word", "пароль-и", "🐎🔋"])
def test_what_may_be_a_password(password: str) -> None:
    check_rules(password)


@pytest.mark.parametrize(
    "password", ["", "1234567", "x" * 1025, "я" * 513, "tab\tinside", "a\0bcdefgh"]
)
def test_what_may_not(password: str) -> None:
    with pytest.raises(UnusablePassword, match=r"A password must (have|not contain) .*\."):
        check_rules(password)


def test_without_accounts_argon2_is_not_loaded() -> None:
    command = "import sys, chat.server.accounts.passwords; print('argon2' in sys.modules)"

    assert subprocess.check_output([sys.executable, "-c", command], text=True) == "False\n"


# In the server


def test_others_run_meanwhile(line: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    began, may_end = threading.Event(), threading.Event()

    def slow(password: str, hash: str | None) -> bool:
        began.set()
        may_end.wait(30)
        return True

    monkeypatch.setattr(passwords, "matches", slow)
    waiting = gevent.spawn(line.matches, "correct horse", None)
    while not began.is_set():
        gevent.sleep(0)
    may_end.set()

    assert waiting.get(timeout=30) is True


def test_no_more_than_a_few_at_once(line: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = [0], [0]
    lock = threading.Lock()

    def count(password: str) -> str:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        threading.Event().wait(0.005)
        with lock:
            inside[0] -= 1
        return "hash"

    monkeypatch.setattr(passwords, "hash_password", count)
    gevent.joinall([gevent.spawn(line.hash, "correct horse") for _ in range(20)], raise_error=True)

    assert most[0] == AT_ONCE


def test_the_threads_let_the_room_go_first(
    line: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nice(password: str) -> str:
        return str(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    monkeypatch.setattr(passwords, "hash_password", nice)
    before = os.getpriority(os.PRIO_PROCESS, 0)

    assert int(line.hash("correct horse")) >= 5
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_of_one_address_one_at_a_time_and_others_do_not_wait(line: Passwords) -> None:
    inside: list[str] = []
    go_on = Event()

    def take(address: str | None) -> None:
        with line.turn(address):
            inside.append(address or "a friend")
            go_on.wait(30)

    greenlets = [gevent.spawn(take, each) for each in ("mallory", "mallory", "owner", None, None)]
    gevent.sleep(0)
    gevent.sleep(0)

    assert inside == ["mallory", "owner", "a friend", "a friend"]
    go_on.set()
    gevent.joinall(greenlets, raise_error=True)
    assert inside[-1] == "mallory"
    assert (line.waiting, line._lines) == (0, {})  # a line that stays is a leak


def test_an_address_cannot_fill_the_queue(line: Passwords) -> None:
    go_on = Event()

    def take() -> str:
        try:
            with line.turn("mallory"):
                go_on.wait(30)
        except TooManyWaiting:
            return "too many"
        return "had a turn"

    greenlets = [gevent.spawn(take) for _ in range(MAX_WAITING_PER_ADDRESS + 5)]
    gevent.sleep(0)
    with line.turn("owner"):
        go_on.set()
    gevent.joinall(greenlets, raise_error=True)

    ends = [each.get() for each in greenlets]
    assert ends.count("had a turn") == MAX_WAITING_PER_ADDRESS
    assert ends.count("too many") == 5
    assert (line.waiting, line._lines) == (0, {})  # a line that stays is a leak


def test_the_queue_has_an_end(line: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 2)

    may_end = threading.Event()

    def slow(password: str) -> str:
        may_end.wait(30)
        return "hash"

    monkeypatch.setattr(passwords, "hash_password", slow)
    waiting = [gevent.spawn(line.hash, "correct horse") for _ in range(2)]
    gevent.sleep(0)
    assert line.waiting == 2

    with pytest.raises(TooManyWaiting):
        line.hash("correct horse")

    may_end.set()
    gevent.joinall(waiting, raise_error=True)
    assert line.hash("correct horse") == "hash"
    assert line.waiting == 0


def test_a_login_that_waits_for_its_turn_keeps_no_other_address_out(
    line: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 1)
    monkeypatch.setattr(passwords, "hash_password", lambda password: "hash")
    go_on = Event()

    def take() -> None:
        with line.turn("mallory"):
            go_on.wait(30)

    greenlets = [gevent.spawn(take) for _ in range(MAX_WAITING_PER_ADDRESS)]
    gevent.sleep(0)

    with line.turn("owner"):
        assert line.hash("correct horse") == "hash"

    go_on.set()
    gevent.joinall(greenlets, raise_error=True)


@pytest.mark.usefixtures("cheap_hashes")
def test_what_is_hashed_is_counted(line: Passwords) -> None:
    line.hash("open sesame")
    line.matches("open sesame", None)

    assert (line.waiting, line.hashed) == (0, 2)
