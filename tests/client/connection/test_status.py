"""Which users of the room are registered and moderators, as the library keeps it."""

from __future__ import annotations

import pytest

from chat.client.connection.events import Joined, StatusChanged, Welcome
from chat.client.connection.receipts import Status
from chat.protocol.descriptor import MessageType
from chat.protocol.errors import HeaderError
from tests.client.connection.test_session_state import AT_NOON, Hall

LOGIN, LOGOUT, UTF8 = MessageType.LOGIN, MessageType.LOGOUT, MessageType.UTF8


@pytest.fixture
def hall() -> Hall:
    hall = Hall()
    hall.welcome(users=["alice", "bob"], registered=["bob"], moderators=["bob"])
    return hall


def test_the_welcome_tells_it() -> None:
    event = Hall().welcome(users=["alice", "bob"], registered=["bob", 1], moderators="bob")
    assert isinstance(event, Welcome)
    assert (event.registered, event.moderators) == (("bob",), ())


def test_a_server_that_tells_nothing(hall: Hall) -> None:
    hall = Hall()
    hall.welcome(users=["alice", "bob"])
    assert (hall.room.registered, hall.room.moderators) == (set(), set())


def test_users_who_are_not_here_are_not_kept() -> None:
    hall = Hall()
    hall.welcome(users=["alice"], registered=["alice", "dave"], moderators=["dave"])
    assert (hall.room.registered, hall.room.moderators) == ({"alice"}, set())


def test_a_join_tells_it_and_a_leave_ends_it(hall: Hall) -> None:
    assert hall.hear(LOGIN, "carol", registered=True) == Joined("carol", AT_NOON, True, False)
    assert hall.hear(LOGIN, "eve") == Joined("eve", AT_NOON)
    assert hall.room.registered == {"bob", "carol"}
    hall.hear(LOGOUT, "bob")
    assert (hall.room.registered, hall.room.moderators) == ({"carol"}, set())


def test_a_user_who_comes_back_as_a_guest_is_one(hall: Hall) -> None:
    """A new login can replace a session without a Logout between."""
    hall.hear(LOGIN, "bob")
    assert (hall.room.registered, hall.room.moderators) == (set(), set())


def test_a_change(hall: Hall) -> None:
    told = hall.hear(
        UTF8, "server", b"...", notice="status", user="alice", registered=True, moderator=False
    )
    assert told == StatusChanged("alice", AT_NOON, True, False)
    hall.hear(UTF8, "server", notice="status", user="bob", registered=True, moderator=False)
    assert (hall.room.registered, hall.room.moderators) == ({"alice", "bob"}, set())


def test_a_change_answers_no_message(hall: Hall) -> None:
    receipt = hall.sent()
    hall.hear(UTF8, "server", notice="status", user="bob", registered=True)
    assert receipt.status is Status.WAITING


def test_a_change_of_nobody_is_invalid(hall: Hall) -> None:
    with pytest.raises(HeaderError):
        hall.hear(UTF8, "server", notice="status", registered=True)
