"""Registered users and moderators as JSON lines."""

from __future__ import annotations

from chat.client.connection.events import Joined, StatusChanged
from tests.client.frontends.test_json_lines import NINE, TIMESTAMP, written


def test_a_join_tells_what_is_true_of_the_user() -> None:
    assert written(Joined("alice", NINE, registered=True)) == [
        {"type": "joined", "username": "alice", "timestamp": TIMESTAMP, "registered": True}
    ]


def test_a_change_tells_both() -> None:
    assert written(StatusChanged("alice", NINE, registered=True, moderator=False)) == [
        {
            "type": "status",
            "username": "alice",
            "timestamp": TIMESTAMP,
            "registered": True,
            "moderator": False,
        }
    ]
