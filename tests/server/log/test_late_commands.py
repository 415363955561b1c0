"""Commands that change what users share are operations: they take effect when the log commits them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chat.protocol.commands import Verb
from chat.protocol.descriptor import MessageType
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.log.log import Change
from chat.server.log.operations import UnknownOperation
from chat.server.room.commands import COMMAND
from chat.server.rooms.room import ChatRoom
from tests.server.fakes import wait_until
from tests.server.late_log import LateLog
from tests.server.log.test_late_log import log_of
from tests.server.membership.visitors import Visitor, come
from tests.server.server_in_test import TestServer

UNLIMITED = {"rate": None, "byte_rate": None}


@pytest.fixture
def server(open_a_chat_server: Callable[..., TestServer]) -> Iterator[TestServer]:
    server = open_a_chat_server(make_log=LateLog, **UNLIMITED)
    yield server
    log = log_of(server)
    log.holds_changes = log.is_full = False
    log.commit()


def hold(server: TestServer) -> LateLog:
    """From now on, changes wait for ``commit``."""
    log = log_of(server)
    log.holds_changes = True
    return log


def send(server: TestServer, user: Visitor, command: str, **fields: Any) -> None:
    """Send a command with the nonce "late", and wait until the log has it."""
    log = log_of(server)
    before = len(log.waiting)
    user.send(MessageType.UTF8, {"command": command, "nonce": "late", **fields})
    wait_until(lambda: len(log.waiting) > before, "the command to be appended")


def answer(user: Visitor) -> str:
    while True:
        frame = user.read_frame()
        if frame.header.get("nonce") == "late":
            return str(frame.header["notice"])


def test_a_room_is_made_when_the_log_has_the_command(server: TestServer) -> None:
    alice, bob = come(server, "alice"), come(server, "bob")
    log = hold(server)
    send(server, alice, "join", room="Kitchen")
    assert server.parts.service.rooms.find("kitchen") is None

    log.commit()

    assert answer(alice) == "done"
    send(server, bob, "join", room="kitchen")
    log.commit()
    assert answer(bob) == "done"
    assert alice.presence() == ["+ bob Kitchen"]


def test_a_command_has_the_names_of_its_keys_in_the_log_and_no_password(
    server: TestServer,
) -> None:
    alice = come(server, "alice")
    log = hold(server)
    send(server, alice, "join", room="kitchen", password="secret")
    [change] = log.waiting

    assert isinstance(change, Change)
    assert (change.name, change.actor) == (COMMAND, server.session("alice"))
    assert change.fields == {"command": "join", "room": "kitchen", "nonce": "late"}


def test_of_two_commands_the_one_that_the_log_has_first_counts(server: TestServer) -> None:
    alice, bob, eve = come(server, "alice"), come(server, "bob"), come(server, "eve")
    server.session("alice").moderator = server.session("bob").moderator = True
    log = hold(server)
    send(server, alice, "mute", target="eve")
    send(server, bob, "unmute", target="eve")
    log.waiting.reverse()

    log.commit()

    assert answer(bob) == "bad-command", "she was not muted then"
    assert answer(alice) == "done"
    assert server.parts.moderation.entries.mute_of("eve") is not None
    eve.close()


def test_the_command_of_a_user_who_has_left_meanwhile_does_nothing(server: TestServer) -> None:
    alice, bob = come(server, "alice"), come(server, "bob")
    log = hold(server)
    send(server, alice, "join", room="kitchen")
    [change] = log.waiting
    server.session("alice").eject(LeaveReason.KICKED, NoticeCode.MODERATED, "Go.")
    log.commit()

    assert isinstance(change, Change)
    assert change.outcome is not None
    with pytest.raises(Exception, match="Your session has ended") as refused:
        change.outcome.get()
    assert refused.value.notice is NoticeCode.GONE  # type: ignore[attr-defined]
    assert server.parts.service.rooms.find("kitchen") is None
    bob.close()


def test_a_full_log_refuses_a_command_with_its_reason(server: TestServer) -> None:
    alice = come(server, "alice")
    log = hold(server)
    log.is_full = True

    refused = alice.ask(command="join", room="kitchen")

    assert refused.header["notice"] == "no-space"
    assert refused.text == "The server is overloaded; try again in a moment."


def test_a_command_that_only_asks_waits_for_no_log(server: TestServer) -> None:
    alice = come(server, "alice")
    hold(server)
    assert alice.do("names").header["here"] == 1
    assert alice.do("rooms").header["count"] == 1


@pytest.mark.parametrize(
    "verb",
    [verb.value for verb in Verb if verb not in (Verb.REGISTER, Verb.PASSWD, Verb.FORGET)],
)
def test_each_command_that_changes_what_users_share_is_in_the_log(
    server: TestServer, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = [
        "bans",
        "ping",
        "history",
        "search",
        "files",
        "devices",
        "blocks",
        "rooms",
        "names",
        "purge",
        "read",  # of a guest, who has no marks
    ]
    alice = come(server, "alice")
    # A user without the right is refused without the log.
    server.session("alice").moderator = True
    monkeypatch.setattr(ChatRoom, "is_owner", lambda room, member: True)
    log = hold(server)
    alice.send(
        MessageType.UTF8,
        {"command": verb, "nonce": "late", "room": "lobby", "seq": 1, "target": "bob"},
    )
    if verb in reads:
        assert answer(alice)
    else:
        wait_until(lambda: log.waiting, "the command to be appended")


def test_a_command_of_a_newer_version_stops_this_one(server: TestServer) -> None:
    come(server, "alice")
    change = Change(COMMAND, {"command": "make-coffee"}, server.session("alice"))
    with pytest.raises(UnknownOperation, match="make-coffee"):
        server.parts.operations.carry_out(change)
