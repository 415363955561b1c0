"""Several devices of one user, and devices that come back: over real sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import (
    add_account,
    remove_account,
    set_moderator,
)
from chat.server.accounts.passwords import hash_password
from chat.server.sessions import accept
from chat.server.settings import Settings
from chat.server.storage.database import Database
from tests.peers.wire_client import WireClient, WireFrame
from tests.server.server_in_test import TestServer, open_chat_server

LOGIN, TEXT, FILE = MessageType.LOGIN, MessageType.UTF8, MessageType.FILE
RIGHT = "correct horse"
LAPTOP, PHONE, OTHER = "laptop" * 4, "phone_" * 4, "other-" * 4

pytestmark = pytest.mark.usefixtures("cheap_hashes")

Start = Callable[..., Any]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Return the database of a server where alice and bob are registered."""
    database = Database(tmp_path / "data")
    for name in ("alice", "bob"):
        add_account(database, parse_user_name(name), hash_password(RIGHT))
    return database


@pytest.fixture
def start(tmp_path: Path, database: Database) -> Start:
    """Start a server; each one goes on with the data of the one before."""

    @contextmanager
    def start(**changes: Any) -> Iterator[TestServer]:
        with open_chat_server(tmp_path, data_directory=database.path.parent, **changes) as server:
            yield server

    return start


@pytest.fixture
def server(start: Start) -> Iterator[TestServer]:
    with start() as server:
        yield server


def come(server: TestServer, name: str, device: str | None = None, **fields: Any) -> WireClient:
    """Log in with these keys, which must work; the own announcement is read."""
    client = server.connect()
    header = {"to": name, **fields} | ({"device": device} if device is not None else {})
    reply = client.try_login(header)
    assert reply == (LOGIN, {}, b""), f"{name} was refused: {reply}"
    own = client.expect(LOGIN)
    assert own.sender is not None
    client.name, client.welcome = own.sender, json.loads(own.content)
    client.welcome["again"] = own.header.get("again")
    return client


def refused(server: TestServer, name: str, **fields: Any) -> str:
    reply = server.connect().try_login({"to": name, **fields})
    assert reply.type != LOGIN, "the login was not refused"
    return str(reply.header["error"])


def give(client: WireClient, command: str, **fields: Any) -> WireFrame:
    """Give a command; return the answer, which is the next notice with the nonce."""
    client.send(TEXT, {"command": command, "nonce": "c", **fields})
    while True:
        frame = client.read_frame()
        if frame.header.get("nonce") == "c":
            return frame


def devices_of(client: WireClient) -> list[dict[str, Any]]:
    answer = give(client, "devices")
    assert answer.header["notice"] == "done", answer
    found: list[dict[str, Any]] = json.loads(answer.text)
    return found


def test_a_user_joins_with_the_first_device_and_leaves_with_the_last(server: TestServer) -> None:
    eve = come(server, "eve")
    laptop = come(server, "alice", LAPTOP, password=RIGHT)
    eve.expect_joined("alice")

    phone = come(server, "Alice", PHONE, password=RIGHT)

    assert (laptop.welcome["again"], phone.welcome["again"]) == (None, True)
    assert phone.name == "alice", "the name is spelled as others know it"
    assert phone.welcome["users"] == ["eve", "alice"]
    assert phone.welcome["registered"] == ["alice"]
    assert phone.welcome["rooms"]["lobby"]["here"] == 2
    phone.say("from the phone")
    for each in (eve, laptop, phone):
        each.expect_text("from the phone", "alice")
    laptop.leave()
    laptop.expect_closed()
    phone.say("still here")
    eve.expect_text("still here", "alice")
    phone.leave()
    eve.expect_left("alice", "quit")
    assert come(server, "bob", password=RIGHT).welcome["users"] == ["eve", "bob"]


def test_a_private_message_comes_to_each_session_of_both_users_once(server: TestServer) -> None:
    alice = [come(server, "alice", each, password=RIGHT) for each in (LAPTOP, PHONE)]
    bob = [come(server, "bob", each, password=RIGHT) for each in (LAPTOP, PHONE)]
    for each in alice:
        each.expect_joined("bob")

    alice[0].say("one", to="bob", nonce="n1")
    for each in (*alice, *bob):
        each.expect_text("one", "alice", to="bob", nonce="n1", seq=1)
    alice[1].say("two", to="bob")
    for each in (*alice, *bob):
        each.expect_text("two", "alice", to="bob", seq=2)
    bob[0].send(FILE, {"to": "alice", "filename": "f"}, b"three")
    for each in (*alice, *bob):
        each.expect(FILE, b"three", sender="bob", seq=3)
    bob[1].say("myself", to="bob")
    for each in bob:
        each.expect_text("myself", "bob", to="bob", seq=4)
    bob[1].say("end")
    for each in (*alice, *bob):
        each.expect_text("end", "bob")


