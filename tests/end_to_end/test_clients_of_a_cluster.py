"""The real client and the library at real servers of one cluster, while servers and the engine fail."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client import Connection, Disconnected, Left, Text, Welcome, connect
from tests.end_to_end.client_process import ClientProcess
from tests.end_to_end.cluster_servers import ClusterServers, cluster_servers
from tests.end_to_end.screens import PyteScreen, client
from tests.server.cluster.engine_process import needs_engine

pytestmark = needs_engine

SOON = 20.0  # seconds: less than the time after which a silent server is given up


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[ClusterServers]:
    directory = tmp_path / "cluster"
    directory.mkdir()
    with cluster_servers(directory, "ab") as servers:
        yield servers


class Talker:
    """Alice at one server, who says numbered lines in a thread."""

    def __init__(self, alice: Connection) -> None:
        self._alice = alice
        self._over = threading.Event()
        self.count = 0
        self._reader = threading.Thread(target=lambda: [None for _ in alice], daemon=True)
        self._reader.start()
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()

    def _talk(self) -> None:
        while not self._over.wait(0.005):
            self._alice.send_text(f"line {self.count}")
            self.count += 1

    def end(self) -> int:
        """Stop; return how many lines were said."""
        self._over.set()
        self._thread.join()
        return self.count


def wait_for_node(bob: ClientProcess, node: str, count: int = 1) -> None:
    bob.output.wait_for(rf'"type":"welcome".*"node":"{node}"', count)


def heard(bob: ClientProcess) -> list[str]:
    """Return the lines of alice that a program has seen."""
    texts = (each for each in bob.objects if each["type"] == "text")
    return [each["text"] for each in texts if each["from"] == "alice"]


def test_a_program_misses_nothing_while_its_server_is_restarted(
    servers: ClusterServers, home: Path
) -> None:
    with (
        connect(servers.address("b"), "alice") as alice,
        ClientProcess(servers.address("a"), "bob", "--json", directory=home) as bob,
    ):
        wait_for_node(bob, "a")
        talker = Talker(alice)
        bob.output.wait_for("line 20")
        for number in range(20):
            bob.ask(type="text", text=f"own {number}", id=number)
        asked_at = time.monotonic()
        servers.a.send_signal(signal.SIGTERM)
        wait_for_node(bob, "b")
        assert time.monotonic() - asked_at < SOON
        assert servers.a.wait() == 0
        bob.output.wait_for(f"line {talker.count + 20}")
        count = talker.end()
        bob.output.wait_for(rf"line {count - 1}\b")
        bob.ask(type="quit")
        assert bob.wait() == 0
        first = int(heard(bob)[0].split()[1])
        assert first <= 20
        assert heard(bob) == [f"line {number}" for number in range(first, count)]
        own = [each["text"] for each in bob.objects if each.get("own")]
        assert own == [f"own {number}" for number in range(20)]
        kinds = {each["type"] for each in bob.objects}
        assert kinds <= {"welcome", "text", "done", "joined", "left"}
        # Nobody has seen bob leave, but at the end.
        lefts = [each for each in bob.objects if each["type"] == "left"]
        assert lefts == []


@pytest.mark.thorough("test_several_servers.py kills a server")
def test_a_program_whose_server_is_killed_is_soon_at_the_other(
    servers: ClusterServers, home: Path
) -> None:
    with (
        connect(servers.address("b"), "alice") as alice,
        ClientProcess(servers.address("a"), "bob", "--json", "--replay=0", directory=home) as bob,
    ):
        wait_for_node(bob, "a")
        killed_at = time.monotonic()
        servers.a.send_signal(signal.SIGKILL)
        wait_for_node(bob, "b")
        assert time.monotonic() - killed_at < SOON
        bob.ask(type="text", text="here", id=1)
        bob.output.wait_for('"done","id":1')
        for event in alice:
            assert not isinstance(event, Left), "the session goes on"
            if isinstance(event, Text) and event.text == "here":
                break
        bob.ask(type="quit")
        assert bob.wait() == 0


@pytest.mark.thorough("test_several_servers.py of the client, with servers in the process")
def test_a_room_of_the_library_says_each_line_once_while_its_server_is_killed(
    servers: ClusterServers,
) -> None:
    with (
        connect(servers.address("b"), "alice") as alice,
        connect(servers.address("a"), "bob", reconnect=True) as room,
    ):
        nodes: list[str | None] = []
        echoes: list[str] = []
        lost: list[Disconnected] = []

        def read() -> None:
            for event in room:
                if isinstance(event, Welcome):
                    nodes.append(event.node)
                elif isinstance(event, Text) and event.own:
                    echoes.append(event.text)
                elif isinstance(event, Disconnected):
                    lost.append(event)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        lines = [f"line {number}" for number in range(300)]
        for number, line in enumerate(lines):
            room.send_text(line)
            time.sleep(0.003)
            if number == 100:
                servers.a.send_signal(signal.SIGKILL)
        said: list[str] = []
        for event in alice:
            if isinstance(event, Text) and event.sender == "bob":
                said.append(event.text)
                if event.text == lines[-1]:
                    break
        assert said == lines
        assert nodes[-1] == "b"
        assert [each.elsewhere for each in lost] == [True]


@pytest.mark.thorough("test_a_program_misses_nothing_while_its_server_is_restarted")
def test_people_see_nothing_of_a_restart(servers: ClusterServers, home: Path) -> None:
    with (
        connect(servers.address("b"), "alice") as alice,
        ClientProcess(servers.address("a"), "bob", "--plain", directory=home, terminal=True) as bob,
    ):
        bob.output.wait_for("you are in the room as bob")
        alice.send_text("before")
        bob.output.wait_for(r"\[alice\]: before")
        before = bob.output.text
        servers.a.send_signal(signal.SIGTERM)
        assert servers.a.wait() == 0
        alice.send_text("behind")
        bob.output.wait_for(r"\[alice\]: behind")
        bob.type("/where\n")
        bob.output.wait_for(rf"-- b \({re.escape(servers.address('b'))}\), chat/")
        between = bob.output.text.removeprefix(before)
        lines = [line for line in between.splitlines() if line.strip()]
        assert [line for line in lines if "-- " in line and "b (127" not in line] == []


def test_the_screen_says_that_the_engine_is_away(servers: ClusterServers, home: Path) -> None:
    with PyteScreen(client(servers.address("a"), "bob"), home) as bob:
        bob.wait_for("you are in the room as bob")
        servers.engine.signal(signal.SIGSTOP)
        try:
            bob.press(*"hello", "<enter>")
            bob.wait_for(r"the server cannot confirm messages now, for \d+ s")
        finally:
            servers.engine.signal(signal.SIGCONT)
        bob.wait_until(lambda rows: "cannot confirm" not in rows[-2])
        bob.wait_for(r"\[bob\]: hello$")


@pytest.mark.thorough("waits until a silent server is given up, which takes 35 s")
def test_the_users_of_a_paused_server_are_elsewhere(servers: ClusterServers, home: Path) -> None:
    with ClientProcess(servers.address("a"), "bob", "--json", directory=home) as bob:
        wait_for_node(bob, "a")
        servers.a.send_signal(signal.SIGSTOP)
        try:
            bob.ask(type="text", text="hello", id=1)
            paused_at = time.monotonic()
            while bob.output.text.count('"welcome"') < 2 and time.monotonic() - paused_at < 60:
                time.sleep(0.5)
            assert time.monotonic() - paused_at < 40
            wait_for_node(bob, "b")
        finally:
            servers.a.send_signal(signal.SIGCONT)
        bob.output.wait_for('"done","id":1')
        bob.ask(type="quit")
        assert bob.wait() == 0
        assert [each["text"] for each in bob.objects if each["type"] == "text"] == ["hello"]
