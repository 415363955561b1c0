"""Rooms in plain lines: of a pipe, of a script that is trusted, and over restarts of the server.

A line that is meant for a room never goes to another one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client import Connection, Text, connect
from tests.end_to_end.accounts import register
from tests.end_to_end.client_process import ClientProcess, run_client
from tests.end_to_end.server_process import ServerProcess, running_server
from tests.tiers import quick_first

PASSWORD = "correct horse"


class Server:
    """A server that keeps messages, which can be started again. alice has an account, and made rooms are hers."""

    def __init__(self, directory: Path) -> None:
        self.address = "127.0.0.1:0"
        self.now = self._start(directory)
        self.address = "{}:{}".format(*self.now.address)

    def _start(self, directory: Path) -> ServerProcess:
        self._directory = directory
        if not directory.exists():
            directory.mkdir(0o700)
            register(directory, "alice", PASSWORD)
        options = (f"--data-directory={directory}", "--history=on", "--rate=0")
        return ServerProcess(*options, address=self.address)

    def restart(self, directory: Path | None = None) -> None:
        """Start the server again; with another data directory, it knows nothing of before."""
        self.now.stop()
        self.now = self._start(directory or self._directory)

    def alice(self) -> Connection:
        """Log alice in."""
        return connect(self.address, "alice", password=PASSWORD, tls="off", rooms=())

    def said(self, *rooms: str) -> dict[str, list[str]]:
        """Return what was said in rooms that alice may read, and in the lobby."""
        with self.alice() as alice:
            found = {"lobby": [*alice.earlier(after=0)]}
            found |= {room: [*alice.join(room).earlier(after=0)] for room in rooms}
        return {
            room: [each.text for each in messages if isinstance(each, Text)]
            for room, messages in found.items()
        }


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path / "data")
    yield started
    started.now.end()


def test_a_pipe_talks_in_its_first_room_and_hears_all(server: Server, home: Path) -> None:
    rooms = ("--room=ops", "--room=Dev")
    with ClientProcess(server.address, "logs", *rooms, directory=home) as logs:
        logs.output.wait_for("#Dev -- you are in the room$")
        with ClientProcess(
            server.address, "bob", "--commands", "--room=dev", directory=home
        ) as bob:
            bob.output.wait_for("#Dev -- you are in the room, one of 2 users$")
            bob.type("in dev\n/me waves\n/topic\n/join lobby\nin the lobby\n/msg logs psst\n")
            logs.output.wait_for("psst")
            bob.type("/part dev\n/join #dev\n/part\nnowhere\n/who\n")
            bob.errors.wait_for("You have left dev, so your lines are for no room", 2)
            bob.end_input()
            assert bob.wait() == 1
        logs.output.wait_for("#lobby -- bob left$")
        logs.type("one\ntwo\n")
        logs.end_input()
        assert logs.wait() == 0
    assert logs.errors.text == ""
    said = [line for line in logs.lines if "bob" in line or "logs" in line]
    assert said == [
        "-- you are in the room as logs",
        "#lobby -- bob joined",
        "#Dev -- bob joined",
        "#Dev [bob]: in dev",
        "#Dev * bob waves",
        "#lobby [bob]: in the lobby",
        "[bob -> logs]: psst",
        "#Dev -- bob left (left the room)",
        "#Dev -- bob joined",
        "#Dev -- bob left (left the room)",
        "#lobby -- bob left",
        "#ops [logs]: one",
        "#ops [logs]: two",
    ]
    assert server.said("ops", "dev") == {
        "lobby": ["in the lobby"],
        "ops": ["one", "two"],
        "dev": ["in dev", "/me waves"],
    }


def test_rooms_that_do_not_let_one_in(tmp_path: Path, home: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(0o700)
    register(data, "alice", PASSWORD)
    with running_server(f"--data-directory={data}", "--create-rooms=registered") as server:
        address = "{}:{}".format(*server.address)
        with connect(address, "alice", password=PASSWORD, tls="off", rooms=()) as alice:
            alice.join("den").change(kind="closed")
            alice.join("ops")
        # The first room is where the lines go, so another one that lets the user in is of no use to a pipe.
        for rooms in (["den"], ["new", "den"], ["den", "ops"]):
            options = [f"--room={room}" for room in rooms]
            done = run_client(address, "bob", *options, said="secret\n", directory=home)
            assert done.returncode == 1
            assert done.stdout == ""
            refused = [room for room in rooms if room != "ops"]
            assert [line.split(": ")[:2] for line in done.stderr.splitlines()] == [
                ["chat-client", room] for room in refused
            ]
        for mode in ("--json", "--listen"):
            done = run_client(address, "bob", mode, "--room=den", directory=home)
            assert done.returncode == 1
            assert len(done.stderr.splitlines()) == 1
        with ClientProcess(
            address, "bob", "--json", "--room=den", "--room=ops", directory=home
        ) as bob:
            bob.output.wait_for('"code":"not-invited".*"room":"den"')
            bob.ask(type="text", text="in ops", room="ops", id=1)
            bob.output.wait_for('"type":"done","id":1')
            bob.ask(type="quit")
            assert bob.wait() == 1  # something was refused


@pytest.mark.thorough("test_rooms_coming_back.py restarts the server under a program")
def test_a_pipe_is_in_its_room_again_after_a_restart_of_the_server(
    server: Server, home: Path, tmp_path: Path
) -> None:
    with ClientProcess(server.address, "logs", "--room=ops", directory=home) as logs:
        logs.output.wait_for("#ops -- you are in the room$")
        logs.type("".join(f"{number}\n" for number in range(20)))
        logs.output.wait_for(r"#ops \[logs\]: 10$")
        server.restart()
        logs.output.wait_for("you are in the room as logs", 2)
        logs.type("after the restart\n")
        logs.output.wait_for(r"#ops \[logs\]: after the restart$")
        assert server.said("ops")["ops"] == [*map(str, range(20)), "after the restart"]
        server.restart(tmp_path / "other data")
        logs.output.wait_for("you are in the room as logs", 3)
        logs.type("the end\n")
        logs.end_input()
        assert logs.wait() == 0
        assert "Trying again" in logs.errors.text
    assert server.said("ops") == {"lobby": [], "ops": ["the end"]}


def test_lines_of_a_user_who_was_removed_go_nowhere(server: Server, home: Path) -> None:
    with server.alice() as alice:
        ops = alice.join("ops")
        with ClientProcess(server.address, "logs", "--room=ops", directory=home) as logs:
            logs.type("one\n")
            logs.output.wait_for(r"#ops \[logs\]: one$")
            ops.remove("logs")
            logs.output.wait_for("#ops -- you are not in the room any more: alice removed you")
            logs.type("two\nthree\n")
            logs.errors.wait_for("^chat-client: #ops: You are not in this room", 2)
            server.restart()  # an open room would take the user again; the owner does not want that
            logs.output.wait_for("you are in the room as logs", 2)
            logs.type("four\n")
            logs.end_input()
            assert logs.wait() == 1
    assert server.said("ops") == {"lobby": [], "ops": ["one"]}


@pytest.mark.parametrize("seed", quick_first(range(20), "many schedules"))
def test_a_line_never_goes_to_another_room_than_its_own(
    server: Server, home: Path, seed: int
) -> None:
    """A script joins and leaves rooms at random, some of which refuse it. Each line says which room it is meant for."""
    choose = random.Random(seed)
    with server.alice() as alice:
        alice.join("den").change(kind="closed")
    expected: dict[str, list[str]] = {"lobby": [], "a": [], "b": [], "den": []}
    script, meant, inside = [], "lobby", {"lobby"}
    for number in range(80):
        step, room = choose.random(), choose.choice([*expected])
        if step < 0.2:
            script.append(f"/join {room}")
            meant = room
            inside |= {room} - {"den"}
        elif step < 0.35:
            script.append(f"/part {room}")
            if room != "lobby":
                inside.discard(room)
                meant = "nowhere" if room == meant else meant
        else:
            script.append(f"{meant} {number}")
            if meant in inside:
                expected[meant].append(f"{meant} {number}")
    done = run_client(
        server.address, "bob", "--commands", said="\n".join([*script, ""]), directory=home
    )
    assert done.returncode == 1
    assert server.said("a", "b", "den") == expected
