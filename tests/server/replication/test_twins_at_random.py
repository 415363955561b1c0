"""Two servers that apply the same entries know the same, whatever their users do, and so does a copy of one of them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import add_account
from chat.server.settings import WaitingBounds
from chat.server.storage.database import Database
from tests.cheap_hashes import hash_cheaply
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer
from tests.server.shared_state import differences, shared_state
from tests.server.twins import Twins, found, open_twins
from tests.tiers import quick_first

PASSWORD = "correct horse"
REGISTERED = ("mona", "max", "Ria", "Rolf", "Rita")
MODERATORS = REGISTERED[:2]
GUESTS = ("Gil", "Gus", "Gundel", "Gerd")
NAMES = (*REGISTERED, *GUESTS)
ROOMS = ("kitchen", "Cellar", "attic", "garage")
TEXT, FILE = MessageType.UTF8, MessageType.FILE
DAY = 86_400
HOSTS = ("203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4")

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    (tmp_path / "adam").mkdir()
    database = Database(tmp_path / "adam")
    for name in REGISTERED:
        hash = hash_cheaply(PASSWORD)
        add_account(database, parse_user_name(name), hash, is_moderator=name in MODERATORS)
    found(tmp_path)
    changes: dict[str, Any] = {"rate": None, "byte_rate": None, "max_rooms": 3, "max_sessions": 2}
    changes["proxies"] = (ip_network("127.0.0.0/8"),)
    bounds = WaitingBounds(messages=5, size=300, of_one=3)
    with open_twins(tmp_path, monkeypatch, max_waiting=bounds, **changes) as twins:
        yield twins


class User:
    """Someone who comes to either server under one name or another, does things, and leaves."""

    def __init__(self, twins: Twins, rng: random.Random, number: int) -> None:
        self.twins, self.rng = twins, rng
        self.secret = f"device{number}" * 4

    def run(self, sessions: int) -> None:
        for _ in range(sessions):
            server = self.rng.choice(self.twins.both)
            with WireClient(server.address) as client:
                try:
                    client.send_bytes(self.address())
                    if self.log_in(client):
                        self.stay(client)
                except (OSError, EOFError, AssertionError):
                    continue  # thrown out by another user

    def address(self) -> bytes:
        """Return what a proxy says of the client's address."""
        host = self.rng.choice(HOSTS)
        return f"PROXY TCP4 {host} 192.0.2.1 56324 443\r\n".encode()

    def log_in(self, client: WireClient) -> bool:
        name = self.rng.choice(NAMES)
        login: dict[str, Any] = {"to": name, "join": self.rng.sample(ROOMS, self.rng.randint(0, 2))}
        if self.rng.random() < 0.2:
            del login["join"]
        if name in REGISTERED:
            login["password"] = PASSWORD
        if self.rng.random() < 0.5:
            login["device"] = self.secret
        return "error" not in client.try_login(json.dumps(login).encode()).header

    def stay(self, client: WireClient) -> None:
        reading = gevent.spawn(_read, client)
        try:
            for number in range(self.rng.randint(1, 25)):
                header, content, type = self.choose()
                client.send(type, {**header, "nonce": f"n{number}"}, content)
                gevent.sleep(self.rng.choice((0, 0, 0.001, 0.004)))
            gevent.sleep(self.rng.choice((0, 0.02)))
        finally:
            reading.kill()

    def choose(self) -> tuple[dict[str, Any], bytes, int]:
        rng = self.rng
        kind = rng.random()
        if kind < 0.15:
            to = rng.choice(({"to": rng.choice(NAMES)}, {"room": rng.choice(ROOMS)}, {}))
            return {**to, "filename": "f"}, b"f" * rng.randint(1, 100), FILE
        if kind < 0.35:
            to = rng.choice(({"to": rng.choice(NAMES)}, {"room": rng.choice(ROOMS)}, {}))
            return to, f"text {rng.random()}".encode(), TEXT
        room = {"room": rng.choice(ROOMS)}
        target = {"target": rng.choice(NAMES)}
        for_a_while = {"seconds": rng.choice((3, 60, None))}
        place = rng.choice(({}, room, {"private": True, "with": rng.choice(NAMES)}))
        commands: list[dict[str, Any]] = [
            *({"command": "join", **room} for _ in range(4)),
            *({"command": "invite", **room, **target} for _ in range(3)),
            {"command": "part", **room},
            {"command": "remove", **room, **target},
            {"command": "topic", **room, "topic": f"topic {rng.random()}"},
            {
                "command": "room",
                **room,
                "kind": rng.choice(("closed", "closed", "open", "announcements")),
            },
            {"command": "room", **room, "history": rng.choice(("all", "invited"))},
            {"command": "room", **room, "owner": rng.choice(REGISTERED)},
            {"command": "room", **room, "keep": rng.choice((0, 3600))},
            {"command": "read", "seq": rng.randint(0, 30), **place},
            {"command": "read", "seq": rng.randint(0, 30), **place},
            {"command": "block", **target},
            {"command": "unblock", **target},
            {"command": "mute", **target, **for_a_while},
            {"command": "unmute", **target},
            {"command": "ban", "target": f"203.0.113.{rng.randint(1, 3)}", **for_a_while},
            {"command": "ban", "target": rng.choice(GUESTS), "seconds": rng.choice((1, 30))},
            {"command": "unban", "target": f"203.0.113.{rng.randint(1, 3)}"},
            {"command": "kick", **target, "reason": "so \N{GRINNING FACE}"},
            {"command": "purge", "seq": rng.randint(1, 30), **rng.choice(({}, room))},
            {"command": "register", "password": PASSWORD},
        ]
        command = {key: value for key, value in rng.choice(commands).items() if value is not None}
        return command, b"", TEXT


