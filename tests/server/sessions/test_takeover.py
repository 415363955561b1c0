"""A user who comes in again while his former session still looks alive: it makes way at once."""

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
from tests.server.house import House

LOGIN, BAD_LOGIN, UTF8 = MessageType.LOGIN, MessageType.BAD_LOGIN, MessageType.UTF8
NAME_EXISTS = MessageType.USERNAME_EXISTS
K, M = 1024, 1024**2
RIGHT = "correct horse"

OpenAHouse = Callable[..., House]

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "data")


@pytest.fixture
def club(open_a_house: OpenAHouse, database: Database) -> House:
    """A house where alice is registered."""
    add_account(database, parse_user_name("alice"), hash_password(RIGHT))
    return open_a_house(data_directory=database.path.parent)


def come_in(house: House, name: str, **fields: Any) -> WireClient:
    """Log in with these keys, which must work."""
    client = house.connect()
    reply = client.try_login({"to": name, **fields})
    assert reply == (LOGIN, {}, b""), f"{name} was refused: {reply}"
    client.name = name
    client.welcome = json.loads(client.expect(LOGIN, sender=name).content)
    return client


def come_back(house: House, ghost: WireClient) -> WireClient:
    """With the token of the session before."""
    return come_in(house, ghost.name, session=ghost.welcome["session"])


def test_who_shows_the_token_has_his_name_again_in_one_try(house: House) -> None:
    ghost, bob = house.join("alice"), house.join("bob")

    alice = come_back(house, ghost)

    assert alice.welcome["users"] == ["bob", "alice"]
    assert alice.welcome["session"] != ghost.welcome["session"]
    alice.say("hello again")
    bob.expect_left("alice", "replaced")
    bob.expect_joined("alice")
    bob.expect_text("hello again", "alice")
    alice.expect_text("hello again", "alice")


def test_one_that_is_alive_after_all_hears_why_it_ends(house: House) -> None:
    former = house.join("alice")

    come_back(house, former)

    assert "from elsewhere" in former.expect_notice("replaced").text
    former.expect_closed()


def test_a_raw_session_is_taken_over_by_nobody(house: House) -> None:
    house.join("alice", raw=True)

    for session in ("", "None", "null"):
        reply = house.connect().try_login({"to": "alice", "session": session})
        assert reply.type == NAME_EXISTS


@pytest.mark.parametrize("session", ["", "wrong", "й", None])
def test_a_wrong_token_is_as_good_as_none(house: House, session: str | None) -> None:
    alice = house.join("alice")
    client = house.connect()

    assert client.try_login({"to": "alice", "session": session}).type == NAME_EXISTS
    assert client.try_login({"to": "bob", "session": session}).type == LOGIN
    alice.expect_joined("bob")


def test_the_token_is_for_its_own_name_alone(house: House) -> None:
    alice = house.join("alice")
    bob = house.join("bob")
    alice.expect_joined("bob")
    token = bob.welcome["session"]

    assert house.connect().try_login({"to": "alice", "session": token}).type == NAME_EXISTS
    bob.leave()
    alice.expect_left("bob", "quit")
    assert house.connect().try_login({"to": "alice", "session": token}).type == NAME_EXISTS


def test_a_token_serves_once(house: House) -> None:
    ghost = house.join("alice")
    come_back(house, ghost)

    token = ghost.welcome["session"]

    assert house.connect().try_login({"to": "alice", "session": token}).type == NAME_EXISTS


@pytest.mark.parametrize("order", list(ByteOrder))
def test_what_waits_for_a_ghost_is_gone_and_nobody_else_notices(
    open_a_house: OpenAHouse, order: ByteOrder
) -> None:
    house = open_a_house(max_backlog=64 * M, rate=None, byte_rate=None)
    ghost = house.join("alice", order=order, receive_buffer=4 * K)
    bob = house.join("bob")
    sent = 0
    while not house.session("alice").outbox.is_behind or sent < 200:
        bob.say(f"{sent} " + "x" * 60_000)
        bob.expect(UTF8, sender="bob")
        sent += 1
    assert house.parts.backlogs.used

    alice = come_back(house, ghost)

    assert house.parts.backlogs.used == 0
    bob.say("next")
    bob.expect_left("alice", "replaced")
    bob.expect_joined("alice")
    bob.expect_text("next", "bob")
    alice.expect_text("next", "bob")


def test_the_transfers_of_the_former_session_end(house: House) -> None:
    ghost = house.join("alice")
    transfer = house.transfer(ghost)
    transfer.send_bytes(transfer.encode(MessageType.FILE, content_size=M) + b"x" * 100_000)
    house.upload_begins()

    come_back(house, ghost)

    transfer.expect_closed()
    house.space_is_given_back()
    reply = house.connect().try_login({"session": ghost.welcome["session"]})
    assert reply.header["error"] == "no-such-session"


