"""Rooms over lost connections, restarts of the server, and runs of a program with our library."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Thread

import pytest

from chat.client import (
    CatchUpBegan,
    Command,
    ConnectionLost,
    LeftRoom,
    Receipt,
    ReconnectingRoom,
    Room,
    Status,
    Text,
    Verb,
    Welcome,
    connect,
)
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.runtime.runtime import PLAIN, Runtime
from tests.end_to_end.accounts import password_option, register
from tests.end_to_end.client_process import CLIENT, client_environment
from tests.end_to_end.server_process import ServerProcess, eventually
from tests.end_to_end.test_coming_back import has_been_read
from tests.starting.programs import Program as Starting
from tests.tiers import quick_first

PASSWORD = "correct horse"


class Servers:
    """A server that is killed and started again, on one address and one data directory."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(0o700)
        self._options = (f"--data-directory={directory}", "--history=on", "--rate=0")
        self.now = ServerProcess(*self._options)
        host, port = self.now.address
        self.address = f"{host}:{port}"
        for name in ("alice", "bob"):
            register(directory, name, PASSWORD)

    def restart(self) -> None:
        self.now.stop()
        self.now = ServerProcess(*self._options, address=self.address)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    started = Servers(tmp_path / "data")
    yield started
    started.now.end()


class Program:
    """A program of a user, and the events that it has seen."""

    def __init__(self, room: ReconnectingRoom) -> None:
        self.room = room
        self.events: list[object] = []

    def of(self, name: str | None) -> list[str]:
        """Return the texts of a room."""
        texts = (event for event in self.events if isinstance(event, Text))
        return [text.text for text in texts if text.room == name]

    def wait_for(self, count: int, name: str | None) -> None:
        """Wait for so many texts of a room."""
        eventually(lambda: len(self.of(name)) >= count)

    def do(self, verb: Verb, room: str, target: str | None = None) -> None:
        receipt = self.room.command(Command(verb.value, room=room, target=target))
        eventually(lambda: receipt.status is not Status.WAITING)
        assert receipt.status is Status.ACCEPTED, receipt.refusal


@contextmanager
def program(
    address: str, name: str, state: Path, runtime: Runtime, *rooms: str
) -> Iterator[Program]:
    room = connect(
        address,
        name,
        password=PASSWORD,
        reconnect=True,
        state=state,
        runtime=runtime,
        rooms=rooms,
    )
    running = Program(room)

    def read() -> None:
        for event in room:
            running.events.append(event)

    task = runtime.spawn(read)
    try:
        yield running
    finally:
        room.close()
        task.join()


@pytest.mark.parametrize("runtime", quick_first([GEVENT, PLAIN], "other tests use each runtime"))
def test_rooms_are_joined_again_and_caught_up(
    servers: Servers, tmp_path: Path, runtime: Runtime
) -> None:
    with program(servers.address, "alice", tmp_path / "alice", runtime) as alice:
        alice.do(Verb.JOIN, "Dev")
        alice.do(Verb.JOIN, "den")
        receipts: list[Receipt] = []
        with program(servers.address, "bob", tmp_path / "bob", runtime, "dev") as bob:
            bob.do(Verb.JOIN, "DEN")
            receipts += [bob.room.send_text(f"dev {n}", room="Dev") for n in range(20)]
            receipts += [bob.room.send_text(f"den {n}", room="den") for n in range(20)]
            servers.restart()
            receipts += [bob.room.send_text(f"lobby {n}") for n in range(20)]
            eventually(lambda: all(receipt.status is Status.ACCEPTED for receipt in receipts))
            for name, word in (("Dev", "dev"), ("den", "den"), (None, "lobby")):
                lines = sorted(f"{word} {n}" for n in range(20))
                bob.wait_for(20, name)
                alice.wait_for(20, name)
                assert sorted(alice.of(name)) == sorted(bob.of(name)) == lines
        for n in range(3):
            alice.room.send_text(f"while bob is away {n}", room="Dev")
        alice.do(Verb.REMOVE, "den", "bob")
        missed = [f"while bob is away {n}" for n in range(3)]
        with program(servers.address, "bob", tmp_path / "bob", runtime) as bob:
            bob.wait_for(3, "Dev")
            assert bob.of("Dev") == missed
            begun = [event for event in bob.events if isinstance(event, CatchUpBegan)]
            assert [(event.room, event.expected) for event in begun] == [("Dev", 3)]
            # den is open, so the client could be in it again: but the server knows the rooms of a registered user.
            assert [event.room for event in bob.events if isinstance(event, LeftRoom)] == ["den"]
            [welcome] = [event for event in bob.events if isinstance(event, Welcome)]
            assert [facts.name for facts in welcome.rooms] == ["Dev"]


