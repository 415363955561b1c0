"""Several servers of one chat, for programs."""

from __future__ import annotations

from chat.client.connection.events import Welcome
from chat.client.conversation.ui_events import Unconfirmed
from chat.client.resuming.events import Disconnected
from tests.client.frontends.test_json_lines import NINE, TIMESTAMP, written


def test_the_name_of_the_server_is_in_the_welcome() -> None:
    (welcome,) = written(Welcome("bob", NINE, ("bob",), node="b"))
    assert welcome["node"] == "b"
    (alone,) = written(Welcome("bob", NINE, ("bob",)))
    assert "node" not in alone


def test_a_program_can_tell_that_the_next_try_is_elsewhere() -> None:
    lost = {"type": "disconnected", "message": "It broke.", "retry_in": 0.25}
    assert written(Disconnected("It broke.", 0.25)) == [lost]
    assert written(Disconnected("It broke.", 0.25, elsewhere=True)) == [{**lost, "elsewhere": True}]


def test_messages_that_wait_at_the_server() -> None:
    assert written(Unconfirmed(NINE)) == [{"type": "unconfirmed", "since": TIMESTAMP}]
    assert written(Unconfirmed(None)) == [{"type": "unconfirmed"}]
