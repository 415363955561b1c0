"""Users and their own accounts: to register the name one has, and to change its password."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gevent.event import Event

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server.accounts import account_operations, commands
from chat.server.accounts.accounts import add_account, read_accounts, remove_account
from chat.server.accounts.passwords import TooManyWaiting, hash_password, matches
from chat.server.sessions.connection import AcceptedConnection
from chat.server.storage.database import Database
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer

LOGIN, UTF8 = MessageType.LOGIN, MessageType.UTF8
FIRST, SECOND = "correct horse", "battery staple"

OpenTestServer = Callable[..., TestServer]

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "data")


@pytest.fixture
def open_a_club(open_a_chat_server: OpenTestServer, database: Database) -> OpenTestServer:
    return lambda **changes: open_a_chat_server(data_directory=database.path.parent, **changes)


@pytest.fixture
def club(open_a_club: OpenTestServer) -> TestServer:
    return open_a_club()


def ask(client: WireClient, command: str, **fields: Any) -> tuple[str, str]:
    """The code and the sentence of the answer."""
    client.send(UTF8, {"command": command, "nonce": "n1", **fields})
    frame = client.expect(UTF8, sender="server", to=client.name, nonce="n1")
    assert frame.text.endswith(".")
    return frame.header["notice"], frame.text


def register(client: WireClient, password: str | None = FIRST) -> str:
    return ask(client, "register", password=password)[0]


def change(client: WireClient, old: str | None, new: str | None) -> str:
    return ask(client, "passwd", password=old, new_password=new)[0]


def come_in(chat_server: TestServer, name: str, password: str) -> WireClient:
    """The owner of a name."""
    client = chat_server.connect()
    assert client.try_login({"to": name, "password": password}).type == LOGIN
    client.name = name
    client.expect(LOGIN, sender=name)
    return client


def opens(chat_server: TestServer, name: str, password: str | None) -> bool:
    return chat_server.connect().try_login({"to": name, "password": password}).type == LOGIN


# To register


def test_a_guest_makes_their_name_an_account(club: TestServer, database: Database) -> None:
    alice = club.join("Alice")

    code, sentence = ask(alice, "register", password=FIRST)

    assert (code, "Alice is yours" in sentence) == ("done", True)
    [account] = read_accounts(database)
    assert (account.name, account.is_moderator) == ("Alice", False)
    assert matches(FIRST, account.password)
    assert club.session("alice").registered
    assert not opens(club, "alice", None)
    assert opens(club, "alice", FIRST)


@pytest.mark.parametrize("password", [None, "", "short", "x" * 1025, "tab\tinside"])
def test_what_is_no_password(club: TestServer, database: Database, password: str | None) -> None:
    assert register(club.join("alice"), password) == "bad-command"
    assert read_accounts(database) == []


def test_a_name_is_registered_once(club: TestServer, database: Database) -> None:
    alice, bob = club.join("alice"), club.join("bob")
    alice.expect_joined("bob")
    add_account(database, parse_user_name("bob"), hash_password(SECOND))

    assert register(alice) == "done"
    assert register(alice) == "not-allowed"
    assert register(bob) == "not-allowed"


def test_what_looks_like_anothers_name_is_not_registered(
    club: TestServer, database: Database
) -> None:
    client = club.join("a1ice")
    add_account(database, parse_user_name("alice"), hash_password(SECOND))

    code, sentence = ask(client, "register", password=FIRST)

    assert (code, "looks like alice" in sentence) == ("not-allowed", True)


def test_the_operator_may_keep_registration_to_themselves(open_a_club: OpenTestServer) -> None:
    assert register(open_a_club(register=False).join("alice")) == "not-allowed"


def test_a_user_without_an_account_any_more_cannot_make_one(
    open_a_club: OpenTestServer, database: Database
) -> None:
    add_account(database, parse_user_name("alice"), hash_password(FIRST))
    club = open_a_club(members_only=True)
    alice = come_in(club, "alice", FIRST)
    remove_account(database, parse_user_name("alice"))

    assert register(alice) == "not-allowed"


def test_a_server_that_keeps_nothing_says_so(chat_server: TestServer) -> None:
    alice = chat_server.join("alice")

    assert register(alice) == "not-allowed"
    assert change(alice, FIRST, SECOND) == "not-allowed"


def test_an_address_registers_a_few_names_an_hour(
    open_a_club: OpenTestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "REGISTRATIONS", 2)
    club = open_a_club(exempt=())

    codes = [register(club.join(f"user{n}"), "" if n == 0 else FIRST) for n in range(4)]

    assert codes == ["bad-command", "done", "done", "not-allowed"]
    assert register(club.join("user4", source="127.0.0.2")) == "done"


def test_guests_do_not_fill_the_register(club: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_operations, "MAX_ACCOUNTS", 1)

    assert register(club.join("alice")) == "done"
    assert register(club.join("bob")) == "not-allowed"


# Another password


def test_the_owner_changes_their_password(club: TestServer) -> None:
    alice = club.join("alice")
    register(alice)

    assert change(alice, FIRST, SECOND) == "done"

    assert not opens(club, "alice", FIRST)
    assert opens(club, "alice", SECOND)


def test_only_who_knows_the_old_one_sets_a_new_one(club: TestServer, database: Database) -> None:
    alice = club.join("alice")
    register(alice)
    before = read_accounts(database)

    assert change(alice, "wrong horse", SECOND) == "wrong-password"
    assert change(alice, None, SECOND) == "bad-command"
    assert change(alice, FIRST, None) == "bad-command"
    assert change(alice, FIRST, "short") == "bad-command"
    assert read_accounts(database) == before


def test_wrong_ones_cost_time_here_too(
    open_a_club: OpenTestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    club = open_a_club(exempt=())
    monkeypatch.setattr(club.parts.password_guard, "_sleep", lambda seconds: None)
    alice = club.join("alice")
    register(alice)

    codes = [change(alice, "wrong horse", SECOND) for _ in range(5)]

    assert codes == ["wrong-password"] * 4 + ["not-allowed"]


def test_a_guest_has_none_to_change(club: TestServer) -> None:
    assert change(club.join("bob"), FIRST, SECOND) == "not-allowed"


def test_what_the_operator_has_changed_meanwhile_stays(
    club: TestServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = club.join("alice")
    register(alice)
    verify = club.parts.password_guard.verify

    def slow(host: str | None, key: str, password: str, hash: str | None) -> bool:
        remove_account(database, parse_user_name("alice"))
        return verify(host, key, password, hash)

    monkeypatch.setattr(club.parts.password_guard, "verify", slow)

    assert change(alice, FIRST, SECOND) == "not-allowed"
    assert read_accounts(database) == []


# Both


def test_where_others_can_listen_nothing_is_done(club: TestServer, database: Database) -> None:
    alice = club.join("alice")
    connection: AcceptedConnection = club.session("alice").connection
    connection.is_private = False

    assert register(alice) == "encryption-needed"
    assert change(alice, FIRST, SECOND) == "encryption-needed"
    assert read_accounts(database) == []


def test_only_the_one_who_asks_waits(club: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = club.join("alice"), club.join("bob")
    alice.expect_joined("bob")
    began, may_end = Event(), Event()

    def slow(password: str) -> str:
        began.set()
        may_end.wait(30)
        return hash_password(password)

    monkeypatch.setattr(club.parts.passwords, "hash", slow)
    alice.send(UTF8, {"command": "register", "password": FIRST})
    alice.say("after that")
    assert began.wait(30)

    bob.say("hello")
    bob.expect_text("hello", "bob")
    may_end.set()

    alice.expect_text("hello", "bob")
    alice.expect_notice("done")
    alice.expect_text("after that", "alice")


def test_a_user_who_has_left_meanwhile_registers_nothing(
    club: TestServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = club.join("alice")
    began, may_end = Event(), Event()

    def slow(password: str) -> str:
        began.set()
        may_end.wait(30)
        return hash_password(password)

    monkeypatch.setattr(club.parts.passwords, "hash", slow)
    alice.send(UTF8, {"command": "register", "password": FIRST})
    assert began.wait(30)
    club.session("alice").give_up()
    club.session("alice").supersede()
    may_end.set()
    club.connections_end()

    assert read_accounts(database) == []


def test_a_file_that_cannot_be_written_changes_nothing(
    club: TestServer, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    alice = club.join("alice")
    database.path.parent.mkdir(exist_ok=True)
    database.path.write_bytes(b"no database" * 1000)

    with caplog.at_level(logging.ERROR, "chat.server"):
        assert register(alice) == "no-space"

    assert any("cannot save an account: cannot use" in message for message in caplog.messages)
    assert not club.session("alice").registered


def test_when_there_is_too_much_to_do(club: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(address: object) -> None:
        raise TooManyWaiting

    alice = club.join("alice")
    monkeypatch.setattr(club.parts.passwords, "turn", full)

    assert register(alice) == "not-allowed"


def test_no_password_stands_in_the_log(club: TestServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        alice = club.join("alice")
        register(alice)
        change(alice, FIRST, SECOND)
        change(alice, FIRST, SECOND)
        alice.leave()
        opens(club, "alice", FIRST)
        opens(club, "alice", SECOND)
        wait_until(lambda: "alice" in club.here(), "alice")

    assert "alice registered, from" in caplog.text
    assert "alice changed the password" in caplog.text
    assert FIRST not in caplog.text
    assert SECOND not in caplog.text
