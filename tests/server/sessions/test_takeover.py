"""A user logs in again while their former session still looks alive: the new session supersedes it at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import add_account, remove_account
from chat.server.accounts.passwords import hash_password
from chat.server.storage.database import Database
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer

LOGIN, BAD_LOGIN, UTF8 = MessageType.LOGIN, MessageType.BAD_LOGIN, MessageType.UTF8
NAME_EXISTS = MessageType.USERNAME_EXISTS
K, M = 1024, 1024**2
RIGHT = "correct horse"

OpenTestServer = Callable[..., TestServer]

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "data")


@pytest.fixture
def club(open_a_chat_server: OpenTestServer, database: Database) -> TestServer:
    """Open a server where alice is registered."""
    add_account(database, parse_user_name("alice"), hash_password(RIGHT))
    return open_a_chat_server(data_directory=database.path.parent)


def come_in(chat_server: TestServer, name: str, **fields: Any) -> WireClient:
    """Log in with these keys, which must work."""
    client = chat_server.connect()
    reply = client.try_login({"to": name, **fields})
    assert reply == (LOGIN, {}, b""), f"{name} was refused: {reply}"
    client.name = name
    client.welcome = json.loads(client.expect(LOGIN, sender=name).content)
    return client


def come_back(chat_server: TestServer, ghost: WireClient) -> WireClient:
    """With the token of the session before."""
    return come_in(chat_server, ghost.name, session=ghost.welcome["session"])


def test_a_user_who_shows_the_token_has_the_name_again_in_one_try(chat_server: TestServer) -> None:
    ghost, bob = chat_server.join("alice"), chat_server.join("bob")

    alice = come_back(chat_server, ghost)

    assert alice.welcome["users"] == ["bob", "alice"]
    assert alice.welcome["session"] != ghost.welcome["session"]
    alice.say("hello again")
    bob.expect_left("alice", "replaced")
    bob.expect_joined("alice")
    bob.expect_text("hello again", "alice")
    alice.expect_text("hello again", "alice")


def test_one_that_is_alive_after_all_hears_why_it_ends(chat_server: TestServer) -> None:
    former = chat_server.join("alice")

    come_back(chat_server, former)

    assert "from another place" in former.expect_notice("replaced").text
    former.expect_closed()


def test_a_raw_session_is_taken_over_by_nobody(chat_server: TestServer) -> None:
    chat_server.join("alice", raw=True)

    for session in ("", "None", "null"):
        reply = chat_server.connect().try_login({"to": "alice", "session": session})
        assert reply.type == NAME_EXISTS


@pytest.mark.parametrize("session", ["", "wrong", "й", None])
def test_a_wrong_token_is_as_good_as_none(chat_server: TestServer, session: str | None) -> None:
    alice = chat_server.join("alice")
    client = chat_server.connect()

    assert client.try_login({"to": "alice", "session": session}).type == NAME_EXISTS
    assert client.try_login({"to": "bob", "session": session}).type == LOGIN
    alice.expect_joined("bob")


def test_the_token_is_for_its_own_name_alone(chat_server: TestServer) -> None:
    alice = chat_server.join("alice")
    bob = chat_server.join("bob")
    alice.expect_joined("bob")
    token = bob.welcome["session"]

    assert chat_server.connect().try_login({"to": "alice", "session": token}).type == NAME_EXISTS
    bob.leave()
    alice.expect_left("bob", "quit")
    assert chat_server.connect().try_login({"to": "alice", "session": token}).type == NAME_EXISTS


def test_a_token_serves_once(chat_server: TestServer) -> None:
    ghost = chat_server.join("alice")
    come_back(chat_server, ghost)

    token = ghost.welcome["session"]

    assert chat_server.connect().try_login({"to": "alice", "session": token}).type == NAME_EXISTS


@pytest.mark.parametrize("order", list(ByteOrder))
def test_what_waits_for_a_ghost_is_gone_and_nobody_else_notices(
    open_a_chat_server: OpenTestServer, order: ByteOrder
) -> None:
    chat_server = open_a_chat_server(max_backlog=64 * M, rate=None, byte_rate=None)
    ghost = chat_server.join("alice", order=order, receive_buffer=4 * K)
    bob = chat_server.join("bob")
    sent = 0
    while not chat_server.session("alice").send_queue.is_behind or sent < 200:
        bob.say(f"{sent} " + "x" * 60_000)
        bob.expect(UTF8, sender="bob")
        sent += 1
    assert chat_server.parts.backlogs.used

    alice = come_back(chat_server, ghost)

    assert chat_server.parts.backlogs.used == 0
    bob.say("next")
    bob.expect_left("alice", "replaced")
    bob.expect_joined("alice")
    bob.expect_text("next", "bob")
    alice.expect_text("next", "bob")


def test_the_transfers_of_the_former_session_end(chat_server: TestServer) -> None:
    ghost = chat_server.join("alice")
    transfer = chat_server.transfer(ghost)
    transfer.send_bytes(transfer.encode(MessageType.FILE, content_size=M) + b"x" * 100_000)
    chat_server.upload_begins()

    come_back(chat_server, ghost)

    transfer.expect_closed()
    chat_server.space_is_given_back()
    reply = chat_server.connect().try_login({"session": ghost.welcome["session"]})
    assert reply.header["error"] == "no-such-session"


@pytest.mark.parametrize("half", [0, 1, 10, 16, 19])
def test_half_a_frame_of_the_former_session_reaches_nobody(
    chat_server: TestServer, half: int
) -> None:
    ghost, bob = chat_server.join("alice"), chat_server.join("bob")
    ghost.send_bytes(ghost.encode(UTF8, None, b"half")[:half])
    gevent.sleep(0.01)

    alice = come_back(chat_server, ghost)
    alice.say("whole")

    bob.expect_left("alice", "replaced")
    bob.expect_joined("alice")
    bob.expect_text("whole", "alice")


def test_a_full_room_has_a_place_for_who_is_in_it(open_a_chat_server: OpenTestServer) -> None:
    chat_server = open_a_chat_server(max_users=1)
    ghost = chat_server.join("alice")

    come_back(chat_server, ghost)

    assert chat_server.connect().try_login({"to": "bob"}).header["error"] == "server-full"


def test_many_takeovers_in_a_row_leave_one(chat_server: TestServer) -> None:
    bob, alice = chat_server.join("bob"), chat_server.join("alice")
    bob.expect_joined("alice")
    for _ in range(30):
        alice = come_back(chat_server, alice)
        bob.expect_left("alice", "replaced")
        bob.expect_joined("alice")

    assert sorted(chat_server.here()) == ["alice", "bob"]
    assert len(chat_server.parts.directory) == 2
    wait_until(lambda: len(chat_server.connections) == 2, "the ghosts to go")


def test_of_two_who_show_the_same_token_at_once_one_is_in(chat_server: TestServer) -> None:
    ghost = chat_server.join("alice")
    clients = [chat_server.connect() for _ in range(2)]
    for client in clients:
        client.send(LOGIN, {"to": "alice", "session": ghost.welcome["session"]})

    types = sorted(client.read_frame().type for client in clients)

    assert types == [LOGIN, NAME_EXISTS]


# By password


def test_the_password_of_a_registered_name_does_the_same(club: TestServer) -> None:
    bob = club.join("bob")
    ghost = come_in(club, "alice", password=RIGHT)
    bob.expect_joined("alice")

    come_in(club, "alice", password=RIGHT)

    bob.expect_left("alice", "replaced")
    bob.expect_joined("alice")
    ghost.expect_notice("replaced")


def test_the_owner_gets_the_name_from_a_guest_who_had_it_before(
    open_a_chat_server: OpenTestServer, database: Database
) -> None:
    chat_server = open_a_chat_server(data_directory=database.path.parent)
    guest, raw = chat_server.join("alice"), chat_server.join("bob", raw=True)
    for name in ("alice", "bob"):
        add_account(database, parse_user_name(name), hash_password(RIGHT))

    # Not the guest, who was there first: the name was not theirs.
    reply = chat_server.connect().try_login({"to": "alice", "session": guest.welcome["session"]})
    assert reply.header["error"] == "password-needed"

    come_in(chat_server, "alice", password=RIGHT)
    raw.expect_left("alice", "replaced")
    raw.expect_joined("alice")
    come_in(chat_server, "bob", password=RIGHT)
    assert chat_server.session("bob").registered


def test_the_token_of_the_owner_needs_no_password(club: TestServer) -> None:
    ghost = come_in(club, "alice", password=RIGHT)

    come_back(club, ghost)

    assert club.session("alice").registered


def test_of_an_account_that_is_gone_the_token_makes_a_guest(
    club: TestServer, database: Database
) -> None:
    ghost = come_in(club, "alice", password=RIGHT)
    remove_account(database, parse_user_name("alice"))

    come_back(club, ghost)

    assert not club.session("alice").registered


def test_of_an_account_that_is_gone_the_token_is_no_membership(
    open_a_chat_server: OpenTestServer, database: Database
) -> None:
    add_account(database, parse_user_name("alice"), hash_password(RIGHT))
    chat_server = open_a_chat_server(data_directory=database.path.parent, members_only=True)
    ghost = come_in(chat_server, "alice", password=RIGHT)
    remove_account(database, parse_user_name("alice"))

    reply = chat_server.connect().try_login({"to": "alice", "session": ghost.welcome["session"]})

    assert reply.header["error"] == "password-needed"


def test_a_login_of_the_same_name_that_is_under_way(
    club: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob, ghost = club.join("bob"), come_in(club, "alice", password=RIGHT)
    bob.expect_joined("alice")
    may_end = Event()
    verify = club.parts.password_guard.verify

    def slow(*given: Any) -> bool:
        may_end.wait(30)
        return verify(*given)

    monkeypatch.setattr(club.parts.password_guard, "verify", slow)
    slow_ones = [club.connect() for _ in range(3)]
    for client in slow_ones:
        client.send(LOGIN, {"to": "alice", "password": RIGHT})
    second = come_back(club, ghost)  # needs no look at a password
    bob.expect_left("alice", "replaced")
    bob.expect_joined("alice")
    may_end.set()

    assert [client.read_frame().type for client in slow_ones] == [LOGIN] * 3
    second.expect_notice("replaced")
    for _ in slow_ones:
        bob.expect_left("alice", "replaced")
        bob.expect_joined("alice")
    assert sorted(club.here()) == ["alice", "bob"]
    assert len(club.parts.directory) == 2


def test_a_ghost_whose_end_has_begun(chat_server: TestServer) -> None:
    ghost, bob = chat_server.join("alice"), chat_server.join("bob")
    session = chat_server.session("alice")
    client = chat_server.connect()
    client.send(LOGIN, {"to": "alice", "session": ghost.welcome["session"]})

    session.give_up()  # its greenlet has yet to see it

    assert client.read_frame().type == LOGIN
    left = bob.expect(MessageType.LOGOUT, sender="alice")
    assert left.header["reason"] in ("timed-out", "replaced")
    bob.expect_joined("alice")
