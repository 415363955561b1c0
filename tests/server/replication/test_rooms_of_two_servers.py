"""Rooms and sanctions of two real servers that share a log in a real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from tests.server.cluster.engine_process import needs_engine
from tests.server.membership.visitors import PASSWORD, Visitor
from tests.server.replication.shared_servers import SharedServers, shared_servers

pytestmark = needs_engine


@pytest.fixture
def town(tmp_path: Path) -> Iterator[SharedServers]:
    with shared_servers(tmp_path / "town", "north", "south") as started:
        yield started


def come(town: SharedServers, server: str, name: str, password: str | None = None) -> Visitor:
    visitor = Visitor(town.servers[server].address)
    town.remember(visitor)
    visitor.heard, visitor.name = [], name
    login: dict[str, object] = {"to": name, "join": []}
    if password is not None:
        login["password"] = password
    assert visitor.try_login(json.dumps(login).encode()).header == {}
    visitor.expect(MessageType.LOGIN, sender=name)
    return visitor


def test_users_of_two_servers_are_in_one_room(town: SharedServers) -> None:
    alice, bob = come(town, "north", "alice"), come(town, "south", "bob")
    alice.do("register", password=PASSWORD)
    alice.do("join", room="Kitchen")
    bob.do("join", room="kitchen")
    assert bob.code("topic", room="kitchen", topic="mine") == "not-allowed"
    # Each answer comes when the user's server has applied all that was before.
    alice.do("topic", room="kitchen", topic="tea")
    assert alice.presence() == ["+ bob", "+ bob Kitchen"]
    bob.do("read", room="kitchen", seq=0)
    assert ("topic", "Kitchen") in bob.notices()
    [kitchen] = [each for each in bob.listed("rooms") if each["room"] == "Kitchen"]
    assert (kitchen["topic"], kitchen["here"]) == ("tea", 2)

    alice.do("remove", room="kitchen", target="bob")

    bob.do("read", seq=0)
    assert ("removed", "Kitchen") in bob.notices()
    assert bob.say_in("kitchen", "hello?").header["notice"] == "not-in-room"


def test_a_guest_stays_invited_although_a_server_is_killed(town: SharedServers) -> None:
    alice, gil = come(town, "north", "alice"), come(town, "north", "gil")
    alice.do("register", password=PASSWORD)
    alice.do("join", room="kitchen")
    alice.do("room", room="kitchen", kind="closed")
    alice.say_in("kitchen", "not for gil")
    alice.do("invite", room="kitchen", target="gil")

    town.kill("south")
    alice.say_in("kitchen", "said meanwhile")
    town.end_lease("south")
    town.start("south")

    bob = come(town, "south", "bob")
    assert bob.code("join", room="kitchen") == "not-invited"
    gil.do("join", room="kitchen")
    assert gil.page(room="kitchen", after=0) == ["said meanwhile"]
    alice.do("invite", room="kitchen", target="bob")
    bob.do("join", room="kitchen")
    assert sorted(bob.listed("names", room="kitchen")) == ["alice", "bob", "gil"]
