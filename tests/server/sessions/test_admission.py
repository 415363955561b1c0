"""Admission: a registered name is for its owner, and any other name for the first user who asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server.accounts import passwords
from chat.server.accounts.accounts import add_account, read_accounts, remove_account, set_moderator
from chat.server.accounts.passwords import hash_password
from chat.server.sessions import accept
from chat.server.storage.database import Database
from tests.peers.wire_client import Header, WireFrame
from tests.server.server_in_test import TestServer

LOGIN, BAD_LOGIN = MessageType.LOGIN, MessageType.BAD_LOGIN
RIGHT, WRONG = "correct horse", "wrong horse"

OpenTestServer = Callable[..., TestServer]

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Return a database in which alice is registered."""
    database = Database(tmp_path / "data")
    register(database, "Alice")
    return database


@pytest.fixture
def open_a_club(open_a_chat_server: OpenTestServer, database: Database) -> OpenTestServer:
    """Return a function that opens a server where alice is registered."""
    return lambda **changes: open_a_chat_server(data_directory=database.path.parent, **changes)


@pytest.fixture
def club(open_a_club: OpenTestServer) -> TestServer:
    return open_a_club()


def register(database: Database, name: str, password: str = RIGHT) -> None:
    add_account(database, parse_user_name(name), hash_password(password))


def answer(chat_server: TestServer, name: str, password: str | None = None) -> str:
    """Log in and leave again; return the code of the refusal, or "in"."""
    return code(login(chat_server, {"to": name, "password": password}))


def login(chat_server: TestServer, header: Header) -> WireFrame:
    client = chat_server.connect()
    reply = client.try_login(header)
    client.close()
    return reply


def code(reply: WireFrame) -> str:
    if reply.type == LOGIN:
        return "in"
    assert reply.header["message"].endswith(".")
    error: str = reply.header["error"]
    return error


# A name that is somebody's


@pytest.mark.parametrize("name", ["Alice", "alice", "ALICE"])
def test_a_registered_name_needs_its_password(club: TestServer, name: str) -> None:
    assert answer(club, name) == "password-needed"
    assert answer(club, name, WRONG) == "wrong-password"
    assert answer(club, name, "") == "wrong-password"
    assert answer(club, name, RIGHT) == "in"


def test_a_raw_client_has_no_password_to_show(club: TestServer) -> None:
    assert login(club, "alice") == (BAD_LOGIN, {}, b"")
    assert login(club, "bob").type == LOGIN


def test_other_names_are_anyones(club: TestServer) -> None:
    assert answer(club, "bob") == "in"


def test_a_password_that_nobody_asks_for_is_wrong(club: TestServer) -> None:
    assert answer(club, "bob", RIGHT) == "wrong-password"


def test_one_may_try_again_on_the_same_connection(club: TestServer) -> None:
    client = club.connect()

    assert client.try_login({"to": "alice"}).header["error"] == "password-needed"
    assert client.try_login({"to": "alice", "password": WRONG}).type == BAD_LOGIN
    assert client.try_login({"to": "alice", "password": RIGHT}).type == LOGIN


@pytest.mark.parametrize("name", ["аlice", "AIice", "a1ice"])
def test_what_looks_like_a_registered_name_is_refused(club: TestServer, name: str) -> None:
    reply = login(club, {"to": name})

    assert (reply.type, code(reply)) == (MessageType.BAD_USERNAME, "bad-username")
    assert "looks like Alice" in reply.header["message"]


def test_the_session_knows_whose_it_is(club: TestServer, database: Database) -> None:
    club.connect().try_login({"to": "alice", "password": RIGHT})
    club.join("bob")
    assert (club.session("alice").registered, club.session("alice").moderator) == (True, False)
    assert (club.session("bob").registered, club.session("bob").moderator) == (False, False)

    set_moderator(database, parse_user_name("alice"), True)
    club.connect().try_login({"to": "alice", "password": RIGHT})

    assert club.session("alice").moderator


def test_what_the_operator_changes_counts_for_the_next_login(
    club: TestServer, database: Database
) -> None:
    assert answer(club, "bob") == "in"
    register(database, "bob")
    assert answer(club, "bob") == "password-needed"

    remove_account(database, parse_user_name("bob"))
    assert answer(club, "bob") == "in"


