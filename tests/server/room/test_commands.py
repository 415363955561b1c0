"""Commands that users send to the server: how they are executed and answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from gevent.event import Event

from chat.protocol.commands import Command, Verb
from chat.protocol.descriptor import MessageType
from chat.protocol.notices import NoticeCode
from chat.server.directory.member import Peer
from chat.server.room.commands import CommandAnswer, CommandRefused
from chat.server.settings import Rate
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer

UTF8, FILE = MessageType.UTF8, MessageType.FILE


def command(client: WireClient, verb: str, **fields: Any) -> None:
    client.send(UTF8, {"command": verb, **fields})


class Butler:
    """Execute ``register``, which every server has: wait until a test allows it, and record the commands."""

    def __init__(self, chat_server: TestServer) -> None:
        self.asked: list[tuple[str, Command]] = []
        self.may_go_on = Event()
        self.may_go_on.set()
        chat_server.parts.commands._handlers["register"] = self.answer

    def answer(self, peer: Peer, command: Command, nonce: str | None) -> CommandAnswer:
        self.asked.append((peer.name.display, command))
        self.may_go_on.wait()
        if command.password == "short":
            raise CommandRefused(NoticeCode.NOT_ALLOWED, "It is too short.")
        return CommandAnswer("It is done.", {})


@pytest.fixture
def butler(chat_server: TestServer) -> Butler:
    return Butler(chat_server)


def test_a_command_is_answered_to_its_sender_alone_with_its_nonce(
    chat_server: TestServer, butler: Butler
) -> None:
    alice, bob = chat_server.join("alice"), chat_server.join("bob")
    alice.expect_joined("bob")

    command(alice, "register", nonce="1", password="a long one")
    command(alice, "register", nonce="2", password="short")
    alice.say("next")

    assert alice.expect_notice("done", nonce="1").text == "It is done."
    assert alice.expect_notice("not-allowed", nonce="2").text == "It is too short."
    alice.expect_text("next", "alice")
    bob.expect_text("next", "alice")
    assert [(who, asked.password) for who, asked in butler.asked] == [
        ("alice", "a long one"),
        ("alice", "short"),
    ]


def test_a_command_that_nobody_knows_is_told_what_there_is(
    chat_server: TestServer, butler: Butler
) -> None:
    alice = chat_server.join("alice")

    command(alice, "make-coffee", nonce="n")

    assert "register" in alice.expect_notice("bad-command", nonce="n").text


@pytest.mark.parametrize(
    ("type", "header", "content"),
    [
        (UTF8, {}, b"content"),
        (UTF8, {"to": "bob"}, b""),
        (UTF8, {"to": "bob"}, b"content"),
        (FILE, {}, b""),
        (FILE, {}, b"content"),
        (UTF8, {"target": 7}, b""),
    ],
)
def test_a_command_with_more_than_belongs_to_it_is_not_done_and_reaches_nobody(
    chat_server: TestServer,
    butler: Butler,
    type: MessageType,
    header: dict[str, Any],
    content: bytes,
) -> None:
    alice, bob = chat_server.join("alice"), chat_server.join("bob")
    alice.expect_joined("bob")

    alice.send(type, {"command": "register", "nonce": "n", **header}, content)
    alice.say("next")

    alice.expect_notice("bad-header", nonce="n")
    bob.expect_text("next", "alice")
    assert not butler.asked


@pytest.mark.parametrize("type", [UTF8, FILE])
def test_a_transfer_connection_takes_no_commands(
    chat_server: TestServer, butler: Butler, type: MessageType
) -> None:
    alice = chat_server.join("alice")
    transfer = chat_server.transfer(alice)

    transfer.send(type, {"command": "register", "nonce": "n"})

    transfer.expect_notice("bad-type" if type is UTF8 else "bad-header", nonce="n")
    assert not butler.asked


def test_a_client_that_logged_in_raw_may_ask_too(chat_server: TestServer, butler: Butler) -> None:
    alice = chat_server.join("alice", raw=True)
    command(alice, "register")
    alice.expect_notice("done", nonce=None)


def test_a_command_that_waits_holds_up_nobody_but_its_sender(
    chat_server: TestServer, butler: Butler
) -> None:
    alice, bob = chat_server.join("alice"), chat_server.join("bob")
    alice.expect_joined("bob")
    butler.may_go_on.clear()

    command(alice, "register", nonce="n")
    alice.say("mine")
    wait_until(lambda: butler.asked, "the command")
    bob.say("hello")

    alice.expect_text("hello", "bob")
    butler.may_go_on.set()
    alice.expect_notice("done", nonce="n")
    alice.expect_text("mine", "alice")


def test_a_user_who_has_left_when_the_command_is_done_is_not_answered(
    chat_server: TestServer, butler: Butler
) -> None:
    alice, bob = chat_server.join("alice"), chat_server.join("bob")
    alice.expect_joined("bob")
    butler.may_go_on.clear()
    command(alice, "register")
    wait_until(lambda: butler.asked, "the command")
    chat_server.session("alice").give_up()

    butler.may_go_on.set()

    bob.expect_left("alice", "timed-out")
    assert alice.at_end()


def test_a_command_counts_against_the_rate_of_messages(
    open_a_chat_server: Callable[..., TestServer],
) -> None:
    chat_server = open_a_chat_server(rate=Rate(5, 1))
    Butler(chat_server)
    alice = chat_server.join("alice")
    began = time.monotonic()

    for _ in range(2):
        command(alice, "register")
        alice.expect_notice("done")

    assert time.monotonic() - began > 0.15


def test_what_is_done_already_is_not_added_again(chat_server: TestServer, butler: Butler) -> None:
    with pytest.raises(AssertionError):
        chat_server.parts.commands.add(Verb.REGISTER, butler.answer)