@pytest.mark.parametrize("runtime", quick_first([PLAIN, GEVENT], "other tests use each runtime"))
def test_a_room_object_lasts_over_all_connections(
    servers: Servers, tmp_path: Path, runtime: Runtime
) -> None:
    """Two tasks read two rooms, and each hears each line of its room once; then the user is removed from one."""

    def come(name: str) -> ReconnectingRoom:
        return connect(
            servers.address,
            name,
            password=PASSWORD,
            reconnect=True,
            state=tmp_path / name,
            runtime=runtime,
            rooms=(),
        )

    with come("alice") as alice, come("bob") as bob:
        for name in ("dev", "den"):
            alice.join(name)
        heard: dict[str, list[str]] = {"dev": [], "den": []}
        ends: list[str] = []

        def read(room: Room) -> None:
            for event in room:
                if isinstance(event, Text):
                    heard[room.name].append(event.text)
            ends.append(room.name)

        rooms = [bob.join("dev"), bob.join("den")]
        assert [bob.rooms["dev"], bob.room("DEN")] == rooms
        assert rooms[0].users == ["alice", "bob"]
        tasks = [runtime.spawn(read, room) for room in rooms]
        said = [f"{number}" for number in range(30)]
        for text in said[:15]:
            rooms[0].send_text(text)
            rooms[1].send_text(text)
        servers.restart()
        for text in said[15:]:
            rooms[0].send_text(text)
            rooms[1].send_text(text)
        eventually(lambda: [*heard.values()] == [said, said])
        dev = alice.rooms["dev"]
        alice_reads = runtime.spawn(lambda: list(alice))
        eventually(lambda: alice.connection is not None and not alice.connection.has_ended)
        removing = runtime.spawn(lambda: in_the_end(lambda: dev.remove("bob"), runtime))
        eventually(lambda: ends == ["dev"])
        assert not rooms[0].is_member
        assert bob.room_names == ["den"]
        removing.join()
        alice.close()
        alice_reads.join()
    for task in tasks:
        task.join()
    assert ends == ["dev", "den"]


def in_the_end(act: Callable[[], object], runtime: Runtime) -> None:
    """Do what fails while there is no connection."""
    while True:
        try:
            act()
        except ConnectionLost:
            runtime.sleep(0.01)
        else:
            return


def test_what_was_read_of_one_room_is_seen_and_the_rest_comes_again(
    servers: Servers, tmp_path: Path
) -> None:
    """A program that is killed gets what it has not read, of each room, and what it was at work on."""

    def come() -> ReconnectingRoom:
        return connect(
            servers.address,
            "bob",
            password=PASSWORD,
            reconnect=True,
            state=tmp_path / "bob",
            rooms=(),
        )

    alice = connect(servers.address, "alice", password=PASSWORD, rooms=())
    with alice:
        alice.join("dev")
        with come() as bob:
            dev = bob.join("dev")
            for number in range(3):
                alice.send_text(f"{number}", room="dev")
                alice.send_text(f"{number}")
            alice.join("dev")  # all is said when this is answered
            texts = (event.text for event in dev if isinstance(event, Text))
            assert [next(texts) for _ in range(3)] == ["0", "1", "2"]
        with come() as bob:
            again = next_texts(bob, 4)
            assert sorted(again, key=str) == [("dev", "2"), (None, "0"), (None, "1"), (None, "2")]
        with come() as bob:
            dev = bob.join("dev")
            assert next_texts(bob, 1) == [again[-1]], "the others were seen"
            alice.send_text("3", room="dev")
            alice.join("dev")
            texts = (event.text for event in dev if isinstance(event, Text))
            assert next(texts) == "3"
            # All has come, but the program is still at work on one of the two events.
            reader = Thread(target=bob.read)
            reader.start()
            eventually(lambda: not bob._returned.get(None))
        reader.join()
        with come() as bob:
            assert next_texts(bob, 1) == [("dev", "3")]


def next_texts(room: ReconnectingRoom, count: int) -> list[tuple[str | None, str]]:
    """The next texts, each with its room."""
    texts = (event for event in room if isinstance(event, Text))
    return [(text.room, text.text) for text in islice(texts, count)]


@pytest.mark.thorough("test_coming_back.py kills a pipe that speaks in the default room")
def test_a_killed_pipe_says_each_line_in_its_room_once(servers: Servers, tmp_path: Path) -> None:
    spool, lines = tmp_path / "spool", [f"line {number}" for number in range(400)]
    options = [
        f"--address={servers.address}",
        "--username=bob",
        "--room=dev",
        password_option(tmp_path, PASSWORD),
        f"--spool={spool}",
    ]

    def pipe(said: list[str]) -> subprocess.Popen[str]:
        running = Starting(
            [*CLIENT, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=client_environment(),
        )
        assert running.stdin is not None
        running.stdin.write("".join(f"{line}\n" for line in said))
        running.stdin.flush()
        return running

    with program(servers.address, "alice", tmp_path / "alice", PLAIN) as alice:
        alice.do(Verb.JOIN, "Dev")
        for start in (0, 200):
            running = pipe(lines[start : start + 200])
            eventually(partial(has_been_read, spool, lines[start + 199]))
            running.kill()
            running.wait()
        done = pipe([])
        assert done.stdin is not None
        done.stdin.close()
        assert done.wait(30) == 0
        alice.wait_for(len(lines), "Dev")
        assert sorted(alice.of("Dev")) == sorted(lines)
        assert alice.of(None) == []