def test_an_outdated_hash_is_renewed_when_the_password_is_known(
    club: TestServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    [before] = read_accounts(database)
    monkeypatch.setattr(
        "chat.server.sessions.admission.is_outdated", lambda hash: hash == before.password
    )

    assert answer(club, "alice", WRONG) == "wrong-password"
    assert read_accounts(database) == [before]
    assert answer(club, "alice", RIGHT) == "in"

    [after] = read_accounts(database)
    assert after.password != before.password
    assert answer(club, "alice", RIGHT) == "in"
    assert read_accounts(database) == [after]


# Passwords and listeners


def test_where_others_can_listen_no_password_is_looked_at(
    club: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin_of = accept.origin_of
    monkeypatch.setattr(
        accept, "origin_of", lambda peer: origin_of(peer)._replace(is_private=False)
    )

    def fail(*_: object) -> None:
        pytest.fail("it was looked at")

    monkeypatch.setattr(club.parts.password_guard, "verify", fail)
    for name in ("alice", "bob"):
        for password in (RIGHT, WRONG):
            assert answer(club, name, password) == "encryption-needed"
    assert answer(club, "alice") == "password-needed"
    assert answer(club, "bob") == "in"


# Members only


def test_among_members_all_names_are_alike(
    open_a_club: OpenTestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    club = open_a_club(members_only=True)
    compared: list[str | None] = []
    matches = passwords.matches

    def watch(password: str, hash: str | None) -> bool:
        compared.append(hash)
        return matches(password, hash)

    monkeypatch.setattr(passwords, "matches", watch)
    alice = club.connect()
    alice.try_login({"to": "alice", "password": RIGHT})
    compared.clear()
    # Here, known but not here, unknown, looks like one who is known.
    register(Database(club.parts.settings.data_directory or Path()), "carol")
    names = ["alice", "carol", "nobody", "AIice"]

    for header in ({}, {"password": WRONG}, {"session": "a guess"}):
        replies = [login(club, {"to": name, **header}) for name in names]
        assert len({(reply.type, str(reply.header)) for reply in replies}) == 1

    assert len(compared) == len(names)  # each as much work as the others
    assert [login(club, name) for name in names] == [(BAD_LOGIN, {}, b"")] * len(names)
    assert answer(club, "carol", RIGHT) == "in"


# A password for the whole room


def test_a_room_with_a_password_lets_in_who_knows_it(open_a_club: OpenTestServer) -> None:
    club = open_a_club(password="open sesame")

    assert answer(club, "bob") == "password-needed"
    assert answer(club, "bob", WRONG) == "wrong-password"
    assert answer(club, "bob", "open sesame") == "in"
    assert login(club, "bob") == (BAD_LOGIN, {}, b"")


def test_members_have_their_own(open_a_club: OpenTestServer) -> None:
    club = open_a_club(password="open sesame")

    assert answer(club, "alice", "open sesame") == "wrong-password"
    assert answer(club, "alice", RIGHT) == "in"
    assert answer(club, "AIice", WRONG) == "wrong-password"
    assert answer(club, "AIice", "open sesame") == "bad-username"


def test_a_room_that_keeps_nothing_can_have_one(open_a_chat_server: OpenTestServer) -> None:
    chat_server = open_a_chat_server(password="open sesame")

    assert answer(chat_server, "alice", WRONG) == "wrong-password"
    assert answer(chat_server, "alice", "open sesame") == "in"


def test_among_members_the_rooms_password_is_nobodys(open_a_club: OpenTestServer) -> None:
    club = open_a_club(members_only=True, password="open sesame")

    assert answer(club, "bob", "open sesame") == "wrong-password"


# Time


def test_a_login_that_waits_holds_up_nobody(
    club: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = Event()
    verify = club.parts.password_guard.verify

    def slow(*given: Any) -> bool:
        may_end.wait(30)
        return verify(*given)

    monkeypatch.setattr(club.parts.password_guard, "verify", slow)
    alice, bob = club.connect(), club.join("bob")
    alice.send(LOGIN, {"to": "alice", "password": RIGHT})
    gevent.sleep(0.02)

    bob.say("hello")
    bob.expect_text("hello", "bob")
    may_end.set()

    assert alice.read_frame().type == LOGIN


def test_many_wrong_passwords_keep_their_address_out_and_not_the_owner(
    open_a_club: OpenTestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    club = open_a_club(exempt=(), max_connects=10_000, max_logins=10_000)
    monkeypatch.setattr(club.parts.password_guard, "_sleep", lambda seconds: None)
    codes = {answer(club, "alice", WRONG) for _ in range(5)}
    assert codes == {"wrong-password", "too-many-attempts"}
    assert answer(club, "alice", RIGHT) == "too-many-attempts"

    owner = club.connect(source="127.0.0.2")

    assert owner.try_login({"to": "alice", "password": RIGHT}).type == LOGIN


def test_a_name_that_becomes_somebodys_while_one_waits_in_line(
    club: TestServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def line_up(host: str | None, patience: float) -> float:
        register(database, "bob")
        return 0.01

    monkeypatch.setattr(club.parts.address_limits, "reserve_join", line_up)

    assert answer(club, "bob") == "password-needed"
    assert club.here() == []


def test_a_banned_name_hears_of_it_only_with_its_password(
    open_a_club: OpenTestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    club = open_a_club(members_only=True)
    moderation = club.parts.moderation
    monkeypatch.setattr(moderation, "refusal_for", lambda *asked, **how: "You are banned.")

    assert answer(club, "alice") == "password-needed"
    assert answer(club, "alice", WRONG) == "wrong-password"
    assert answer(club, "alice", RIGHT) == "banned"
