from __future__ import annotations

from chat.client.program.credentials import Credentials
from tests.client.fake_connection import FakeConnection


def test_a_password_is_that_of_a_name() -> None:
    credentials = Credentials("secret", "Bob")
    assert credentials.password_of("bob") == "secret"
    assert credentials.password_of("alice") is None


def test_a_password_of_nobody_yet_is_that_of_who_comes_first() -> None:
    credentials = Credentials("secret")
    assert credentials.password_of("alice") == "secret"
    assert credentials.password_of("bob") is None


def test_it_may_be_the_rooms_too() -> None:
    credentials = Credentials("secret", "bob")
    assert credentials.may_try_rooms("alice")
    assert credentials.password_of("alice") == "secret"
    assert not credentials.may_try_rooms("alice")  # it was shown


def test_what_was_shown_or_is_not_there_is_not_tried_again() -> None:
    assert not Credentials("secret", "bob").may_try_rooms("bob")
    assert not Credentials(None, "bob").may_try_rooms("alice")


def test_what_was_learnt_of_a_name_is_for_that_name() -> None:
    credentials = Credentials()
    credentials.learn("Bob", "secret")
    assert credentials.password_of("bob") == "secret"
    assert credentials.password_of("alice") is None
    credentials.learn("bob", "another")
    assert credentials.password_of("BOB") == "another"


def test_a_name_may_have_none_although_the_room_has() -> None:
    credentials = Credentials("of the room", "bob")
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
