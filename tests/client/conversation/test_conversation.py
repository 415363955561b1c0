from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from chat.client.connection.events import Attachment, Joined, Notice, Text, Welcome
from chat.client.connection.receipts import Status
from chat.client.conversation.commands import COMMANDS, Availability
from chat.client.conversation.conversation import Conversation
from chat.client.conversation.downloads import NOT_CONNECTED
from chat.client.conversation.inbox import Inbox
from chat.client.conversation.requests import (
    Cancel,
    Get,
    Help,
    ListTransfers,
    Quit,
    Reply,
    Request,
    Say,
    SendFile,
    Who,
    WhoIs,
)
from chat.client.conversation.transfer_list import TransferState
from chat.client.conversation.ui_events import (
    Announced,
    Asked,
    Done,
    Explanation,
    Failed,
    Tag,
    TransferChanged,
    TransferListing,
    UiEvent,
    UserFound,
    UserList,
)
from chat.client.errors import ConnectionLost, NotSent, NotSupported
from chat.protocol.descriptor import MessageType
from tests.client.fake_connection import NINE, Audience, FakeConnection, run_until_idle, spawn


class Room:
    """A conversation over a connection that the test holds the other end of."""

    def __init__(self, **options: Any) -> None:
        self.audience = Audience()
        self.left = False
        self.conversation = Conversation(
            self.audience,
            inbox=Inbox(Path("in"), 500),
            spawn=spawn,
            where=Availability.PLAIN,
            leave=self._leave,
            **options,
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

    def _leave(self) -> None:
        self.left = True

    def do(self, request: Request, tag: Tag = None) -> None:
        self.conversation.do(Asked(request, tag))
        run_until_idle()

    def hear(self, sender: str = "alice", to: str | None = None, own: bool = False) -> None:
        self.conversation.handle_event(Text(sender, NINE, "hi", to, own))

    def answer(self, status: Status = Status.ACCEPTED, code: str = "", sentence: str = "") -> None:
        """Answer as a server does, which also says a sentence to that effect."""
        self.connection.answer(status, code, sentence)
        self.hear("bob", own=True)

    def said(self) -> list[tuple[str | None, str | None]]:
        return [(receipt.text, receipt.to) for receipt in self.connection.sent]


@pytest.fixture
def room() -> Iterator[Room]:
    made = Room()
    yield made
    made.sender.kill()


def test_texts_are_said_in_order(room: Room) -> None:
    room.do(Say("one"))
    room.do(Say("two", "alice"))
    assert room.said() == [("one", None), ("two", "alice")]


def test_the_outcome_of_a_text_is_told_to_who_gave_an_id(room: Room) -> None:
    room.do(Say("one"), tag=1)
    room.do(Say("two"))
    assert not room.audience.of(Done)
    room.answer()
    assert room.audience.of(Done) == [Done(1)]
    assert room.conversation.failures == 0


def test_a_refusal_is_told(room: Room) -> None:
    room.do(Say("psst", "zed"), tag=1)
    room.answer(Status.REFUSED, "no-such-user", "No user with this name is here.")
    assert room.audience.of(Failed) == [
        Failed("no-such-user", "No user with this name is here.", 1)
    ]
    assert room.conversation.failures == 1


def test_the_notice_of_a_refusal_is_not_told_a_second_time(room: Room) -> None:
    room.do(Say("psst", "zed"))
    receipt = room.connection.sent[0]
    receipt.settle(Status.REFUSED, "no-such-user", "No user with this name is here.")
    room.conversation.handle_event(
        Notice("no-such-user", "No user with this name is here.", NINE, receipt)
    )
    assert [type(news) for news in room.audience.news] == [Failed]


def test_a_notice_about_nothing_of_ours_is_shown(room: Room) -> None:
    notice = Notice("shutting-down", "The server stops.", NINE)
    room.conversation.handle_event(notice)
    assert room.audience.news == [notice]


@pytest.mark.parametrize(
    ("error", "code"),
    [(NotSupported("It can't."), "not-supported"), (NotSent("Too large."), "not-sent")],
)
def test_what_the_connection_refuses(room: Room, error: NotSent, code: str) -> None:
    room.connection.refuse_with = error
    room.do(Say("psst", "alice"), tag=1)
    assert room.audience.of(Failed) == [Failed(code, str(error), 1)]
    assert room.conversation.unacknowledged.is_empty


def test_a_lost_connection_is_no_refusal(room: Room) -> None:
    room.connection.refuse_with = ConnectionLost("It broke.")
    room.do(Say("one"))
    assert isinstance(room.sender.exception, ConnectionLost)
    assert room.conversation.failures == 0
    assert len(room.conversation.unacknowledged) == 1


def test_a_reply_goes_to_who_last_wrote_privately(room: Room) -> None:
    room.hear("alice", to="bob")
    room.hear("carol")
    room.hear("bob", to="dave", own=True)
    room.conversation.handle_event(Text("eve", NINE, "hi", "bob", replay=True))
    room.do(Reply("fine"))
    assert room.said() == [("fine", "alice")]


def test_a_reply_to_nobody(room: Room) -> None:
    room.do(Reply("fine"))
    assert room.audience.of(Failed)[0].sentence == "There is no private message to reply to yet."


def test_who_is_here(room: Room) -> None:
    room.do(Who(), tag="w")
    assert room.audience.news == [UserList(("alice", "bob"), complete=True, tag="w", here=2)]


def test_one_user_is_found_in_any_case(room: Room) -> None:
    room.connection.registered = room.connection.moderators = ["alice"]
    room.do(WhoIs("ALICE"))
    room.do(WhoIs("carol"))
    assert room.audience.news == [
        UserFound("alice", True, True, True),
        UserFound("carol", False),
    ]


@pytest.mark.parametrize("request_", [Who(), Get(1)])
def test_what_needs_a_connection(room: Room, request_: Request) -> None:
    room.conversation.handle_event(
        Attachment(MessageType.FILE, "alice", NINE, "a", 1000, offer="x")
    )
    room.conversation.connection = None
    room.do(request_)
    assert [failed.sentence for failed in room.audience.of(Failed)] == [NOT_CONNECTED]


def test_help_knows_every_command(room: Room) -> None:
    room.do(Help())
    assert len(room.audience.of(Explanation)[0].lines) == sum(
        bool(c.where & Availability.PLAIN) for c in COMMANDS
    )


def test_help_for_what_is_no_command(room: Room) -> None:
    room.do(Help("xyzzy"))
    assert room.audience.of(Failed)[0].code == "bad-request"


def test_leaving(room: Room) -> None:
    room.do(Quit())
    assert room.left


def test_events_are_shown(room: Room) -> None:
    joined = Joined("carol", NINE)
    room.conversation.handle_event(joined)
    assert room.audience.news == [joined]


def test_an_offer_is_listed_fetched_and_told(room: Room) -> None:
    offer = Attachment(MessageType.FILE, "alice", NINE, "a.txt", 10_000, offer="x")
    room.conversation.handle_event(offer)
    room.do(ListTransfers(), tag="t")
    room.do(Get(1), tag="g")
    transfer = room.conversation.transfers[1]
    assert room.audience.news == [
        Announced(offer, transfer),
        TransferListing((transfer,), "t"),
        TransferChanged(transfer),
        TransferChanged(transfer),
        Done("g"),
    ]


def test_without_a_number_the_only_offer_is_fetched(room: Room) -> None:
    room.do(Get(), tag="none")
    for name in ("a.txt", "b.txt"):
        offer = Attachment(MessageType.FILE, "alice", NINE, name, 10_000, offer=name)
        room.conversation.handle_event(offer)
    room.do(Get(), tag="several")
    assert [failed.sentence for failed in room.audience.of(Failed)] == [
        "No attachment waits to be saved; /transfers lists all.",
        "Which one? /get N, with one of these: 1 (a.txt), 2 (b.txt).",
    ]
    room.do(Get(1), tag="first")
    room.do(Get(), tag="rest")
    assert room.audience.of(Done) == [Done("first"), Done("rest")]
    assert room.conversation.transfers[2].state is TransferState.DONE


def test_without_a_number_the_only_transfer_is_cancelled(room: Room, tmp_path: Path) -> None:
    room.do(Cancel(), tag="none")
    room.connection.transfers_wait.clear()
    room.do(file_of(200, tmp_path), tag="f")
    room.do(Cancel(), tag="c")
    assert room.conversation.transfers[1].state is TransferState.CANCELLED
    room.connection.transfers_wait.clear()
    for tag in "gh":
        room.do(file_of(200, tmp_path), tag=tag)
    room.do(Cancel(), tag="several")
    assert [(failed.tag, failed.sentence) for failed in room.audience.of(Failed)] == [
        ("none", "No transfer is under way."),
        ("f", "The transfer was cancelled."),
        ("several", "Which one? /cancel N, with one of these: 2 (file), 3 (file)."),
    ]
    room.connection.transfers_wait.set()


def file_of(size: int, directory: Path) -> SendFile:
    path = directory / "file"
    path.write_bytes(b"x" * size)
    return SendFile(str(path))


def test_a_transfer_that_fails_counts_if_it_was_asked_for(room: Room, tmp_path: Path) -> None:
    room.connection.refuse_with = NotSent("It broke.")
    room.do(file_of(200, tmp_path), tag="f")
    assert room.conversation.failures == 1
    assert room.audience.of(Failed) == [Failed("failed", "It broke.", "f")]
    room.conversation.handle_event(Attachment(MessageType.FILE, "alice", NINE, "a", 10, offer="x"))
    run_until_idle()
    assert room.conversation.transfers[2].state is TransferState.FAILED
    assert room.conversation.failures == 1


def test_a_transfer_is_under_way_until_its_end_is_told(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that quits when nothing is under way must first show how the transfer ended."""
    told: list[bool] = []

    def show(news: UiEvent) -> None:
        if isinstance(news, Failed):
            told.append(room.conversation.is_transferring)

    monkeypatch.setattr(room.audience, "show", show)
    room.connection.refuse_with = NotSent("It broke.")
    room.do(file_of(200, tmp_path), tag="f")
    assert told == [True]
    assert not room.conversation.is_transferring


def test_cancelling_is_no_failure_but_is_told(room: Room, tmp_path: Path) -> None:
    room.connection.transfers_wait.clear()
    room.do(file_of(200, tmp_path), tag="f")
    room.do(Cancel(1), tag="c")
    assert room.conversation.failures == 0
    outcomes: list[UiEvent] = [n for n in room.audience.news if isinstance(n, (Done, Failed))]
    assert outcomes == [Done("c"), Failed("cancelled", "The transfer was cancelled.", "f")]


def test_one_that_waits_is_cancelled_at_once(room: Room, tmp_path: Path) -> None:
    room.connection.transfers_wait.clear()
    for tag in "abc":
        room.do(file_of(200, tmp_path), tag=tag)
    room.do(Cancel(3))
    assert room.audience.of(Failed) == [Failed("cancelled", "The transfer was cancelled.", "c")]
    room.connection.transfers_wait.set()
    run_until_idle()
    assert room.audience.of(Done) == [Done("a"), Done("b")]
    assert len(room.audience.of(Failed)) == 1


def test_a_missing_file(room: Room) -> None:
    room.do(SendFile("/nowhere/at/all"), tag="f")
    assert room.audience.of(Failed)[0].tag == "f"
    assert "/nowhere/at/all" in room.audience.of(Failed)[0].sentence


class TestWaitingForTheEnd:
    def test_nothing_to_wait_for(self, room: Room) -> None:
        assert room.conversation.wait_idle(patience=0)

    def test_texts(self, room: Room) -> None:
        room.do(Say("one"))
        waiting = spawn(room.conversation.wait_idle, 10)
        run_until_idle()
        assert not waiting.ready()
        room.answer()
        assert waiting.get(timeout=30) is True

    def test_transfers_that_were_asked_for(self, room: Room, tmp_path: Path) -> None:
        room.connection.transfers_wait.clear()
        room.do(file_of(200, tmp_path))
        waiting = spawn(room.conversation.wait_idle, 10)
        run_until_idle()
        assert not waiting.ready()
        room.connection.transfers_wait.set()
        assert waiting.get(timeout=30) is True

    def test_not_for_what_comes_by_itself(self, room: Room) -> None:
        room.connection.transfers_wait.clear()
        room.conversation.handle_event(
            Attachment(MessageType.FILE, "alice", NINE, "a", 10, offer="x")
        )
        run_until_idle()
        assert room.conversation.transfers[1].state is TransferState.RUNNING
        assert room.conversation.wait_idle(patience=0)

    def test_a_server_that_never_answers(self, room: Room) -> None:
        room.do(Say("one"))
        assert room.conversation.wait_idle(patience=0.01) is False

    def test_a_slow_server_that_answers_now_and_then(self, room: Room) -> None:
        for text in "abc":
            room.do(Say(text))
        waiting = spawn(room.conversation.wait_idle, 5)
        for receipt in list(room.connection.sent):
            gevent.sleep(0)
            assert not waiting.ready()
            receipt.settle(Status.ACCEPTED)
            room.hear()
        assert waiting.get(timeout=30) is True


def test_last_words_are_waited_for_until_they_are_answered(room: Room) -> None:
    room.do(Say("bye"))
    leaving = spawn(room.conversation.wait_for_last_words)
    run_until_idle()
    assert not leaving.ready()
    room.answer()
    leaving.get(timeout=30)


def test_last_words_without_a_connection_are_not_waited_for(room: Room) -> None:
    room.do(Say("bye"))
    room.conversation.connection = None
    leaving = spawn(room.conversation.wait_for_last_words)
    run_until_idle()
    assert leaving.ready()