@pytest.mark.parametrize("half", [0, 1, 10, 16, 19])
def test_half_a_frame_of_the_former_session_reaches_nobody(house: House, half: int) -> None:
    ghost, bob = house.join("alice"), house.join("bob")
    ghost.send_bytes(ghost.encode(UTF8, None, b"half")[:half])
    gevent.sleep(0.01)

    alice = come_back(house, ghost)
    alice.say("whole")

    bob.expect_left("alice", "replaced")
    bob.expect_joined("alice")
    bob.expect_text("whole", "alice")


def test_a_full_room_has_a_place_for_who_is_in_it(open_a_house: OpenAHouse) -> None:
    house = open_a_house(max_users=1)
    ghost = house.join("alice")

    come_back(house, ghost)

    assert house.connect().try_login({"to": "bob"}).header["error"] == "server-full"


def test_many_takeovers_in_a_row_leave_one(house: House) -> None:
    bob, alice = house.join("bob"), house.join("alice")
    bob.expect_joined("alice")
    for _ in range(30):
        alice = come_back(house, alice)
        bob.expect_left("alice", "replaced")
        bob.expect_joined("alice")

    assert sorted(house.here()) == ["alice", "bob"]
    assert len(house.parts.directory) == 2
    wait_until(lambda: len(house.connections) == 2, "the ghosts to go")


def test_of_two_who_show_the_same_token_at_once_one_is_in(house: House) -> None:
    ghost = house.join("alice")
    clients = [house.connect() for _ in range(2)]
    for client in clients:
        client.send(LOGIN, {"to": "alice", "session": ghost.welcome["session"]})

    types = sorted(client.read_frame().type for client in clients)

    assert types == [LOGIN, NAME_EXISTS]


# By password


def test_the_password_of_a_registered_name_does_the_same(club: House) -> None:
    bob = club.join("bob")
    ghost = come_in(club, "alice", password=RIGHT)
    bob.expect_joined("alice")

    come_in(club, "alice", password=RIGHT)

    bob.expect_left("alice", "replaced")
    bob.expect_joined("alice")
    ghost.expect_notice("replaced")


def test_the_owner_gets_his_name_from_a_guest_who_had_it_before(
    open_a_house: OpenAHouse, database: Database
) -> None:
    house = open_a_house(data_directory=database.path.parent)
    guest, raw = house.join("alice"), house.join("bob", raw=True)
    for name in ("alice", "bob"):
        add_account(database, parse_user_name(name), hash_password(RIGHT))

    # Not who was there first: the name was not his.
    reply = house.connect().try_login({"to": "alice", "session": guest.welcome["session"]})
    assert reply.header["error"] == "password-needed"

    come_in(house, "alice", password=RIGHT)
    raw.expect_left("alice", "replaced")
    raw.expect_joined("alice")
    come_in(house, "bob", password=RIGHT)
    assert house.session("bob").registered


def test_the_token_of_the_owner_needs_no_password(club: House) -> None:
    ghost = come_in(club, "alice", password=RIGHT)

    come_back(club, ghost)

    assert club.session("alice").registered


def test_of_an_account_that_is_gone_the_token_makes_a_guest(
    club: House, database: Database
) -> None:
    ghost = come_in(club, "alice", password=RIGHT)
    remove_account(database, parse_user_name("alice"))

    come_back(club, ghost)

    assert not club.session("alice").registered


def test_of_an_account_that_is_gone_the_token_is_no_membership(
    open_a_house: OpenAHouse, database: Database
) -> None:
    add_account(database, parse_user_name("alice"), hash_password(RIGHT))
    house = open_a_house(data_directory=database.path.parent, members_only=True)
    ghost = come_in(house, "alice", password=RIGHT)
    remove_account(database, parse_user_name("alice"))

    reply = house.connect().try_login({"to": "alice", "session": ghost.welcome["session"]})

    assert reply.header["error"] == "password-needed"


def test_a_login_of_the_same_name_that_is_under_way(
    club: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob, ghost = club.join("bob"), come_in(club, "alice", password=RIGHT)
    bob.expect_joined("alice")
    may_end = Event()
    verify = club.parts.password_guard.verify

    def slow(*given: Any) -> bool:
        may_end.wait(5)
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


def test_a_ghost_whose_end_has_begun(house: House) -> None:
    ghost, bob = house.join("alice"), house.join("bob")
    session = house.session("alice")
    client = house.connect()
    client.send(LOGIN, {"to": "alice", "session": ghost.welcome["session"]})

    session.give_up()  # its greenlet has yet to see it

    assert client.read_frame().type == LOGIN
    left = bob.expect(MessageType.LOGOUT, sender="alice")
    assert left.header["reason"] in ("timed-out", "replaced")
    bob.expect_joined("alice")
