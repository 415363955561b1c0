"""Lines that were perhaps said: the user says them again, or drops them. Lists that the server answers with."""

from __future__ import annotations

import pytest

from chat.client.conversation.requests import AskServer, DropLine, Say, SayAgain
from chat.client.conversation.ui_events import (
    BlockListing,
    DeviceListing,
    Done,
    Doubted,
    DoubtSettled,
    Failed,
)
from chat.client.resuming.events import LineRestored
from chat.client.state.unanswered_line import UnansweredLine
from chat.protocol.commands import Command
from tests.client.conversation.test_conversation import Room
from tests.client.fake_connection import NINE

MILK = UnansweredLine("n1", "buy milk", None, NINE)
PSST = UnansweredLine("n2", "psst", "carol", NINE)


@pytest.fixture
def room() -> Room:
    room = Room()
    for line in (MILK, PSST):
        room.conversation.doubtful.doubt(line, "The server began anew.")
    return room


def test_a_doubt_is_shown_with_its_number(room: Room) -> None:
    assert [doubted.number for doubted in room.audience.of(Doubted)] == [1, 2]


def test_a_line_is_said_again_once_as_a_new_message(room: Room) -> None:
    room.do(SayAgain(number=1), "tag")
    (sent,) = room.connection.sent
    assert (sent.text, sent.to) == ("buy milk", None)
    assert sent.nonce != "n1"
    assert room.audience.of(DoubtSettled) == [DoubtSettled(1, MILK, "said-again")]
    (restored,) = room.audience.of(LineRestored)
    assert restored.line.nonce == "n1"  # the tag of the message from now on
    assert room.audience.of(Done) == [Done("tag")]
    room.answer()
    room.hear(sender="bob", own=True)
    assert room.audience.of(Done) == [Done("tag"), Done("n1")]
    room.do(SayAgain(number=1), "once more")
    assert [failed.tag for failed in room.audience.of(Failed)] == ["once more"]
    assert len(room.connection.sent) == 1


def test_all_lines_are_said_again_in_their_order(room: Room) -> None:
    room.do(SayAgain())
    assert [(sent.text, sent.to) for sent in room.connection.sent] == [
        ("buy milk", None),
        ("psst", "carol"),
    ]


def test_a_line_is_dropped(room: Room) -> None:
    room.do(DropLine("n2"), "tag")
    assert room.audience.of(DoubtSettled) == [DoubtSettled(2, PSST, "dropped")]
    assert room.audience.of(Done) == [Done("tag")]
    room.do(DropLine())
    room.do(DropLine())
    assert [failed.sentence for failed in room.audience.of(Failed)] == [
        "No line is marked as perhaps said."
    ]
    assert not room.connection.sent


def test_a_line_that_turns_up_is_in_doubt_no_more(room: Room) -> None:
    assert room.conversation.doubtful.settle("n1") is MILK
    assert room.conversation.doubtful.settle("n1") is None
    assert room.audience.of(DoubtSettled) == [DoubtSettled(1, MILK, "found")]


def test_the_state_forgets_a_line_that_was_decided() -> None:
    room = Room()
    memory = room.conversation.resumer.memory
    for line in (MILK, PSST):
        memory.keep(line._replace(is_perhaps=True))
        room.conversation.doubtful.doubt(line, "The server began anew.")
    room.do(SayAgain(number=2))
    assert [line.nonce for line in memory.lines()] == [MILK.nonce]
    room.do(DropLine())
    assert not memory.lines()


def test_a_pipe_forgets_a_line_that_it_has_told_of() -> None:
    room = Room(decides=False)
    room.conversation.resumer.memory.keep(MILK._replace(is_perhaps=True))
    room.conversation.doubtful.doubt(MILK, "The server began anew.")
    [failed] = room.audience.of(Failed)
    assert MILK.text in failed.sentence
    assert not room.conversation.resumer.memory.lines()


@pytest.mark.parametrize(
    ("verb", "answer", "shown"),
    [
        ("devices", "[]", DeviceListing((), "tag")),
        ("blocks", '["eve"]', BlockListing(("eve",), "tag")),
        ("blocks", "Nobody.", Done("tag", "Nobody.")),
        ("bans", '["eve"]', Done("tag", '["eve"]')),
    ],
)
def test_a_list_is_shown_as_a_list(verb: str, answer: str, shown: object) -> None:
    room = Room()
    room.do(AskServer(Command(verb)), "tag")
    (sent,) = room.connection.sent
    sent.settle(sent.status.ACCEPTED, answer=answer)
    room.conversation.unacknowledged.tell_answers()
    assert room.audience.news == [shown]


def test_what_is_said_meanwhile_goes_first(room: Room) -> None:
    room.do(Say("hello"))
    room.do(SayAgain(number=1))
    assert [sent.text for sent in room.connection.sent] == ["hello", "buy milk"]
