from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chat.address import parse_address
from chat.client import entrance
from chat.client.connection import Connection
from chat.client.credentials import Credentials
from chat.client.entrance import (
    NAME_REFUSALS,
    advice,
    credentials_of,
    door_of,
    enter,
    wants_password,
)
from chat.client.errors import ConnectError, LoginRefused
from chat.client.gevent_runtime import GEVENT
from chat.client.inbox import Inbox
from chat.client.password_file import FilePassword
from chat.client.settings import Settings
from chat.client.trust import Demands
from chat.fingerprint import fingerprint_of_key
from chat.protocol.notices import Refusal
from tests.client.fake_connection import FakeConnection


def test_all_that_the_settings_say_of_a_connection_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    connection = FakeConnection()

    def connect(*given: object, **named: Any) -> Connection:
        asked.update(named, given=given)
        return connection.as_connection

    monkeypatch.setattr(entrance, "connect_through", connect)
    address = parse_address("chat.example:8080")
    settings = Settings(
        address, "bob", Path("in"), "little", max_save=7, password=FilePassword("secret")
    )
    credentials = credentials_of(settings)
    door = door_of(settings, None)
    inbox = Inbox(settings.save_directory, settings.max_save)
    enter(settings, door, "bob", credentials, inbox)
    assert asked == {
        "given": (door, "bob"),
        "password": "secret",
        "session": None,
        "byte_order": "little",
        "inline": 7,
        "saver": inbox.saver,
    }
    assert credentials.session_of("bob") == "token"
    assert (door.runtime, door.address) == (GEVENT, address)


def test_all_that_the_settings_say_of_encryption_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    demanded: list[Demands] = []
    monkeypatch.setattr(entrance, "Door", lambda runtime, address, it: demanded.append(it))
    key = fingerprint_of_key(b"key")
    settings = Settings(
        tls="required", fingerprint=key, insecure=True, known_hosts=tmp_path / "known"
    )
    door_of(settings, bool)
    (demands,) = demanded
    assert demands == Demands("required", key, True, demands.known_hosts, bool)
    assert demands.known_hosts.path == tmp_path / "known"


def test_the_password_of_a_name_is_tried_for_another_only_if_one_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[str | None] = []

    def connect(*given: object, password: str | None, **named: Any) -> Connection:
        shown.append(password)
        if password is None:
            raise LoginRefused(Refusal.PASSWORD_NEEDED.value, "Everyone must know it here.")
        return FakeConnection().as_connection

    monkeypatch.setattr(entrance, "connect_through", connect)
    settings = Settings(username="bob", password=FilePassword("of the room"))
    inbox = Inbox(None, 7)
    enter(settings, door_of(settings, None), "robert", credentials_of(settings), inbox)
    assert shown == [None, "of the room"]
    with pytest.raises(LoginRefused, match="must know it"):
        enter(settings, door_of(settings, None), "robert", credentials_of(Settings()), inbox)


def test_nobody_is_asked_for_a_password_to_begin_with() -> None:
    assert credentials_of(Settings()).password_of("bob") is None


def test_what_helps_who_cannot_be_asked_for_a_password() -> None:
    needed = LoginRefused(Refusal.PASSWORD_NEEDED.value, "This name has a password.")
    assert advice(needed) == (
        "This name has a password. --password-file=<file> names a file with it."
    )
    assert advice(LoginRefused(Refusal.WRONG_PASSWORD.value, "It is wrong.")) == "It is wrong."
    assert advice(ConnectError("Nobody there.")) == "Nobody there."


@pytest.mark.parametrize(
    ("refusal", "shown", "asks"),
    [
        (Refusal.PASSWORD_NEEDED, None, True),
        (Refusal.WRONG_PASSWORD, "secret", True),
        (Refusal.TOO_MANY_ATTEMPTS, "secret", True),
        (Refusal.TOO_MANY_ATTEMPTS, None, False),  # too many connections, that is
        (Refusal.BANNED, "secret", False),
        (Refusal.USERNAME_EXISTS, None, False),
    ],
)
def test_who_is_asked_for_a_password(refusal: Refusal, shown: str | None, asks: bool) -> None:
    refused = LoginRefused(refusal.value, "No.")
    assert wants_password(refused, "bob", Credentials(shown, "bob")) is asks


def test_another_name_helps_against_refusals_of_a_name() -> None:
    assert {Refusal.USERNAME_EXISTS.value, Refusal.BAD_USERNAME.value} == NAME_REFUSALS