def _read(client: WireClient) -> None:
    """Read what comes, so that nobody is too slow."""
    try:
        while True:
            client.read_frame()
    except (OSError, EOFError, AssertionError):
        return


def commit_at_random(twins: Twins, rng: random.Random) -> None:
    """Commit the records at odd times, and let the engine's clock jump."""
    twins.engine.is_held = True
    while True:
        gevent.sleep(rng.choice((0, 0.001, 0.003)))
        waiting = twins.engine.waiting
        if waiting:
            twins.engine.commit(rng.randint(1, waiting))
        if rng.random() < 0.02:
            twins.engine.offset += rng.choice((1, 60, DAY / 3, DAY + 60))
            for server in twins.both:
                server.parts.rooms.maker.sweep_if_due()


def settle(twins: Twins, servers: list[TestServer]) -> None:
    """Wait until all servers have applied the same entries."""
    twins.engine.release()

    def is_settled() -> bool:
        applied = {_applied(server) for server in servers}
        return not twins.engine.waiting and applied == {len(twins.engine.entries)}

    wait_until(is_settled, "the servers to have applied the log")


def _applied(server: TestServer) -> int:
    assert server.parts.cluster is not None
    replicated = server.parts.cluster.replicated
    assert replicated is not None
    return replicated.applied.n


@pytest.mark.parametrize("seed", quick_first(range(12), "many schedules", quick=2))
def test_servers_that_apply_the_same_entries_know_the_same(twins: Twins, seed: int) -> None:
    rng = random.Random(seed)
    committing = gevent.spawn(commit_at_random, twins, rng)
    users = [gevent.spawn(User(twins, random.Random(rng.random()), n).run, 8) for n in range(8)]
    gevent.joinall(users, timeout=40, raise_error=True)
    assert all(user.dead for user in users)
    committing.kill()
    twins.engine.release()
    stay(twins, rng)
    require_alike(twins, twins.adam, twins.berta)
    assert shared_state(twins.adam.parts)["numbers"], "something was said"

    # A server that stops, and comes back.
    berta = twins.restart("berta")
    require_alike(twins, twins.adam, berta)
    # A new server with a copy of the files of one that runs.
    twins.write()
    twins.copy("adam", "carl")
    require_alike(twins, twins.adam, twins.start("carl"))


def stay(twins: Twins, rng: random.Random) -> None:
    """Let some users come, do things, and stay."""
    for number in range(6):
        user, server = User(twins, random.Random(rng.random()), number), rng.choice(twins.both)
        client = server.remember(WireClient(server.address))
        client.send_bytes(user.address())
        if user.log_in(client):
            for each in range(10):
                header, content, type = user.choose()
                with suppress(OSError):  # thrown out
                    client.send(type, {**header, "nonce": f"s{each}"}, content)
    gevent.sleep(0.3)


def require_alike(twins: Twins, one: TestServer, other: TestServer) -> None:
    settle(twins, [one, other])
    assert differences(shared_state(one.parts), shared_state(other.parts)) == []
