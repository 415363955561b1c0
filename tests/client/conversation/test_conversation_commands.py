"""Commands for the server that a user gives in a conversation, and the questions that the client asks first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client.connection.events import Notice, Welcome
from chat.client.connection.receipts import Status
from chat.client.conversation.commands import Availability
from chat.client.conversation.conversation import Conversation
from chat.client.conversation.downloads import NOT_CONNECTED
from chat.client.conversation.inbox import Inbox
from chat.client.conversation.passwords import NO_TERMINAL
from chat.client.conversation.requests import (
    AskServer,
    ChangePassword,
    Reconnect,
    Register,
    Request,
    RequestError,
    Say,
)
from chat.client.conversation.ui_events import Asked, Done, Failed
from chat.client.desktop.open_rules import OpenRule
from chat.client.errors import NotSupported
from chat.protocol.commands import Command, Verb
from tests.client.fake_connection import NINE, Audience, FakeConnection, run_until_idle, spawn

KICK = AskServer(Command(Verb.KICK, "bob"))
PASSWD = AskServer(Command(Verb.PASSWD, password="old", new_password="new"))


class Room:
    """A conversation over a connection that the test holds the other end of."""

    def __init__(self, open_rules: tuple[OpenRule, ...] = ()) -> None:
        self.audience = Audience()
        self.learnt: list[str] = []
        self.wanted_names: list[str | None] = []  # under which to connect again
        self.conversation = Conversation(
            self.audience,
            inbox=Inbox(Path("in"), 500),
            spawn=spawn,
            where=Availability.PLAIN,
            leave=lambda: None,
            learn=self.learnt.append,
            reconnect=self.wanted_names.append,
            open_rules=open_rules,
        )
        self.connection = FakeConnection()
        self.connection.in_flight = self.conversation.unacknowledged.in_flight
        self.conversation.connection = self.connection.as_connection
        self.conversation.resumer.take(Welcome("bob", NINE))
        self.sender = spawn(
            self.conversation.resumer.send_all,
            self.connection.as_connection,
            lambda item: self.conversation.send(self.connection.as_connection, item),
        )

    def do(self, request: Request, tag: int | None = None) -> None:
        self.conversation.do(Asked(request, tag))
        run_until_idle()

    def answer(self, status: Status, code: str, sentence: str) -> None:
        """Answer the last command by a notice like the server's."""
        receipt = self.connection.sent[-1]
        if status is Status.ACCEPTED:
            receipt.settle(status, answer=sentence)
        else:
            receipt.settle(status, code, sentence)
        self.conversation.handle_event(Notice(code, sentence, NINE, receipt))


@pytest.fixture
def room() -> Iterator[Room]:
    made = Room()
    yield made
    made.sender.kill()


@pytest.mark.parametrize("tag", [None, 7])
def test_the_answer_is_told_whoever_asked(room: Room, tag: int | None) -> None:
    room.do(KICK, tag)
    assert [receipt.command for receipt in room.connection.sent] == [KICK.command]
    room.answer(Status.ACCEPTED, "done", "bob had to leave.")
    assert room.audience.news == [Done(tag, "bob had to leave.")]
    assert room.conversation.failures == 0
    assert room.learnt == []


def test_a_refusal_counts(room: Room) -> None:
    room.do(KICK, 7)
    room.answer(Status.REFUSED, "not-allowed", "Only moderators may.")
    assert room.audience.news == [Failed("not-allowed", "Only moderators may.", 7)]
    assert room.conversation.failures == 1


def test_after_a_lost_connection_nobody_can_know(room: Room) -> None:
    room.do(PASSWD, 7)
    room.sender.kill()
    room.conversation.unacknowledged.connection_ended()
    assert [failed.code for failed in room.audience.of(Failed)] == ["lost"]
    assert room.conversation.unacknowledged.is_empty
    assert room.learnt == []


def test_the_password_that_holds_from_now_on_is_kept_once_it_does(room: Room) -> None:
    room.do(PASSWD)
    room.answer(Status.REFUSED, "wrong-password", "No.")
    assert room.learnt == []
    room.do(AskServer(Command(Verb.REGISTER, password="first")))
    room.answer(Status.ACCEPTED, "done", "Done.")
    room.do(PASSWD)
    room.answer(Status.ACCEPTED, "done", "Done.")
    assert room.learnt == ["first", "new"]


def test_commands_keep_their_place_among_texts(room: Room) -> None:
    room.conversation.do(Asked(Say("This is the last warning.")))
    room.conversation.do(Asked(KICK))
    run_until_idle()
    assert [receipt.text for receipt in room.connection.sent] == ["This is the last warning.", None]


def test_nothing_is_asked_without_a_connection(room: Room) -> None:
    room.conversation.connection = None
    room.do(KICK)
    assert [failed.sentence for failed in room.audience.of(Failed)] == [NOT_CONNECTED]
    assert room.connection.sent == []


def test_an_original_server_takes_none(room: Room) -> None:
    room.connection.refuse_with = NotSupported("This server is an original one.")
    room.do(KICK)
    assert [failed.code for failed in room.audience.of(Failed)] == ["not-supported"]


@pytest.mark.parametrize("request_", [Register(), ChangePassword()])
def test_a_frontend_that_cannot_ask_refuses(room: Room, request_: Request) -> None:
    room.do(request_)
    assert [failed.sentence for failed in room.audience.of(Failed)] == [NO_TERMINAL]


def test_nobody_is_asked_for_a_password_that_could_not_be_sent(room: Room) -> None:
    room.conversation.check_privacy()
    room.connection.original = True
    with pytest.raises(RequestError, match="has no accounts"):
        room.conversation.check_privacy()
    room.connection.original = room.connection.is_private = False
    with pytest.raises(RequestError, match="not encrypted"):
        room.conversation.check_privacy()
    room.conversation.connection = None
    with pytest.raises(RequestError, match="Not connected"):
        room.conversation.check_privacy()


def test_connecting_again_needs_no_connection(room: Room) -> None:
    room.conversation.connection = None
    room.do(Reconnect(), tag=1)
    room.do(Reconnect("robert"))
    assert room.wanted_names == [None, "robert"]
    assert room.audience.news == [Done(1)]
