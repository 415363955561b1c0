"""Members hear who is registered and a moderator: at a join, in the welcome, and when it changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.attachments.spool import Spool
from tests.server.fakes import FakeMember, run_ready_greenlets
from tests.server.room_alone import RoomAlone


@pytest.fixture
def chat_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoomAlone]:
    chat_server = RoomAlone(Spool(tmp_path_factory.mktemp("spool"), 1 << 30))
    yield chat_server
    chat_server.broadcast.stop()


def member(name: str, *, registered: bool = False, moderator: bool = False) -> FakeMember:
    made = FakeMember(name)
    made.account_id, made.moderator = b"an account" if registered else None, moderator
    return made


def welcome_of(chat_server: RoomAlone, name: str) -> dict[str, Any]:
    newcomer = member(name)
    chat_server.join(newcomer, lambda listed, facts: listed)
    run_ready_greenlets()
    welcome: dict[str, Any] = json.loads(newcomer.frames[1].content)
    chat_server.leave(newcomer)
    return welcome


def headers(of: FakeMember) -> list[dict[str, Any]]:
    run_ready_greenlets()
    found = [json.loads(frame.header) for frame in of.frames if frame.header]
    return [{key: header[key] for key in header.keys() - {"timestamp"}} for header in found]


def test_a_join_tells_what_the_user_is(chat_server: RoomAlone) -> None:
    carol = chat_server.enter("carol")
    for newcomer in (
        member("alice", registered=True, moderator=True),
        member("bob", registered=True),
        member("eve"),
    ):
        chat_server.join(newcomer)
    assert headers(carol)[-3:] == [
        {"from": "alice", "registered": True, "moderator": True},
        {"from": "bob", "registered": True},
        {"from": "eve"},
    ]


def test_the_welcome_lists_those_who_are_here_and_nobody_else(chat_server: RoomAlone) -> None:
    alice, bob = member("alice", registered=True, moderator=True), member("bob", registered=True)
    chat_server.join(alice)
    chat_server.join(bob)
    assert welcome_of(chat_server, "eve") == {
        "users": ["alice", "bob", "eve"],
        "registered": ["alice", "bob"],
        "moderators": ["alice"],
    }
    chat_server.leave(alice)
    assert welcome_of(chat_server, "eve") == {
        "users": ["bob", "eve"],
        "registered": ["bob"],
        "moderators": [],
    }


def test_a_change_reaches_those_who_asked_for_it(chat_server: RoomAlone) -> None:
    bob, carol = chat_server.enter("bob"), chat_server.enter("carol")
    raw = chat_server.enter("raw")
    bob.wants_status = carol.wants_status = True
    bob.became_registered()
    chat_server.room.tell_status(bob)
    bob.moderator = True
    chat_server.room.tell_status(bob)
    told = {"from": "server", "notice": "status", "user": "bob", "registered": True}
    for hearer in (bob, carol):
        assert headers(hearer)[-2:] == [
            {**told, "moderator": False},
            {**told, "moderator": True},
        ]
    assert carol.frames[-1].type == MessageType.UTF8
    assert carol.frames[-1].content == b"bob is a moderator now."
    assert not any(header.get("notice") for header in headers(raw))
    assert welcome_of(chat_server, "eve")["moderators"] == ["bob"]


def test_an_account_that_is_gone_is_told_too(chat_server: RoomAlone) -> None:
    bob, carol = member("bob", registered=True, moderator=True), chat_server.enter("carol")
    carol.wants_status = True
    chat_server.join(bob)
    bob.lost_account()
    chat_server.room.tell_status(bob)
    run_ready_greenlets()
    assert carol.frames[-1].content == b"bob is no longer registered."
    welcome = welcome_of(chat_server, "eve")
    assert (welcome["registered"], welcome["moderators"]) == ([], [])


def test_a_user_who_has_left_is_not_told_of(chat_server: RoomAlone) -> None:
    bob, carol = chat_server.enter("bob"), chat_server.enter("carol")
    carol.wants_status = True
    chat_server.leave(bob)
    bob.became_registered()
    chat_server.room.tell_status(bob)
    assert not any(header.get("notice") for header in headers(carol))
