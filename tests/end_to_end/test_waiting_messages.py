"""Private messages that wait outlive the server, also one that is killed, and are found exactly once."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history.reader import Reader
from tests.end_to_end.accounts import register
from tests.end_to_end.server_process import ServerProcess, eventually
from tests.peers.wire_client import WireClient, WireFrame

TEXT, FILE = MessageType.UTF8, MessageType.FILE


class House:
    """A server that keeps messages of alice and bob, and its successors."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clients: list[WireClient] = []
        for name in ("alice", "bob"):
            register(directory, name, name * 3)
        self._start()

    def _start(self) -> None:
        self.server = ServerProcess("--history=on", f"--data-directory={self.directory}")

    def restart(self, number: signal.Signals) -> None:
        self.server.send_signal(number)
        self.server.wait()
        self._start()

    def come(self, name: str) -> WireClient:
        client = WireClient(self.server.address)
        self.clients.append(client)
        assert client.try_login({"to": name, "password": name * 3}).type == MessageType.LOGIN
        client.name = name
        client.welcome = json.loads(client.expect(MessageType.LOGIN, sender=name).content)
        return client

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.server.end()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "data")
    yield house
    house.close()


def command(client: WireClient, **fields: Any) -> tuple[list[WireFrame], WireFrame]:
    """The messages of the answer, and the notice that ends it."""
    client.send(TEXT, {**fields, "nonce": "c"})
    frames: list[WireFrame] = []
    while True:
        frame = client.read_frame()
        if frame.header.get("notice"):
            return frames, frame
        frames.append(frame)


def test_messages_wait_over_a_crash_and_a_stop_and_are_unread_once(house: House) -> None:
    alice = house.come("alice")
    for number in range(3):
        alice.say(f"message {number}", to="bob", nonce=f"n{number}")
        echo = alice.expect_text(f"message {number}", "alice", to="bob", waiting=True)
        assert echo.header["seq"] == number + 1
    alice.send(FILE, {"to": "bob", "filename": "plan.txt"}, b"the plan")
    alice.expect(FILE, b"the plan", waiting=True)
    eventually(lambda: Reader(house.directory).totals().private == 8)
    house.restart(signal.SIGKILL)

    house.restart(signal.SIGTERM)
    bob = house.come("bob")
    private = bob.welcome["private"]
    assert (private["unread"], private["read"]) == (4, 0)
    assert list(private["partners"]) == ["alice"]
    assert private["partners"]["alice"].keys() == {"seq", "read", "unread", "account"}
    page, end = command(bob, command="history", private=True)
    assert [frame.header["seq"] for frame in page] == [1, 2, 3, 4]
    assert [frame.content for frame in page] == [
        b"message 0",
        b"message 1",
        b"message 2",
        b"the plan",
    ]
    assert {frame.header["account"] for frame in page} == {private["partners"]["alice"]["account"]}
    assert end.header["lost"] == [[5, private["seq"]]], "a crash gives up numbers, and says so"
    _, done = command(bob, **{"command": "read", "private": True, "with": "ALICE", "seq": 3})
    assert done.header["notice"] == "done"
    bob.close()
    house.restart(signal.SIGTERM)
    bob = house.come("bob")
    assert bob.welcome["private"]["unread"] == 1
    assert bob.welcome["private"]["partners"]["alice"]["read"] == 3
    command(bob, **{"command": "read", "private": True, "with": "alice", "seq": 99})
    house.restart(signal.SIGTERM)
    private = house.come("bob").welcome["private"]
    assert (private["unread"], private["read"], private["partners"]) == (0, private["seq"], {})
