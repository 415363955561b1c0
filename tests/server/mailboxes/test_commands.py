"""Refusals of private messages that cannot wait, read marks, and blocked users, over real connections."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history.queues.keeping import Keeping
from chat.server.mailboxes import blocks
from chat.server.storage.database import FILE_NAME
from tests.end_to_end.accounts import register
from tests.peers.wire_client import WireClient, WireFrame
from tests.server.server_in_test import TestServer

TEXT, FILE = MessageType.UTF8, MessageType.FILE
PASSWORD = "correct horse"


class Users:
    """A server, and users with and without accounts."""

    def __init__(self, server: TestServer) -> None:
        self.server = server

    def come(self, name: str, *, password: bool = True) -> WireClient:
        client = self.server.connect()
        header = {"to": name, **({"password": PASSWORD} if password else {})}
        assert client.try_login(header).type == MessageType.LOGIN
        client.name = name
        client.welcome = json.loads(client.expect(MessageType.LOGIN, sender=name).content)
        return client

    def register(self, name: str) -> WireClient:
        client = self.come(name, password=False)
        assert answer(client, command="register", password=PASSWORD).header["notice"] == "done"
        return client

    def leave(self, *clients: WireClient) -> None:
        before = len(self.server.parts.connection_slots)
        for client in clients:
            client.close()
        self.server.connections_are_accepted(before - len(clients))


def answer(client: WireClient, content: bytes = b"", type: int = TEXT, **header: Any) -> WireFrame:
    """The answer to a frame."""
    client.send(type, {**header, "nonce": "x"}, content)
    while True:
        frame = client.read_frame()
        if frame.header.get("nonce") == "x":
            return frame


@pytest.fixture
def users(
    open_a_chat_server: Callable[..., TestServer], tmp_path: Path, cheap_hashes: None
) -> Users:
    return Users(open_a_chat_server(data_directory=tmp_path / "data", rate=None))


def test_a_large_content_does_not_wait(users: Users) -> None:
    bob, alice = users.register("bob"), users.register("alice")
    users.leave(bob)

    refused = answer(alice, bytes(65537), FILE, to="bob", filename="a")
    echo = answer(alice, bytes(65536), FILE, to="bob", filename="a")

    assert (refused.header["notice"], "64 KiB" in refused.text) == ("too-large", True)
    assert echo.header["waiting"] is True
    assert users.come("bob").welcome["private"]["unread"] == 1


def test_while_the_server_cannot_keep_messages_none_can_wait(users: Users) -> None:
    bob, alice = users.register("bob"), users.register("alice")
    users.leave(bob)
    history = users.server.parts.history
    assert history is not None
    keeping = history._queue
    assert isinstance(keeping, Keeping)
    keeping._suspend("a test")

    assert answer(alice, b"hi", to="bob").header["notice"] == "no-space"


@pytest.mark.usefixtures("cheap_hashes")
def test_without_history_nothing_waits_and_marks_move(
    open_a_chat_server: Callable[..., TestServer], tmp_path: Path
) -> None:
    users = Users(open_a_chat_server(data_directory=tmp_path / "data", history=False))
    bob, alice = users.register("bob"), users.register("alice")
    first = answer(alice, b"hi", to="bob")
    users.leave(bob)

    refused = answer(alice, b"hi", to="bob")

    assert first.header["account"]
    assert refused.header["notice"] == "no-such-user"
    fields: dict[str, Any] = {"command": "read", "private": True, "with": "bob", "seq": 7}
    done = answer(alice, **fields)
    assert done.header["seq"] == 1


def test_a_run_waits_as_a_whole_or_not_at_all(users: Users) -> None:
    bob, alice = users.register("bob"), users.register("alice")
    users.leave(bob)
    texts = [alice.encode(TEXT, {"to": "bob", "nonce": f"n{n}"}, b"hi") for n in range(60)]
    for _ in range(2):
        alice.send_bytes(b"".join(texts))
    alice.say("the end")

    frames = alice.read_until(TEXT, b"the end")

    answers = [frame for frame in frames if frame.header.get("nonce")]
    assert [frame.header["nonce"] for frame in answers] == [f"n{n}" for n in range(60)] * 2
    waiting = sum("waiting" in frame.header for frame in answers)
    assert {frame.header.get("notice") for frame in answers if "waiting" not in frame.header} == {
        "mailbox-full"
    }
    assert waiting <= 100
    assert users.come("bob").welcome["private"]["seq"] == waiting


def test_messages_of_others_in_the_room_are_unread_after_the_mark(users: Users) -> None:
    carol = users.come("carol", password=False)
    answer(carol, b"before")
    alice = users.register("alice")
    for text in ("1", "2", "3"):
        answer(carol, text.encode())
    answer(alice, b"4")
    answer(carol, b"5")

    room = (alice := users.come("alice")).welcome["rooms"]["lobby"]
    assert (room["seq"], room["read"], room["unread"]) == (6, 1, 4)
    assert answer(alice, command="read", seq=4).header["seq"] == 4
    assert answer(alice, command="read", seq=2).header["notice"] == "done"
    room = (alice := users.come("alice")).welcome["rooms"]["lobby"]
    assert (room["read"], room["unread"]) == (4, 1)
    assert answer(alice, command="read", seq=99).header["seq"] == 6
    room = users.come("alice").welcome["rooms"]["lobby"]
    assert (room["read"], room["unread"]) == (6, 0)


def test_a_new_user_has_read_what_was_said_before(users: Users, tmp_path: Path) -> None:
    carol = users.come("carol", password=False)
    answer(carol, b"1")
    register(tmp_path / "data", "bob", PASSWORD)
    answer(carol, b"2")

    room = users.come("bob").welcome["rooms"]["lobby"]

    assert (room["read"], room["unread"]) == (2, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"seq": 1, "private": True},
        {"seq": 1, "with": "bob"},
        {"seq": 1, "private": True, "with": "not a name"},
    ],
)
def test_a_mark_names_a_number_and_for_private_messages_a_partner(
    users: Users, fields: dict[str, Any]
) -> None:
    alice = users.register("alice")
    assert answer(alice, command="read", **fields).header["notice"] == "bad-command"


def test_a_guest_reads_without_a_mark_and_blocks_nobody(users: Users) -> None:
    guest = users.come("guest", password=False)
    assert answer(guest, command="read", seq=0).header["notice"] == "done"
    for command in ("block", "unblock", "blocks"):
        refused = answer(guest, command=command, target="alice")
        assert refused.header["notice"] == "not-allowed", command


def test_a_block_is_on_the_disk_or_not_at_all(users: Users, tmp_path: Path) -> None:
    alice = users.register("alice")
    users.server.parts.mailboxes.marks.write()
    database = users.server.parts.database
    assert database is not None
    database.database._busy_timeout = 0.05
    with closing(sqlite3.connect(tmp_path / "data" / FILE_NAME)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert answer(alice, command="block", target="eve").header["notice"] == "no-space"
    assert answer(alice, command="blocks").text == "[]"
    assert answer(alice, command="block", target="eve").header["notice"] == "done"
    with closing(sqlite3.connect(tmp_path / "data" / FILE_NAME)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert answer(alice, command="unblock", target="eve").header["notice"] == "no-space"
    assert answer(alice, command="blocks").text == '["eve"]'


def test_the_number_of_blocks_is_bounded(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MAX_BLOCKS", 2)
    alice = users.register("alice")
    codes = [
        answer(alice, command="block", target=name).header["notice"]
        for name in ("bob", "carol", "dave", "BOB")
    ]
    assert codes == ["done", "done", "no-space", "done"]
    assert answer(alice, command="block", target="").header["notice"] == "bad-command"


def test_a_guest_who_was_blocked_and_registers_stays_blocked(users: Users) -> None:
    alice = users.register("alice")
    eve = users.come("eve", password=False)
    assert answer(alice, command="block", target="Eve").header["notice"] == "done"
    assert answer(eve, b"hi", to="alice").header["notice"] == "blocked"
    answer(eve, command="register", password=PASSWORD)
    assert answer(eve, b"hi", to="alice").header["notice"] == "blocked"
    users.leave(alice)
    assert answer(eve, b"hi", to="alice").header["notice"] == "blocked"
