"""Moderation on real sockets: the server removes a user, tells the others, and refuses or accepts a new login."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.notices import NoticeCode
from chat.server.moderation import bans
from tests.server.moderators import (
    ask,
    bob_who_moderates,
    command,
    expect_told,
    refused,
    try_login,
)
from tests.server.server_in_test import TestServer

UTF8, FILE = MessageType.UTF8, MessageType.FILE
M = 1024**2

OpenTestServer = Callable[..., TestServer]


@pytest.fixture
def chat_server(open_a_chat_server: OpenTestServer, monkeypatch: pytest.MonkeyPatch) -> TestServer:
    """Return a server that treats this machine's addresses like any others."""
    monkeypatch.setattr(bans, "_LOOPBACK", ())
    return open_a_chat_server(exempt=())


# Kicks


def test_a_kicked_user_is_told_and_so_is_everyone_else(chat_server: TestServer) -> None:
    bob, alice, carol = (
        bob_who_moderates(chat_server),
        chat_server.join("Alice"),
        chat_server.join("carol"),
    )
    alice.expect_joined("carol")

    assert command(bob, "kick", "alice", reason="spam", nonce="n") == "Alice was kicked."

    told = alice.expect_notice("moderated", nonce=None).text
    assert told == "You were kicked by bob: spam."
    alice.expect_closed()
    carol.expect_left("Alice", "kicked")
    expect_told(carol, "Alice was kicked by bob: spam.")
    chat_server.join("Alice")


def test_a_moderator_is_told_once(chat_server: TestServer) -> None:
    bob, carol = bob_who_moderates(chat_server), chat_server.join("carol")
    bob.expect_joined("carol")
    for verb in ("ban", "unban", "mute", "unmute"):
        ask(bob, verb, "alice", reason="spam")
        assert bob.read_frame().header["notice"] == "done"
    bob.say("that was all")

    assert bob.read_frame().text == "that was all"
    told = [carol.read_frame().text for _ in range(5)]
    assert [" ".join(text.split()[:4]) for text in told] == [
        *("alice was banned by", "The ban of alice", "alice was muted by", "alice was unmuted by"),
        "that was all",
    ]


def test_a_guest_with_a_name_like_an_address_can_be_banned(chat_server: TestServer) -> None:
    bob = bob_who_moderates(chat_server)
    assert refused(bob, "ban", "300.1.1.1") == "bad-command"
    chat_server.join("300.1.1.1")

    assert command(bob, "ban", "300.1.1.1").startswith("300.1.1.1 and all names that look like it")
    assert "300.1.1.1" not in chat_server.here()
    assert command(bob, "unban", "300.1.1.1") == "No longer banned: 300.1.1.1."


@pytest.mark.parametrize("verb", ["kick", "ban", "unban", "bans", "mute", "unmute"])
def test_none_but_moderators_may(chat_server: TestServer, verb: str) -> None:
    chat_server.join("alice")
    eve = chat_server.join("eve")

    assert refused(eve, verb, "alice") == "not-allowed"
    assert "alice" in chat_server.here()
    assert not chat_server.parts.moderation.entries.all()


@pytest.mark.parametrize("verb", ["kick", "ban", "mute"])
@pytest.mark.parametrize("target", ["alice", "ALICE", "bob"])
def test_moderators_are_not_acted_on(chat_server: TestServer, verb: str, target: str) -> None:
    chat_server.join("alice")
    chat_server.session("alice").moderator = True
    bob = bob_who_moderates(chat_server)

    assert refused(bob, verb, target) == "not-allowed"


