"""Rooms over lost connections, restarts of the server, and runs of a program with our library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chat.client import (
    CatchUpBegan,
    Command,
    LeftRoom,
    Receipt,
    ReconnectingRoom,
    Status,
    Text,
    Verb,
    Welcome,
    connect,
)
from chat.client.runtime.runtime import Runtime
from tests.client.runtimes import with_both_runtimes
from tests.end_to_end.accounts import register
from tests.end_to_end.server_process import ServerProcess, eventually

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


@with_both_runtimes
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
