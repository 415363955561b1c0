"""A room of the library over several servers of one chat, which are played by sockets in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from chat.client import Disconnected, ReconnectingRoom, Text, Welcome, connect
from chat.client.errors import ConnectError, LoginRefused
from chat.client.servers import server_choice
from tests.peers.balancer import Balancer
from tests.peers.certificates import Identity, make_identity
from tests.peers.fake_cluster import FakeCluster, Node, fake_cluster

SOON = 20.0  # seconds: less than the time after which a silent server is given up


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    with fake_cluster() as cluster:
        yield cluster


class Reader:
    """Reads the events of a room to its end, in a thread."""

    def __init__(self, room: ReconnectingRoom) -> None:
        self.room = room
        self.events: list[object] = []
        self.nodes: list[tuple[str | None, float]] = []  # of the welcomes, and when they came
        self.problem: BaseException | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for event in self.room:
                if isinstance(event, Welcome):
                    self.nodes.append((event.node, time.monotonic()))
                self.events.append(event)
        except BaseException as problem:  # noqa: BLE001 - for the test to see
            self.problem = problem

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Text)]

    def is_at(self, node: str) -> bool:
        return bool(self.nodes) and self.nodes[-1][0] == node


def test_the_first_address_is_dead_at_the_start(cluster: FakeCluster) -> None:
    dead, alive = cluster.node("a"), cluster.node("b")
    dead.die()
    with connect([dead.address, alive.address], "bob", reconnect=True) as room:
        assert room.node == "b"
        assert str(room.address) == alive.address


def test_one_connection_takes_the_first_server_that_answers(cluster: FakeCluster) -> None:
    dead, alive = cluster.node("a"), cluster.node("b")
    dead.die()
    alive.servers = ["c.example.org:9000", "unix:/run/x", 7]
    with connect([dead.address, alive.address], "bob") as connection:
        assert connection.node == "b"
        assert [str(each) for each in connection.servers] == ["c.example.org:9000"]


def test_all_addresses_are_dead(cluster: FakeCluster) -> None:
    dead = [cluster.node("a"), cluster.node("b")]
    for node in dead:
        node.die()
    with pytest.raises(ConnectError) as caught:
        connect([node.address for node in dead], "bob")
    assert all(node.address in str(caught.value) for node in dead)


def test_no_address_at_all() -> None:
    with pytest.raises(ValueError, match="no address"):
        connect([], "bob")


@pytest.mark.parametrize("code", ["busy", "server-full", "too-many-connections"])
def test_a_server_that_refuses_is_passed_over(cluster: FakeCluster, code: str) -> None:
    full, free = cluster.node("a"), cluster.node("b")
    full.refuses = code
    with connect([full.address, free.address], "bob") as connection:
        assert connection.node == "b"


def test_a_refusal_of_the_user_counts_everywhere(cluster: FakeCluster) -> None:
    one, other = cluster.node("a"), cluster.node("b")
    one.refuses = "banned"
    with pytest.raises(LoginRefused):
        connect([one.address, other.address], "bob")
    assert not other.logins


@pytest.mark.parametrize("is_told", [False, True], ids=["named", "told"])
def test_a_server_dies_and_the_user_is_soon_at_another(cluster: FakeCluster, is_told: bool) -> None:
    first, second = cluster.node("a"), cluster.node("b")
    first.servers = [second.address] if is_told else None
    addresses = [first.address] if is_told else [first.address, second.address]
    with connect(addresses, "bob", reconnect=True) as room:
        reader = Reader(room)
        cluster.wait_for(lambda: reader.is_at("a"), "the first welcome")
        token = room.connection.session if room.connection is not None else None
        died_at = time.monotonic()
        first.die()
        cluster.wait_for(lambda: reader.is_at("b"), "the welcome of the second")
        assert reader.nodes[-1][1] - died_at < SOON
        assert second.logins[-1]["session"] == token
        lost = [event for event in reader.events if isinstance(event, Disconnected)]
        assert [event.elsewhere for event in lost] == [True]
        room.send_text("still here").wait(30)
        assert cluster.said == ["still here"]


def talk(room: ReconnectingRoom, count: int, rest: float) -> list[str]:
    """Say ``count`` lines, and return them."""
    lines = [f"line {number}" for number in range(count)]
    for line in lines:
        room.send_text(line)
        time.sleep(rest)  # so that lines are on their way at any moment of a move
    return lines


def test_moves_under_load_lose_no_line_and_nobody_sees_the_user_leave(
    cluster: FakeCluster,
) -> None:
    nodes = [cluster.node(name) for name in "abc"]
    with (
        connect(nodes[0].address, "bob", reconnect=True) as room,
        connect(nodes[1].address, "alice", reconnect=True) as other,
    ):
        bob, alice = Reader(room), Reader(other)
        cluster.wait_for(lambda: bob.is_at("a") and alice.is_at("b"), "both are there")
        lines: list[str] = []
        talking = threading.Thread(target=lambda: lines.extend(talk(room, 600, 0.002)))
        talking.start()
        at = nodes[0]
        for target in (nodes[1], nodes[2], nodes[0]):
            asked_at = time.monotonic()
            at.tell_all("move", servers=[target.address])
            cluster.wait_for(partial(bob.is_at, target.name), f"at {target.name}")
            assert bob.nodes[-1][1] - asked_at < SOON
            at = target
        talking.join()
        cluster.wait_for(lambda: len(alice.texts) >= 600, "all lines")
        cluster.wait_for(lambda: len(bob.texts) >= 600, "all echoes")
        assert cluster.said == lines
        assert alice.texts == bob.texts == lines
        assert not room.unanswered()
        assert not [event for event in bob.events if isinstance(event, Disconnected)]
        assert cluster.left == []
        assert bob.problem is None


def test_a_server_that_shuts_down_sends_its_users_elsewhere(cluster: FakeCluster) -> None:
    first, second = cluster.node("a"), cluster.node("b")
    first.servers = [second.address]
    with connect(first.address, "bob", reconnect=True) as room:
        reader = Reader(room)
        cluster.wait_for(lambda: reader.is_at("a"), "the first welcome")
        first.tell_all("shutting-down")
        cluster.wait_for(lambda: reader.is_at("b"), "the welcome of the second")
        assert cluster.left == []
        assert not [event for event in reader.events if isinstance(event, Disconnected)]


def test_a_move_goes_on_to_the_next_if_the_first_is_full(cluster: FakeCluster) -> None:
    first, full, free = (cluster.node(name) for name in "abc")
    full.refuses = "server-full"
    with connect(first.address, "bob", reconnect=True) as room:
        reader = Reader(room)
        cluster.wait_for(lambda: reader.is_at("a"), "the first welcome")
        first.tell_all("move", servers=[full.address, free.address])
        cluster.wait_for(lambda: reader.is_at("c"), "the welcome of the third")


def test_a_move_to_nowhere_leaves_the_user_where_they_are(cluster: FakeCluster) -> None:
    first, dead = cluster.node("a"), cluster.node("b")
    dead.die()
    with connect(first.address, "bob", reconnect=True) as room:
        reader = Reader(room)
        cluster.wait_for(lambda: reader.is_at("a"), "the first welcome")
        hostile: list[object] = ["unix:/run/x", ":1", "no where", dead.address]
        first.tell_all("move", servers=hostile)
        first.tell_all("move", servers=[])
        room.send_text("here").wait(30)
        cluster.wait_for(lambda: reader.texts == ["here"], "the echo")
        assert reader.nodes == reader.nodes[:1]


def test_behind_a_balancer_the_same_address_leads_elsewhere(cluster: FakeCluster) -> None:
    """It takes one connection for the question about TLS, too, so every second login goes to the same server."""
    nodes = [cluster.node(name) for name in "ab"]
    with Balancer(nodes[0].port, nodes[1].port, nodes[1].port) as balancer:
        for node in nodes:
            node.servers = [balancer.address]
        with connect(balancer.address, "bob", reconnect=True) as room:
            reader = Reader(room)
            cluster.wait_for(lambda: reader.nodes, "the first welcome")
            at = next(node for node in nodes if reader.is_at(node.name))
            other = next(node for node in nodes if node is not at)
            at.refuses = "busy"  # as a server that is about to stop
            at.tell_all("move", servers=[balancer.address])
            cluster.wait_for(lambda: reader.is_at(other.name), "the other welcome")
            assert cluster.left == []
            assert not [event for event in reader.events if isinstance(event, Disconnected)]


def test_a_closed_room_does_not_come_back_by_a_move(cluster: FakeCluster) -> None:
    first, second = cluster.node("a"), cluster.node("b")
    room = connect(first.address, "bob", reconnect=True)
    reader = Reader(room)
    cluster.wait_for(lambda: reader.is_at("a"), "the first welcome")
    first.tell_all("move", servers=[second.address])
    room.close()
    cluster.wait_for(lambda: not second.sessions and not first.sessions, "nobody is there")


def test_told_servers_are_known_to_the_next_run(cluster: FakeCluster, tmp_path: Path) -> None:
    first, second = cluster.node("a"), cluster.node("b")
    first.servers = [second.address]
    state = tmp_path / "state"
    with connect(first.address, "bob", reconnect=True, state=state):
        pass
    first.die()
    with connect(first.address, "bob", reconnect=True, state=state) as room:
        assert room.node == "b"


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Identity, Identity]:
    directory = tmp_path_factory.mktemp("identities")
    return make_identity(directory, name="ours"), make_identity(directory, name="another")


def elsewhere(node: Node) -> str:
    """Spell the address of a node as one of another machine."""
    return f"0x7f.1:{node.port}"


def test_a_told_server_with_another_key_is_skipped_with_a_line(
    cluster: FakeCluster, identities: tuple[Identity, Identity], tmp_path: Path
) -> None:
    ours, another = identities
    first, liar, same = (
        cluster.node("a", ours),
        cluster.node("liar", another),
        cluster.node("b", ours),
    )
    first.servers = [elsewhere(liar)]
    warned: list[str] = []
    asked: list[object] = []

    def trust(server: object) -> bool:
        asked.append(server)
        return True

    with connect(
        elsewhere(first),
        "bob",
        reconnect=True,
        trust=trust,
        warn=warned.append,
        known_hosts=tmp_path / "known",
    ) as room:
        reader = Reader(room)
        cluster.wait_for(lambda: reader.is_at("a"), "the first welcome")
        first.tell_all("move", servers=[elsewhere(liar)])
        cluster.wait_for(lambda: warned, "the line about the other key")
        first.tell_all("move", servers=[elsewhere(liar), elsewhere(same)])
        cluster.wait_for(lambda: reader.is_at("b"), "the welcome of the honest one")
        assert len(warned) == 1
        assert f"does not show the key of {elsewhere(first)}" in warned[0]
        assert not liar.logins
        assert len(asked) == 1  # about the server that the user has named


def test_without_a_limit_a_dead_machine_would_hold_up_the_start(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first address is of a machine that takes connections, and never answers a login."""
    monkeypatch.setattr(server_choice, "REACH", 0.3)
    import socket

    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        # With a full queue, the kernel drops further attempts: the address is as silent as that of a dead machine.
        port = silent.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        alive = cluster.node("b")
        begun = time.monotonic()
        with connect([f"127.0.0.1:{port}", alive.address], "bob") as connection:
            assert connection.node == "b"
        assert time.monotonic() - begun < SOON
        for filler in fillers:
            filler.close()
