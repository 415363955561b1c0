"""Private messages are shown again to the two accounts they are between, and to nobody else."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import remove_account
from chat.server.storage.database import Database
from tests.peers.wire_client import WireClient
from tests.server.room.test_recall import query, texts
from tests.server.server_in_test import TestServer

NAMES = ("alice", "bob", "carol")
PASSWORD = "correct horse"


class Person:
    """Somebody with an account. ``life`` differs when the name was given up and taken by somebody else."""

    def __init__(self, name: str, life: int) -> None:
        self.name, self.life = name, life
        self.sees: list[str] = []  # the private texts that this person sent or got


class Town:
    """Users who register, talk in private, leave, come back, and give their names up."""

    def __init__(self, server: TestServer, database: Database) -> None:
        self.server = server
        self.database = database
        self.people: dict[str, Person] = {}
        self.here: dict[str, WireClient] = {}
        self.count = 0

    def come(self, name: str) -> None:
        client = self.server.connect()
        header = {"to": name}
        if name in self.people:
            header["password"] = PASSWORD
        client.try_login(header)
        client.name = name
        self.here[name] = client
        wait_for_own(client)
        if name not in self.people:
            client.send(
                MessageType.UTF8, {"command": "register", "password": PASSWORD, "nonce": "r"}
            )
            read_until(client, lambda header: header.get("nonce") == "r")
            life = self.count
            self.people[name] = Person(name, life)

    def leave(self, name: str) -> None:
        self.here.pop(name).close()
        self.server.connections_are_accepted(len(self.here))

    def give_up(self, name: str) -> None:
        if name in self.here:
            self.leave(name)
        remove_account(self.database, parse_user_name(name))
        del self.people[name]

    def whisper(self, sender: str, to: str) -> None:
        self.count += 1
        text = f"secret {self.count}"
        self.here[sender].say(text, to=to, nonce=f"s{self.count}")
        read_until(self.here[sender], lambda header: header.get("nonce") == f"s{self.count}")
        for name in {sender, to}:
            self.people[name].sees.append(text)

    def check(self) -> None:
        for name, client in self.here.items():
            sync(client)
            mine = self.people[name].sees
            page, _ = query(client, private=True, limit=200)
            assert texts(page) == mine, f"{name}, life {self.people[name].life}"
            public, _ = query(client, limit=200)
            assert not any(text.startswith("secret") for text in texts(public))
            nonces = [f"s{number}" for number in range(1, self.count + 1)][-64:]
            for private in (True, False):
                found, _ = query(client, private=private, nonces=nonces)
                assert set(texts(found)) <= set(mine)


def wait_for_own(client: WireClient) -> None:
    read_until(client, lambda header: header.get("from") == client.name)


def read_until(client: WireClient, condition: Callable[[dict[str, object]], bool]) -> None:
    while not condition(client.read_frame().header):
        pass


def sync(client: WireClient) -> None:
    """Read what is on its way to ``client``."""
    client.send(MessageType.UTF8, {"command": "ping", "nonce": "sync"})
    read_until(client, lambda header: header.get("nonce") == "sync")


@pytest.fixture
def town(open_a_chat_server: Callable[..., TestServer], tmp_path: Path) -> Iterator[Town]:
    data = tmp_path / "data"
    town = Town(open_a_chat_server(data_directory=data, rate=None), Database(data))
    yield town
    for name in list(town.here):
        town.leave(name)


@pytest.mark.usefixtures("cheap_hashes")
@pytest.mark.parametrize("seed", range(3))
def test_a_private_message_is_seen_by_its_two_accounts_alone(town: Town, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        name = rng.choice(NAMES)
        step = rng.random()
        if name not in town.here:
            town.come(name)
        elif step < 0.1:
            town.give_up(name)
        elif step < 0.25:
            town.leave(name)
        elif step < 0.9:
            town.whisper(name, rng.choice(list(town.here)))
        else:
            town.check()
    town.check()


@pytest.mark.usefixtures("cheap_hashes")
def test_a_conversation_with_one_partner(town: Town) -> None:
    for name in NAMES:
        town.come(name)
    town.whisper("alice", "bob")
    town.whisper("carol", "alice")
    town.whisper("bob", "alice")
    sync(town.here["alice"])
    page, end = query(town.here["alice"], **{"private": True, "with": "BOB"})
    assert texts(page) == ["secret 1", "secret 3"]
    assert [frame.header["seq"] for frame in page] == [1, 3]
    assert end.header["count"] == 2


@pytest.mark.usefixtures("cheap_hashes")
def test_a_private_file_is_in_both_mailboxes(town: Town) -> None:
    for name in NAMES:
        town.come(name)
    header = {"to": "bob", "filename": "plan.txt", "nonce": "f"}
    town.here["alice"].send(MessageType.FILE, header, b"the plan")
    read_until(town.here["alice"], lambda header: header.get("nonce") == "f")
    for name in NAMES:
        sync(town.here[name])
        page, _ = query(town.here[name], private=True)
        kept = [(frame.content, frame.header["filename"], frame.header["to"]) for frame in page]
        assert kept == ([] if name == "carol" else [(b"the plan", "plan.txt", "bob")])
