"""Accounts and devices at two real servers, over a real engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from tests.peers.wire_client import WireClient
from tests.server.cluster.engine_process import needs_engine
from tests.server.replication.shared_servers import SharedServers, shared_servers
from tests.server.sessions.test_devices import LAPTOP, PHONE, give

pytestmark = needs_engine

LOGIN = MessageType.LOGIN
FIRST, SECOND = "correct horse", "battery staple"


@pytest.fixture
def town(tmp_path: Path) -> Iterator[SharedServers]:
    with shared_servers(tmp_path / "town", "north", "south") as started:
        yield started


def users(town: SharedServers, server: str, *words: str, status: int = 0) -> str:
    """Type ``chat-server users`` for the data directory of a server; return its output."""
    directory = f"--data-directory={town.data_of(server)}"
    done = subprocess.run(
        [sys.executable, "-m", "chat.server.cli", "users", *words, directory],
        input=SECOND,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done
    return done.stdout or done.stderr


def come(town: SharedServers, server: str, name: str, **fields: str) -> WireClient:
    client = town.remember(WireClient(town.servers[server].address))
    reply = client.try_login({"to": name, **fields})
    assert reply.type == LOGIN, f"{name} was refused: {reply}"
    client.name = name
    client.expect(LOGIN, sender=name)
    return client


def refused(town: SharedServers, server: str, name: str, **fields: str) -> str:
    client = town.remember(WireClient(town.servers[server].address))
    return str(client.try_login({"to": name, **fields}).header.get("error"))


def listed(town: SharedServers, server: str) -> list[tuple[str, bool]]:
    found = json.loads(users(town, server, "list", "--json"))
    return [(each["name"], each["moderator"]) for each in found]


@pytest.mark.thorough("test_accounts_of_twins.py, and test_two_servers.py kills a server")
def test_accounts_outlive_the_death_of_a_server(town: SharedServers) -> None:
    alice = come(town, "north", "alice", device=LAPTOP)
    assert give(alice, "register", password=FIRST).header["notice"] == "done"
    told = users(town, "south", "add", "carol", "--moderator")
    assert told == "carol is registered, a moderator. All servers of the cluster apply this.\n"
    carol = come(town, "north", "carol", password=SECOND, device=PHONE)
    alice.expect_joined("carol")
    come(town, "south", "alice", device=LAPTOP)
    alice.expect_notice("replaced", nonce=None)

    # What it has not written yet it reads in the log again.
    town.kill("south")
    told = give(carol, "passwd", password=SECOND, new_password="another one").text
    assert told == "Your password was changed."
    users(town, "north", "moderator", "carol", "off")
    users(town, "north", "add", "dave")
    assert "is already registered" in users(town, "north", "add", "Dave", status=1)
    assert "no server runs on it" in users(town, "south", "add", "eve", status=1)
    town.end_lease("south")
    town.start("south")

    for server in ("north", "south"):
        assert listed(town, server) == [("alice", False), ("carol", False), ("dave", False)]
        assert refused(town, server, "carol", password=SECOND) == "wrong-password"
        assert refused(town, server, "eve", password=SECOND) == "wrong-password"
    come(town, "south", "carol", device=PHONE)
    come(town, "south", "alice", device=LAPTOP)
    come(town, "south", "dave", password=SECOND)

    assert users(town, "south", "remove", "alice").startswith("alice is no longer registered.")
    for server in ("north", "south"):
        assert [name for name, _ in listed(town, server)] == ["carol", "dave"]