def test_all_sessions_of_both_users_may_fetch_a_private_offer(server: TestServer) -> None:
    wish = {"inline": 0, "password": RIGHT}
    everyone = [
        come(server, name, each, **wish) for name in ("alice", "bob") for each in (LAPTOP, PHONE)
    ]
    eve = come(server, "eve", inline=0)
    everyone[0].send(FILE, {"to": "bob", "filename": "f"}, b"for the two")

    ids = [each.read_until(FILE, b"")[-1].header["id"] for each in everyone]
    for each, id in zip(everyone, ids, strict=True):
        transfer = server.transfer(each)
        transfer.send(FILE, {"fetch": id})
        transfer.expect(FILE, b"for the two")
    transfer = server.transfer(eve)
    transfer.send(FILE, {"fetch": ids[0]})
    transfer.expect(TEXT, notice="gone")


def test_a_device_that_comes_back_takes_its_own_place_and_nobody_notices(
    server: TestServer,
) -> None:
    eve = come(server, "eve")
    laptop = come(server, "alice", LAPTOP, password=RIGHT)
    eve.expect_joined("alice")

    again = come(server, "alice", LAPTOP)
    assert again.welcome["again"] is None, "no other device is here"
    phone = come(server, "alice", PHONE, password=RIGHT)
    third = come(server, "alice", LAPTOP)

    assert (third.welcome["again"], third.welcome["users"]) == (True, ["eve", "alice"])
    laptop.expect_notice("replaced")
    laptop.expect_closed()
    again.expect_notice("replaced")
    again.expect_closed()
    phone.say("hello")
    for each in (eve, phone, third):
        each.expect_text("hello", "alice")


def test_a_guest_comes_back_by_the_device_and_nobody_else_does(server: TestServer) -> None:
    eve = come(server, "eve")
    guest = come(server, "carol", LAPTOP)
    eve.expect_joined("carol")

    assert refused(server, "carol", device=PHONE) == "username-exists"
    assert refused(server, "carol") == "username-exists"
    again = come(server, "carol", LAPTOP)

    guest.expect_notice("replaced")
    guest.expect_closed()
    again.say("me again")
    eve.expect_text("me again", "carol")
    # With the token of the session as ever, and another device.
    come(server, "carol", PHONE, session=again.welcome["session"])
    again.expect_text("me again", "carol")
    again.expect_notice("replaced")


def test_a_login_without_device_replaces_the_session_without_device(server: TestServer) -> None:
    laptop = come(server, "alice", LAPTOP, password=RIGHT)
    plain = come(server, "alice", password=RIGHT)

    other = come(server, "alice", password=RIGHT)

    plain.expect_notice("replaced")
    plain.expect_closed()
    assert len(server.parts.directory) == 2
    other.say("hello")
    laptop.expect_text("hello", "alice")


def test_the_session_that_was_silent_longest_goes(start: Start) -> None:
    with start(max_sessions=3) as server:
        eve = come(server, "eve")
        clients = [come(server, "alice", each * 24, password=RIGHT) for each in "abc"]
        eve.expect_joined("alice")
        for index in (0, 2):
            clients[index].say("hello")
            for each in (eve, *clients):
                each.expect_text("hello", "alice")
        # A ping comes from the program, not from the user.
        assert give(clients[1], "ping").header["notice"] == "done"

        fourth = come(server, "alice", "d" * 24, password=RIGHT)

        clients[1].expect_notice("replaced")
        clients[1].expect_closed()
        fourth.say("the fourth")
        for each in (eve, clients[0], clients[2], fourth):
            each.expect_text("the fourth", "alice")
        server.parts.settings.take_over(
            Settings(**{**vars(server.parts.settings), "max_sessions": 1})
        )
        fifth = come(server, "alice", "e" * 24, password=RIGHT)
        assert len(server.parts.directory) == 2
        fifth.say("alone")
        eve.expect_text("alone", "alice")


def test_a_full_room_has_room_for_a_further_device(start: Start) -> None:
    with start(max_users=2) as server:
        come(server, "alice", LAPTOP, password=RIGHT)
        come(server, "eve")
        come(server, "alice", PHONE, password=RIGHT)

        assert refused(server, "bob", password=RIGHT) == "server-full"