@pytest.mark.parametrize("verb", ["ban", "mute"])
def test_moderators_who_are_not_here_are_not_acted_on(
    chat_server: TestServer, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    bob = bob_who_moderates(chat_server)
    monkeypatch.setattr(chat_server.parts.moderation, "_is_moderators", {"alice"}.__contains__)

    assert refused(bob, verb, "Alice") == "not-allowed"
    assert command(bob, verb, "eve")


@pytest.mark.parametrize(
    ("verb", "target", "fields", "code"),
    [
        ("kick", "nobody", {}, "no-such-user"),
        ("kick", "", {}, "bad-command"),
        ("kick", None, {}, "bad-command"),
        ("kick", "eve", {"reason": "x" * 201}, "bad-command"),
        ("ban", None, {}, "bad-command"),
        ("ban", "no name!", {}, "bad-command"),
        ("ban", "eve", {"seconds": 0}, "bad-command"),
        ("ban", "eve", {"seconds": 2**63 - 1}, "bad-command"),
        ("ban", "eve", {"reason": "x" * 201}, "bad-command"),
        ("ban", "10.0.0.0/8", {}, "bad-command"),
        ("ban", "127.0.0.1", {}, "not-allowed"),  # the moderator's own
        ("unban", "eve", {}, "bad-command"),
        ("unban", "203.0.113.5", {}, "bad-command"),
        ("mute", "no name!", {}, "bad-command"),
        ("mute", "eve", {"seconds": 0}, "bad-command"),
        ("unmute", "eve", {}, "bad-command"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_changes(
    chat_server: TestServer, verb: str, target: str | None, fields: dict[str, Any], code: str
) -> None:
    bob = bob_who_moderates(chat_server)
    eve = chat_server.join("eve")
    bob.expect_joined("eve")

    assert refused(bob, verb, target, **fields) == code
    bob.say("next")

    eve.expect_text("next", "bob")
    assert not chat_server.parts.moderation.entries.all()


# Bans


def test_a_ban_is_of_the_name_what_looks_like_it_and_the_address(chat_server: TestServer) -> None:
    bob = bob_who_moderates(chat_server)
    alice = chat_server.join("Alice", source="127.0.0.2")
    carol = chat_server.join("carol", source="127.0.0.3")

    done = command(bob, "ban", "alice", reason="spam")

    assert done == (
        "alice and all names that look like it are banned until further notice, and so is 127.0.0.2."
        " Disconnected: Alice. This lasts until the server stops."
    )
    alice.expect_joined("carol")
    told = alice.expect_notice("moderated").text
    assert told == "You are banned until further notice: spam."
    alice.expect_closed()
    carol.expect_left("Alice", "banned")
    expect_told(carol, "alice was banned by bob until further notice: spam.")
    assert try_login(chat_server, "ALICE") == "banned"
    assert try_login(chat_server, "a1ice") == "banned"
    assert try_login(chat_server, "dave", "127.0.0.2") == "banned"
    assert try_login(chat_server, "alicia") is None


def test_lookalikes_and_users_of_the_same_address_go_too(chat_server: TestServer) -> None:
    bob = bob_who_moderates(chat_server)
    chat_server.join("alice", source="127.0.0.2")
    chat_server.join("a1ice", source="127.0.0.3")
    chat_server.join("carol", source="127.0.0.2")
    chat_server.join("dave", source="127.0.0.2")
    chat_server.session("dave").moderator = True

    done = command(bob, "ban", "alice")

    assert "Disconnected: alice, a1ice, carol." in done
    assert set(chat_server.here()) == {"bob", "dave"}


def test_the_owner_of_a_name_stays_when_a_lookalike_is_banned(
    chat_server: TestServer,
) -> None:
    bob = bob_who_moderates(chat_server)
    alice = chat_server.join("alice")
    chat_server.session("alice").account_id = b"an account"

    command(bob, "ban", "a1ice")
    bob.say("next")

    alice.expect(UTF8, notice="moderated")
    alice.expect_text("next", "bob")


def test_an_address_is_banned_by_itself(chat_server: TestServer) -> None:
    bob = bob_who_moderates(chat_server)
    alice = chat_server.join("alice", source="127.0.0.2")
    carol = chat_server.join("carol")

    done = command(bob, "ban", "127.0.0.2", seconds=3600, reason="noise")

    assert done.startswith("127.0.0.2 is banned until 20")
    assert "Disconnected: alice." in done
    alice.expect_joined("carol")
    assert alice.expect_notice("moderated").text.startswith("Your address is banned until 20")
    alice.expect_closed()
    carol.expect_left("alice", "banned")
    told = carol.expect(UTF8, sender="server", notice="moderated").text
    assert told.startswith("An address was banned by bob until 20")
    assert "127" not in told, "that is nobody else's business"
    assert try_login(chat_server, "dave", "127.0.0.2") == "banned"
    assert try_login(chat_server, "alice") is None


def test_a_banned_address_is_told_until_when_and_why_and_closed(chat_server: TestServer) -> None:
    bob = bob_who_moderates(chat_server)
    command(bob, "ban", "127.0.0.2", reason="noise")

    guest = chat_server.connect(source="127.0.0.2")
    reply = guest.try_login({"to": "dave"})

    assert reply.type == MessageType.BAD_LOGIN
    assert reply.header == {
        "error": "banned",
        "message": "Your address is banned until further notice: noise.",
    }
    guest.expect_closed()


@pytest.mark.parametrize("exempt", [True, False])
def test_an_address_that_is_exempt_or_this_machines_is_not_banned(
    open_a_chat_server: OpenTestServer, monkeypatch: pytest.MonkeyPatch, exempt: bool
) -> None:
    if exempt:
        monkeypatch.setattr(bans, "_LOOPBACK", ())
        chat_server = open_a_chat_server()
    else:
        chat_server = open_a_chat_server(exempt=())
    bob = bob_who_moderates(chat_server)
    chat_server.join("alice", source="127.0.0.2")
    bob.expect_joined("alice")

    assert refused(bob, "ban", "127.0.0.2") == "not-allowed"
    assert "this server never bans it" in command(bob, "ban", "alice")
    assert try_login(chat_server, "alice", "127.0.0.2") == "banned"
    assert try_login(chat_server, "carol", "127.0.0.2") is None


def test_a_moderator_does_not_ban_their_own_address_with_another(chat_server: TestServer) -> None:
    bob = bob_who_moderates(chat_server)
    chat_server.join("alice")

    assert "it is yours too" in command(bob, "ban", "alice")
    bob.say("still here")
    bob.read_until(UTF8, b"still here")
    assert try_login(chat_server, "carol") is None


def test_a_ban_is_lifted_with_its_address(chat_server: TestServer) -> None:
    bob = bob_who_moderates(chat_server)
    carol = chat_server.join("carol")
    chat_server.join("alice", source="127.0.0.2")
    command(bob, "ban", "alice")
    command(bob, "ban", "127.0.0.3")
    carol.read_until(UTF8, b"An address was banned by bob until further notice.")

    assert command(bob, "unban", "ALICE") == "No longer banned: alice, 127.0.0.2."
    assert command(bob, "unban", "127.0.0.3") == "No longer banned: 127.0.0.3."

    expect_told(carol, "The ban of alice was lifted by bob.")
    chat_server.join("alice", source="127.0.0.2")
    chat_server.join("dave", source="127.0.0.3")


def test_the_list_says_all_that_is_in_force(chat_server: TestServer) -> None:
    bob = bob_who_moderates(chat_server)
    assert command(bob, "bans") == "Nobody is banned or muted."
    command(bob, "ban", "Alice", reason="spam")
    command(bob, "mute", "eve")

    assert sorted(command(bob, "bans").splitlines()) == [
        "Alice is banned by bob, until further notice: spam.",
        "eve is muted by bob, until further notice.",
    ]


def test_more_than_can_be_kept_is_refused(
    chat_server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.server.moderation.moderation.MAX_ENTRIES", 2)
    bob = bob_who_moderates(chat_server)
    command(bob, "ban", "alice")
    command(bob, "mute", "eve")

    assert refused(bob, "ban", "mallory") == "no-space"
    assert command(bob, "unmute", "eve")
    assert command(bob, "ban", "mallory")


def test_the_upload_of_a_kicked_user_ends_and_reaches_nobody(chat_server: TestServer) -> None:
    bob = bob_who_moderates(chat_server)
    alice = chat_server.join("alice", source="127.0.0.2")
    transfer = chat_server.transfer(alice)
    transfer.send_bytes(transfer.encode(FILE, content_size=M) + b"x" * 1000)
    alice.send_bytes(alice.encode(FILE, content_size=M) + b"x" * 1000)
    chat_server.upload_begins(2 * M)

    command(bob, "ban", "alice")

    assert transfer.at_end()
    alice.expect_notice("moderated")
    alice.close()
    chat_server.space_is_given_back()
    bob.say("next")
    bob.expect_text("next", "bob")


def test_the_log_says_who_did_what_to_whom(
    chat_server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    bob = bob_who_moderates(chat_server)
    chat_server.join("alice", source="127.0.0.2")

    command(bob, "ban", "alice", reason="spam\nbob left: quit")

    [line] = [message for message in caplog.messages if message.startswith("bob bans")]
    assert line == "bob bans alice and 127.0.0.2 until further notice: spam bob left: quit."


# Messages in the room do not disturb


def test_an_announcement_answers_nobodys_message(chat_server: TestServer) -> None:
    bob, alice = bob_who_moderates(chat_server), chat_server.join("alice")
    chat_server.parts.service.announce(NoticeCode.MODERATED, "eve was kicked.")
    alice.say("hello")
    told = alice.expect(UTF8, sender="server")
    assert told.header.keys() == {"from", "timestamp", "notice"}
    alice.expect_text("hello", "alice")
    bob.expect_joined("alice")
