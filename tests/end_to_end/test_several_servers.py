"""The real client with several servers of one chat: two real ones, or those that this process plays."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from chat.client import connect
from tests.end_to_end.client_process import CHECKOUT, ClientProcess
from tests.end_to_end.screens import PyteScreen, client
from tests.end_to_end.server_process import ServerProcess
from tests.peers.certificates import make_identity
from tests.peers.fake_cluster import FakeCluster, Node, fake_cluster

SOON = 20.0  # seconds: less than the time after which a silent server is given up
SCHEMA = json.loads((CHECKOUT / "docs" / "json-lines.schema.json").read_text())
OUTPUT = jsonschema.Draft202012Validator({**SCHEMA, "$ref": "#/$defs/output"})


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    with fake_cluster() as cluster:
        yield cluster


def kinds_of(bob: ClientProcess) -> list[str]:
    """Return the types of the objects that a client wrote, each of which the schema must allow."""
    for value in bob.objects:
        OUTPUT.validate(value)
    return [value["type"] for value in bob.objects]


def wait_for_node(bob: ClientProcess, node: str) -> None:
    bob.output.wait_for(rf'"type":"welcome".*"node":"{node}"')


class TestTwoRealServers:
    """Two servers that share their key, and no state: enough for all that the client does by itself."""

    @pytest.fixture
    def servers(self, tmp_path: Path) -> Iterator[tuple[ServerProcess, ServerProcess]]:
        identity = make_identity(tmp_path, name="cluster")
        options = (
            "--tls=optional",
            f"--tls-cert={identity.certificate}",
            f"--tls-key={identity.key}",
        )
        started = ServerProcess(*options), ServerProcess(*options)
        yield started
        for server in started:
            server.end()

    def test_a_server_is_killed_and_the_client_is_soon_at_the_other(
        self, servers: tuple[ServerProcess, ServerProcess], home: Path
    ) -> None:
        # As addresses of other machines, for which the client asks about the key.
        first, second = (f"0x7f.1:{server.address[1]}" for server in servers)
        fingerprint = re.search(r"SHA256:\S+", servers[0].log)
        assert fingerprint is not None
        options = (f"--address={second}", "--json", f"--fingerprint={fingerprint[0]}")
        with ClientProcess(first, "bob", *options, directory=home) as bob:
            bob.output.wait_for('"welcome"')
            with connect(f"127.0.0.1:{servers[1].address[1]}", "alice") as alice:
                killed_at = time.monotonic()
                servers[0].send_signal(signal.SIGKILL)
                bob.output.wait_for('"welcome"', 2)
                assert time.monotonic() - killed_at < SOON
                bob.ask(type="text", text="here", id=1)
                bob.output.wait_for('"done","id":1')
                assert "bob" in [
                    event.username
                    for event, _ in zip(alice, range(2), strict=False)
                    if hasattr(event, "username")
                ]
            bob.end_input()
            assert bob.wait() == 0
            assert kinds_of(bob)[:3] == ["welcome", "disconnected", "welcome"]

    def test_the_first_address_is_dead_at_the_start(
        self, servers: tuple[ServerProcess, ServerProcess], home: Path
    ) -> None:
        first, second = (f"127.0.0.1:{server.address[1]}" for server in servers)
        servers[0].end()
        with ClientProcess(first, "bob", f"--address={second}", directory=home) as bob:
            bob.type("hello\n")
            bob.end_input()
            assert bob.wait() == 0
            assert "[bob]: hello" in bob.lines
            assert bob.errors.text == ""

    def test_the_addresses_may_stand_in_the_settings_file(
        self, servers: tuple[ServerProcess, ServerProcess], home: Path
    ) -> None:
        first, second = (f"127.0.0.1:{server.address[1]}" for server in servers)
        servers[0].end()
        file = home / "settings.toml"
        file.write_text(f'address = ["{first}", "{second}"]\n')
        with PyteScreen(
            [*client("x", "bob")[:-2], "--username=bob", f"--config={file}"], home
        ) as bob:
            bob.wait_for("you are in the room as bob")
            bob.command("/where")
            bob.wait_for(rf"the server \({second}\), chat/\S+, encrypted")

    def test_all_servers_are_dead(
        self, servers: tuple[ServerProcess, ServerProcess], home: Path
    ) -> None:
        addresses = [f"127.0.0.1:{server.address[1]}" for server in servers]
        for server in servers:
            server.end()
        with ClientProcess(addresses[0], "bob", f"--address={addresses[1]}", directory=home) as bob:
            assert bob.wait() == 1
            assert all(address in bob.errors.text for address in addresses)


def keep_talking(cluster: FakeCluster, count: int) -> threading.Thread:
    """Let alice say ``count`` lines in a thread, some hundred a second."""

    def talk() -> None:
        for number in range(count):
            cluster.commit("alice", None, f"line {number}".encode())
            time.sleep(0.005)  # so that there is always one on its way

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    return thread


class TestPrograms:
    def test_moves_are_no_news_for_a_program_that_loses_no_line(
        self, cluster: FakeCluster, home: Path
    ) -> None:
        nodes = [cluster.node(name) for name in "abc"]
        with ClientProcess(nodes[0].address, "bob", "--json", directory=home) as bob:
            wait_for_node(bob, "a")
            talking = keep_talking(cluster, 200)
            at = nodes[0]
            for move, target in enumerate((nodes[2], nodes[1], nodes[2])):
                for number in range(10):
                    bob.ask(
                        type="text",
                        text=f"{target.name} {number}",
                        id=f"{move}-{number}",
                    )
                asked_at = time.monotonic()
                count = len(re.findall(rf'"node":"{target.name}"', bob.output.text))
                at.tell_all("move", servers=[target.address])
                bob.output.wait_for(rf'"type":"welcome".*"node":"{target.name}"', count + 1)
                assert time.monotonic() - asked_at < SOON
                at = target
            talking.join()
            bob.output.wait_for('"text":"line 199"')
            bob.ask(type="quit")
            assert bob.wait() == 0
            objects, kinds = bob.objects, kinds_of(bob)
            texts = [each for each in objects if each["type"] == "text"]
            said = [(number, text) for number, text in enumerate(cluster.said, 1)]
            assert [(each["seq"], each["text"]) for each in texts] == said
            # The ids are those of its own lines: each has one outcome.
            assert kinds.count("done") == 30
            assert {*kinds} == {"welcome", "text", "done"}
            assert cluster.left == ["quit"]

    def test_a_server_dies(self, cluster: FakeCluster, home: Path) -> None:
        first, second = cluster.node("a"), cluster.node("b")
        first.servers = [second.address]
        with ClientProcess(first.address, "bob", "--json", directory=home) as bob:
            wait_for_node(bob, "a")
            died_at = time.monotonic()
            first.die()
            wait_for_node(bob, "b")
            assert time.monotonic() - died_at < SOON
            bob.ask(type="quit")
            assert bob.wait() == 0
            assert kinds_of(bob) == ["welcome", "disconnected", "welcome"]
            assert bob.objects[1]["elsewhere"] is True

    def test_what_waits_at_the_server(self, cluster: FakeCluster, home: Path) -> None:
        node = cluster.node("a")
        with ClientProcess(node.address, "bob", "--json", directory=home) as bob:
            wait_for_node(bob, "a")
            node.confirms.clear()
            bob.ask(type="text", text="hello", id=1)
            bob.output.wait_for('{"type":"unconfirmed","since":"[^"]*"}')
            bob.output.wait_for('"code":"waiting"', 8)
            node.confirms.set()
            bob.output.wait_for('{"type":"unconfirmed"}')
            bob.ask(type="quit")
            assert bob.wait() == 0
            kinds = kinds_of(bob)
            assert kinds.count("unconfirmed") == 2
            assert "disconnected" not in kinds


class TestPeople:
    def test_a_death_is_one_line_and_a_move_is_none(self, cluster: FakeCluster, home: Path) -> None:
        nodes = [cluster.node(name) for name in "abc"]
        nodes[1].servers = [nodes[2].address]
        with ClientProcess(
            nodes[0].address, "bob", "--plain", directory=home, terminal=True
        ) as bob:
            bob.output.wait_for("you are in the room as bob")
            nodes[0].tell_all("move", servers=[nodes[1].address])
            cluster.wait_for(lambda: nodes[1].sessions, "bob is at b")
            cluster.wait_for(lambda: not nodes[0].sessions, "bob is not at a")
            nodes[0].die()
            cluster.commit("alice", None, b"moved, bob?")
            bob.output.wait_for(r"\[alice\]: moved, bob\?")
            before = bob.output.text
            nodes[1].die()
            # Said before bob is back: it comes as if he had been here.
            cluster.commit("alice", None, b"are you there?")
            bob.output.wait_for(r"-- .* Now at c\.")
            bob.output.wait_for(r"\[alice\]: are you there\?")
            shown = re.sub(r"[\r\x1b\[?0-9;]*[hlK]", "", bob.output.text.removeprefix(before))
            assert "Trying again" not in shown
            assert "earlier" not in shown
            assert "you are in the room" not in shown

    def test_the_screen_tells_the_other_server_in_a_line(
        self, cluster: FakeCluster, home: Path
    ) -> None:
        first, second = cluster.node("a"), cluster.node("b")
        first.servers = [second.address]
        second.servers = [first.address]
        with PyteScreen(client(first.address, "bob"), home) as bob:
            bob.wait_for("you are in the room as bob")
            died_at = time.monotonic()
            first.die()
            bob.wait_for(r"-- .*Now at b\.")
            assert time.monotonic() - died_at < SOON
            rows = bob.rows()
            assert not [row for row in rows if "Trying again" in row or "back in the room" in row]
            bob.command("/where")
            bob.wait_for(rf"b \({second.address}\), fake/1, not encrypted")
            bob.wait_for(rf"other servers: {first.address}")

    def test_the_screen_says_for_how_long_the_server_cannot_confirm(
        self, cluster: FakeCluster, home: Path
    ) -> None:
        node = cluster.node("a")
        with PyteScreen(client(node.address, "bob"), home) as bob:
            bob.wait_for("you are in the room as bob")
            node.confirms.clear()
            bob.press(*"hello", "<enter>")
            bob.wait_for(r"the server cannot confirm messages now, for 1 s")
            bob.wait_for(r"the server cannot confirm messages now, for [2-9] s")
            node.confirms.set()
            bob.wait_until(lambda rows: "cannot confirm" not in rows[-2])
            bob.wait_for(r"\[bob\]: hello$")


def addresses_in(state: Path) -> list[Any]:
    """Return the addresses that a state file has at its end."""
    records = [json.loads(line) for line in state.read_text().splitlines()]
    return [record["servers"] for record in records if "servers" in record][-1]


def test_the_state_file_has_what_the_server_told(cluster: FakeCluster, home: Path) -> None:
    first, second = cluster.node("a"), cluster.node("b")
    first.servers = [
        "unix:/run/x",
        "no where",
        second.address,
        *[f"h{n}.example" for n in range(99)],
    ]
    state = home / "bob.state"
    options = ("--json", f"--state={state}")
    with ClientProcess(first.address, "bob", *options, directory=home) as bob:
        wait_for_node(bob, "a")
        bob.ask(type="quit")
        assert bob.wait() == 0
    assert addresses_in(state)[:2] == [second.address, "h0.example:8080"]
    assert len(addresses_in(state)) == 16
    first.die()
    second.servers = [first.address]
    with ClientProcess(first.address, "bob", *options, directory=home) as bob:
        wait_for_node(bob, "b")
        bob.ask(type="quit")
        assert bob.wait() == 0
    assert addresses_in(state) == [second.address]


def test_a_server_of_its_own_gets_the_same_login_as_before(
    cluster: FakeCluster, home: Path
) -> None:
    node: Node = cluster.node("a")
    with ClientProcess(node.address, "bob", "--json", directory=home) as bob:
        wait_for_node(bob, "a")
        bob.ask(type="quit")
        assert bob.wait() == 0
    assert {*node.logins[0]} == {"to", "device", "inline", "status"}