def test_a_device_where_others_can_listen_does_not_count(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert come(server, "alice", LAPTOP, password=RIGHT).welcome["device"] is True
    assert "device" not in come(server, "eve").welcome
    origin_of = accept.origin_of
    monkeypatch.setattr(
        accept, "origin_of", lambda peer: origin_of(peer)._replace(is_private=False)
    )

    carol = come(server, "carol", LAPTOP)

    assert carol.welcome["device"] is False
    assert refused(server, "carol", device=LAPTOP) == "username-exists"
    assert refused(server, "alice", device=LAPTOP) == "password-needed"


# All sessions of a user


def test_a_kick_ends_all_sessions_and_is_announced_once(
    server: TestServer, database: Database
) -> None:
    add_account(database, parse_user_name("op"), hash_password(RIGHT), is_moderator=True)
    op = come(server, "op", password=RIGHT)
    alice = [come(server, "alice", each, password=RIGHT) for each in (LAPTOP, PHONE)]
    op.expect_joined("alice")

    op.send(TEXT, {"command": "kick", "target": "ALICE"})

    for each in alice:
        each.expect_notice("moderated")
        each.expect_closed()
    op.expect_left("alice", "kicked")
    op.expect_notice("done")
    come(server, "alice", LAPTOP)
    op.expect_joined("alice")


def test_a_ban_covers_the_addresses_of_all_sessions(
    server: TestServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_account(database, parse_user_name("op"), hash_password(RIGHT), is_moderator=True)
    op = come(server, "op", password=RIGHT)
    origin_of, hosts = accept.origin_of, iter(["192.0.2.1", "198.51.100.7"])
    monkeypatch.setattr(
        accept, "origin_of", lambda peer: origin_of(peer)._replace(host=next(hosts))
    )
    alice = [come(server, "alice", each, password=RIGHT) for each in (LAPTOP, PHONE)]

    op.expect_joined("alice")
    answer = give(op, "ban", target="alice").text

    assert "and so are 192.0.2.1, 198.51.100.7. Disconnected: alice." in answer
    assert len(server.parts.moderation.entries) == 3
    for each in alice:
        each.expect_notice("moderated")
        each.expect_closed()


def test_an_account_that_is_removed_leaves_one_guest(
    server: TestServer, database: Database
) -> None:
    eve = come(server, "eve", status=True)
    first = come(server, "alice", LAPTOP, password=RIGHT)
    last = come(server, "alice", PHONE, password=RIGHT)
    eve.expect_joined("alice")

    remove_account(database, parse_user_name("alice"))
    server.parts.watch.look()

    first.expect_notice("replaced")
    first.expect_closed()
    last.expect_notice("account")
    eve.expect(TEXT, notice="status", user="alice", registered=False)
    last.leave()
    eve.expect_left("alice", "quit")


def test_a_right_that_is_given_is_told_once(server: TestServer, database: Database) -> None:
    eve = come(server, "eve", status=True)
    alice = [come(server, "alice", each, password=RIGHT) for each in (LAPTOP, PHONE)]
    eve.expect_joined("alice")

    set_moderator(database, parse_user_name("alice"), is_moderator=True)
    server.parts.watch.look()

    for each in alice:
        each.expect_notice("account")
    eve.expect(TEXT, notice="status", user="alice", moderator=True)
    alice[0].say("next")
    eve.expect_text("next", "alice")
    assert come(server, "bob", password=RIGHT).welcome["moderators"] == ["alice"]


def test_users_and_sessions_are_counted(server: TestServer) -> None:
    for each in (LAPTOP, PHONE):
        come(server, "alice", each, password=RIGHT)
    come(server, "eve")
    metrics, _ = server.parts.make_metrics().render("")

    assert b'chat_users{client="json",encryption="none"} 2.0' in metrics
    assert b"chat_sessions 3.0" in metrics


# What guests said


def said(client: WireClient, *nonces: str) -> list[str]:
    """The texts that the user finds by their nonces."""
    client.send(TEXT, {"command": "history", "nonce": "q", "after": 0, "nonces": list(nonces)})
    found = []
    while True:
        frame = client.read_frame()
        if frame.header.get("for") == "q":
            found.append(frame.text)
        elif frame.header.get("nonce") == "q":
            assert frame.header["notice"] == "done", frame
            return found


def test_a_guest_finds_their_own_messages_by_device_and_name_and_nobody_else_does(
    start: Start,
) -> None:
    with start() as server:
        carol = come(server, "carol", LAPTOP)
        carol.say("mine", nonce="n1")
        carol.expect_text("mine", "carol")
        come(server, "dave").say("no device", nonce="n2")
        carol.expect_joined("dave")
        carol.expect_text("no device", "dave")
    with start() as server:
        back = come(server, "Carol", LAPTOP)
        assert said(back, "n1", "n2") == ["mine"]
        back.leave()
        back.read_to_end()
        stranger = come(server, "carol", PHONE)
        assert said(stranger, "n1", "n2") == []
        assert said(come(server, "mallory", LAPTOP), "n1") == []
        assert give(stranger, "register", password=RIGHT).header["notice"] == "done"
        assert said(stranger, "n1") == []
        # The same person on the device of before, with the account of now.
        assert said(come(server, "carol", LAPTOP, password=RIGHT), "n1") == ["mine"]
