from __future__ import annotations

from chat.client.credentials import Credentials
from tests.client.fake_connection import FakeConnection


def test_one_password_for_every_name() -> None:
    credentials = Credentials("of the room")
    assert credentials.password_of("bob") == credentials.password_of("alice") == "of the room"


def test_what_was_learnt_of_a_name_is_for_that_name() -> None:
    credentials = Credentials()
    credentials.learn("Bob", "secret")
    assert credentials.password_of("bob") == "secret"
    assert credentials.password_of("alice") is None
    credentials.learn("bob", "another")
    assert credentials.password_of("BOB") == "another"


def test_a_name_may_have_none_although_the_room_has() -> None:
    credentials = Credentials("of the room")
    credentials.learn("bob", None)
    assert credentials.password_of("bob") is None


def test_the_session_of_the_last_connection_under_a_name() -> None:
    credentials, connection = Credentials(), FakeConnection()
    assert credentials.session_of("bob") is None
    credentials.remember(connection.as_connection)
    connection.session = "the second"
    credentials.remember(connection.as_connection)
    assert credentials.session_of("Bob") == "the second"
    assert credentials.session_of("alice") is None


def test_an_original_server_has_no_sessions() -> None:
    credentials, connection = Credentials(), FakeConnection(original=True)
    connection.session = None
    credentials.remember(connection.as_connection)
    assert credentials.session_of("bob") is None
