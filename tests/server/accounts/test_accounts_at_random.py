"""Users and the operator change accounts at two servers in random order: both know the same, and so does a copy."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.names import looks_of, parse_user_name
from chat.server.accounts.account_problems import AccountProblem
from chat.server.accounts.accounts import AccountTable, add_account, read_accounts
from chat.server.accounts.device_records import MAX_AGE, select_devices
from chat.server.storage.database import Database
from tests.cheap_hashes import hash_cheaply
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer
from tests.server.shared_state import differences, shared_state
from tests.server.twins import Twins, found, open_twins
from tests.tiers import quick_first

# Some of them look alike.
NAMES = ("alice", "a1ice", "Alicé", "bob", "b0b", "max", "rnax", "Carol")
PASSWORDS = ("correct horse", "battery staple")
DEVICES = tuple(f"device{number}" * 4 for number in range(5))
UTF8 = MessageType.UTF8

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    (tmp_path / "adam").mkdir()
    database = Database(tmp_path / "adam")
    for name in ("bob", "max"):
        add_account(database, parse_user_name(name), hash_cheaply(PASSWORDS[0]))
    found(tmp_path)
    # An account has fewer devices than users have, so that some must go.
    monkeypatch.setattr("chat.server.accounts.device_table.MAX_DEVICES", 3)
    unlimited = {"rate": None, "byte_rate": None, "max_sessions": 3}
    with open_twins(tmp_path, monkeypatch, **unlimited) as twins:
        yield twins


class User:
    """Comes to either server under one name or another, does things, and leaves. ``answers`` counts codes."""

    def __init__(self, twins: Twins, rng: random.Random, answers: Counter[str]) -> None:
        self._twins, self._rng, self._answers = twins, rng, answers

    def run(self) -> None:
        for _ in range(20):
            with WireClient(self._rng.choice(self._twins.both).address) as client:
                try:
                    if self._logs_in(client):
                        self._stay(client)
                except (OSError, EOFError):
                    self._answers["thrown out"] += 1

    def _logs_in(self, client: WireClient) -> bool:
        rng = self._rng
        login = {"to": rng.choice(NAMES)}
        if rng.random() < 0.8:
            login["device"] = rng.choice(DEVICES)
        if rng.random() < 0.4:
            login["password"] = rng.choice(PASSWORDS)
        for _ in range(2):
            code = client.try_login(login).header.get("error")
            self._answers[str(code or "in")] += 1
            if code is None:
                return True
            if code != "password-needed":
                return False
            login["password"] = rng.choice(PASSWORDS)
        return False

    def _stay(self, client: WireClient) -> None:
        for number in range(self._rng.randint(1, 6)):
            client.send(UTF8, {**self._choose(client), "nonce": f"n{number}"})
            self._answers[self._answer(client, f"n{number}").header["notice"]] += 1

    def _choose(self, client: WireClient) -> dict[str, Any]:
        rng = self._rng
        kind = rng.random()
        if kind < 0.4:
            return {"command": "register", "password": rng.choice(PASSWORDS)}
        if kind < 0.6:
            old, new = rng.choice(PASSWORDS), rng.choice(PASSWORDS)
            return {"command": "passwd", "password": old, "new_password": new}
        known = list(self._twins.adam.parts.accounts.known.devices)
        name = rng.choice(known).name if known else "none"
        return {"command": "forget", "target": name}

    def _answer(self, client: WireClient, nonce: str) -> Any:
        while True:
            frame = client.read_frame()
            if frame.header.get("nonce") == nonce:
                return frame


def operate(twins: Twins, rng: random.Random, answers: Counter[str]) -> None:
    """Change accounts as the operator does, until killed."""
    while True:
        gevent.sleep(rng.choice((0.001, 0.005, 0.02)))
        operations = rng.choice(twins.both).parts.account_parts.operations
        name, hash = parse_user_name(rng.choice(NAMES)), hash_cheaply(rng.choice(PASSWORDS))
        changes: tuple[Callable[[], object], ...] = (
            partial(operations.add, name, hash, is_moderator=rng.random() < 0.3),
            partial(operations.remove, name),
            partial(operations.replace_password, name, hash),
            partial(operations.set_moderator, name, rng.random() < 0.5),
        )
        try:
            rng.choice(changes)()
            answers["operator"] += 1
        except AccountProblem:
            answers["operator in vain"] += 1


def commit_at_random(twins: Twins, rng: random.Random) -> None:
    """Commit records at odd times, let the engine's clock jump, and the files follow, until killed."""
    twins.engine.is_held = True
    while True:
        gevent.sleep(rng.choice((0, 0.001, 0.003)))
        waiting = twins.engine.waiting
        if waiting:
            twins.engine.commit(rng.randint(1, waiting))
        if rng.random() < 0.02:
            twins.engine.offset += rng.choice((1, MAX_AGE / 2, MAX_AGE + 60))
        if rng.random() < 0.02:
            twins.write()


def require_same(one: TestServer, other: TestServer) -> None:
    assert differences(shared_state(one.parts), shared_state(other.parts)) == []


@pytest.mark.parametrize("seed", quick_first(range(12), "many schedules", quick=2))
def test_accounts_are_the_same_whatever_happens(twins: Twins, seed: int) -> None:
    rng = random.Random(seed)
    answers: Counter[str] = Counter()
    committing = gevent.spawn(commit_at_random, twins, random.Random(rng.random()))
    operating = gevent.spawn(operate, twins, random.Random(rng.random()), answers)
    users = [gevent.spawn(User(twins, random.Random(rng.random()), answers).run) for _ in range(8)]
    gevent.joinall(users[:4], timeout=30, raise_error=True)
    # A server that begins now has the rest of the log before it.
    twins.write()
    twins.copy("berta", "cesar")
    gevent.joinall(users, timeout=30, raise_error=True)
    assert all(user.dead for user in users)
    operating.kill()
    committing.kill()
    twins.engine.release()

    cesar = twins.start("cesar")

    wait_until(lambda: not any(map(len, [s.parts.directory for s in twins.both])), "all to leave")
    require_same(twins.adam, twins.berta)
    require_same(twins.adam, cesar)
    table = twins.adam.parts.accounts.known
    looks = [look for account in table for look in looks_of(account.name)]
    assert max(Counter(looks).values(), default=1) == 1, "two names that look alike"
    ids = {account.id for account in table}
    assert {device.account_id for device in table.devices} <= ids
    twins.write()
    for server in twins.both:
        database = twins.database(server)
        with database.reading() as connection:
            stored = AccountTable(read_accounts(database), devices=select_devices(connection))
        assert sorted(stored) == sorted(table)
        assert sorted(stored.devices) == sorted(table.devices)
    # The schedule has had something of everything.
    assert {"in", "done", "not-allowed", "password-needed", "operator"} <= set(answers), answers
