"""Changes of accounts by the operator take effect for users who are connected."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import add_account, remove_account, set_moderator, set_password
from chat.server.storage import database_watch
from chat.server.storage.database import Database
from tests.cheap_hashes import hash_cheaply
from tests.peers.wire_client import WireClient
from tests.server.moderators import command, refused
from tests.server.server_in_test import TestServer

LOGIN, UTF8 = MessageType.LOGIN, MessageType.UTF8
PASSWORD = "correct horse"

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "data")


@pytest.fixture
def open_a_club(
    open_a_chat_server: Callable[..., TestServer],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., TestServer]:
    """Open servers that look for changes every few milliseconds."""
    monkeypatch.setattr(database_watch, "LOOK_INTERVAL", 0.005)
    return lambda **changes: open_a_chat_server(data_directory=database.path.parent, **changes)


def add(database: Database, name: str, **options: Any) -> None:
    add_account(database, parse_user_name(name), hash_cheaply(PASSWORD), **options)


def come_in(chat_server: TestServer, name: str) -> WireClient:
    client = chat_server.connect()
    assert client.try_login({"to": name, "password": PASSWORD}).type == LOGIN
    client.name = name
    client.expect(LOGIN, sender=name)
    return client


def test_a_moderator_loses_the_right_and_gets_it_again(
    open_a_club: Callable[..., TestServer], database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    add(database, "bob", is_moderator=True)
    club = open_a_club()
    bob = come_in(club, "bob")
    assert command(bob, "bans") == "Nobody is banned or muted."

    set_moderator(database, parse_user_name("bob"), False)

    assert "no moderator any more" in bob.expect_notice("account", nonce=None).text
    assert refused(bob, "kick", "bob") == "not-allowed"
    assert club.session("bob").registered

    set_moderator(database, parse_user_name("bob"), True)

    assert bob.expect_notice("account", nonce=None).text.startswith("You are a moderator:")
    assert command(bob, "bans")
    assert "bob is no moderator any more" in caplog.messages


def test_who_loses_the_account_is_a_guest_where_guests_may_be(
    open_a_club: Callable[..., TestServer], database: Database
) -> None:
    add(database, "bob", is_moderator=True)
    club = open_a_club()
    bob, alice = come_in(club, "bob"), club.join("alice")
    bob.expect_joined("alice")

    remove_account(database, parse_user_name("bob"))

    told = bob.expect_notice("account", nonce=None).text
    assert "removed your account" in told
    assert "no moderator" in told
    session = club.session("bob")
    assert (session.registered, session.moderator) == (False, False)
    bob.say("still here")
    alice.expect_text("still here", "bob")


@pytest.mark.parametrize("closed", [{"members_only": True}, {"password": "of the room"}])
def test_who_loses_the_account_must_leave_where_guests_may_not_be(
    open_a_club: Callable[..., TestServer], database: Database, closed: dict[str, Any]
) -> None:
    for name in ("bob", "alice"):
        add(database, name)
    club = open_a_club(**closed)
    bob, alice = come_in(club, "bob"), come_in(club, "alice")
    bob.expect_joined("alice")

    remove_account(database, parse_user_name("bob"))

    assert "removed your account" in bob.expect_notice("moderated", nonce=None).text
    bob.expect_closed()
    alice.expect_left("bob", "kicked")
    alice.say("still here")
    alice.expect_text("still here", "alice")


def test_an_account_that_is_added_again_is_another_account(
    open_a_club: Callable[..., TestServer], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, "bob", is_moderator=True)
    club = open_a_club()
    bob = come_in(club, "bob")
    later = time.time() + 5
    monkeypatch.setattr("chat.server.accounts.accounts.time.time", lambda: later)

    remove_account(database, parse_user_name("bob"))
    add(database, "bob", is_moderator=True)

    bob.expect_notice("account", nonce=None)
    assert not club.session("bob").registered


def test_users_whose_accounts_stay_notice_nothing(
    open_a_club: Callable[..., TestServer], database: Database
) -> None:
    for name in ("bob", "carol"):
        add(database, name)
    club = open_a_club()
    bob, guest = come_in(club, "bob"), club.join("guest")
    bob.expect_joined("guest")
    guest.send(UTF8, {"command": "register", "password": PASSWORD})
    guest.expect_notice("done")

    set_password(database, parse_user_name("bob"), hash_cheaply("another one"))
    remove_account(database, parse_user_name("carol"))
    club.parts.watch.look()

    bob.say("hello")
    bob.expect_text("hello", "bob")
    guest.expect_text("hello", "bob")
    assert club.session("bob").registered
    assert club.session("guest").registered


def test_a_look_without_a_change_reads_nothing(
    open_a_club: Callable[..., TestServer], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, "bob")
    long_ago = time.time() - 60
    os.utime(database.path, (long_ago, long_ago))
    club = open_a_club()
    club.parts.watch.look()

    def read(*arguments: object) -> None:
        raise AssertionError("nothing has changed")

    monkeypatch.setattr(type(club.parts.database), "run", read)
    club.parts.watch.look()
    monkeypatch.undo()
