"""Users of two servers are in one chat."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from tests.peers.wire_client import WireClient
from tests.server.cluster.engine_process import needs_engine
from tests.server.replication.shared_servers import SharedServers, shared_servers

pytestmark = needs_engine


@pytest.fixture
def town(tmp_path: Path) -> Iterator[SharedServers]:
    with shared_servers(tmp_path / "town", "north", "south") as started:
        yield started


def couple(town: SharedServers) -> tuple[WireClient, WireClient]:
    """Alice at one server, and Bob at the other."""
    alice = town.join("north", "alice")
    bob = town.join("south", "bob")
    alice.expect_joined("bob")
    return alice, bob


def come_back(
    town: SharedServers, server: str, name: str, count: int
) -> tuple[WireClient, list[tuple[str, int]]]:
    """Log in; return the client, and the last ``count`` messages that it is shown."""
    client = town.remember(WireClient(town.servers[server].address))
    client.try_login({"to": name, "replay": count})
    client.expect(MessageType.LOGIN)
    frames = [client.read_frame() for _ in range(count)]
    return client, [(frame.text, frame.header["seq"]) for frame in frames]


def test_what_one_says_all_hear_in_one_order(town: SharedServers) -> None:
    alice, bob = couple(town)

    for number in range(20):
        alice.say(f"a{number}")
        bob.say(f"b{number}")

    heard = [[who.read_frame() for _ in range(40)] for who in (alice, bob)]
    views = [
        [(frame.header["seq"], frame.text, frame.header["timestamp"]) for frame in each]
        for each in heard
    ]
    assert views[0] == views[1]
    assert [seq for seq, _, _ in views[0]] == list(range(1, 41))


def test_a_user_of_the_other_server_is_in_the_list_and_has_the_name(town: SharedServers) -> None:
    alice, bob = couple(town)

    assert alice.welcome["users"] == ["alice"]
    assert bob.welcome["users"] == ["alice", "bob"]
    taken = WireClient(town.servers["south"].address)
    assert taken.try_login({"to": "Alice"}).header["error"] == "username-exists"
    taken.close()


@pytest.mark.thorough("test_what_one_says_all_hear_in_one_order, and the twins")
def test_private_messages_go_from_server_to_server(town: SharedServers) -> None:
    alice, bob = couple(town)
    carol = town.join("south", "carol")
    for other in (alice, bob):
        other.expect_joined("carol")

    bob.say("psst", to="alice")
    bob.say("loud")

    alice.expect_text("psst", "bob", to="alice")
    for other in (alice, carol):
        other.expect_text("loud", "bob")


@pytest.mark.thorough(
    "test_a_user_of_the_other_server_is_in_the_list_and_has_the_name, and the twins"
)
def test_a_name_is_free_when_its_user_has_left(town: SharedServers) -> None:
    alice, bob = couple(town)

    bob.leave()
    alice.expect_left("bob", "quit")

    again = town.join("north", "bob")
    alice.expect_joined("bob")
    again.say("back")
    alice.expect_text("back", "bob")


def test_a_server_that_was_killed_goes_on_where_it_was(town: SharedServers) -> None:
    alice, bob = couple(town)
    alice.say("one")
    bob.expect_text("one", "alice", seq=1)

    town.kill("south")
    alice.expect_text("one", "alice", seq=1)
    alice.say("two")
    alice.expect_text("two", "alice", seq=2)
    town.end_lease("south")
    alice.expect_left("bob", "disconnected")
    town.servers["north"].wait_for_line("the server south has left .* and 1 session with it")
    town.start("south")

    bob, missed = come_back(town, "south", "bob", 2)
    assert missed == [("one", 1), ("two", 2)]
    alice.expect_joined("bob")
    bob.say("three")
    alice.expect_text("three", "bob", seq=3)


@pytest.mark.thorough("test_a_server_that_was_killed_goes_on_where_it_was")
def test_a_stopped_server_says_so_and_comes_back(town: SharedServers) -> None:
    alice, bob = couple(town)

    town.stop("south")
    bob.expect_notice("shutting-down")
    alice.expect_left("bob")
    for number in range(100):
        alice.say(f"{number}")
    town.start("south")

    _, missed = come_back(town, "south", "bob", 2)
    assert missed == [("98", 99), ("99", 100)]
