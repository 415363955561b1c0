"""Rooms that are entered and left: which of them a login joins, what is remembered, and what becomes of questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.client.connection.events import (
    EnteredRoom,
    Event,
    LeftRoom,
    Notice,
    RoomFacts,
    RoomHistory,
    Text,
    Welcome,
)
from chat.client.connection.receipts import Receipt
from chat.client.resuming.events import CatchUpEnded, ResumedEvent
from chat.client.resuming.judging import LOST, NOT_THERE, Judge, LookUp, SessionProof
from chat.client.resuming.outgoing_queue import QueuedMessage
from chat.client.resuming.resumer import Resumer
from chat.client.resuming.resumption import Ask, Resumption
from chat.client.resuming.wishes import CatchUpWishes
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.state.finding import open_given, owner_of
from chat.client.state.kept_rooms import MAX_ROOMS
from chat.client.state.memory import Memory
from chat.client.state.places import ROOM, LogPlace, room_log
from chat.client.state.unanswered_line import FirstSending
from chat.protocol.commands import Verb
from chat.protocol.descriptor import MessageType
from chat.structs import replace
from tests.client.fake_connection import NINE

DEV, DEN = room_log("Dev"), room_log("den")


def history(last: int) -> RoomHistory:
    return RoomHistory("e", last=last)


def facts(name: str, last: int = 0) -> RoomFacts:
    return RoomFacts(name, history=history(last))


def welcome(*rooms: RoomFacts, account: bool = True, refused: str | None = None) -> Welcome:
    return Welcome(
        "bob",
        NINE,
        history=history(0),
        mailbox=history(0),
        account=account,
        device=True,
        rooms=rooms,
        refused=() if refused is None else ((refused, "not-invited"),),
    )


def said(seq: int, room: str = "Dev", answers: str | None = None) -> Text:
    return Text("eve", NINE, f"text {seq}", seq=seq, room=room, answers=answers)


def resumer(*rooms: str, memory: Memory | None = None, is_read_at_once: bool = True) -> Resumer:
    made = Resumer(
        GEVENT,
        lambda message: None,
        wishes=CatchUpWishes(follows=True),
        rooms=rooms,
        is_read_at_once=is_read_at_once,
    )
    if memory is not None:
        made.use(memory)
    return made


def joined(resumer: Resumer, room: RoomFacts) -> list[ResumedEvent]:
    """Let the program join a room by itself."""
    receipt = Receipt(GEVENT.event(), MessageType.UTF8)
    return resumer.take(EnteredRoom(room, NINE, receipt))


# What a login joins


@pytest.mark.parametrize("is_account", [True, False])
def test_a_login_joins_what_the_server_may_not_know(is_account: bool) -> None:
    program = resumer("Dev")
    assert program.rooms.to_join() == ("Dev",)
    program.take(welcome(facts("Dev"), account=is_account))
    joined(program, facts("den"))
    # A server that crashes now may not have stored that the user is in the room.
    assert program.rooms.to_join() == ("Dev", "den")
    program.connection_ended()
    program.take(welcome(facts("Dev"), facts("den"), account=is_account))
    # The rooms of a registered user are the server's affair: they may leave one with another device.
    assert program.rooms.to_join() == (("Dev",) if is_account else ("Dev", "den"))
    assert program.memory.rooms == ("Dev", "den")
    for room in ("dev", "den"):
        program.take(LeftRoom(room, NINE, "removed"))
    assert not program.rooms.to_join()
    assert not program.memory.rooms


def test_a_room_that_the_login_was_refused_is_told_and_tried_again() -> None:
    program = resumer("Dev", "den")
    program.take(welcome(facts("Dev"), facts("den")))
    program.connection_ended()
    event = welcome(facts("Dev"), refused="den")
    assert program.take(event) == [event, LeftRoom("den", NINE, "not-invited")]
    assert program.memory.rooms == ("Dev",)
    assert program.rooms.to_join() == ("Dev", "den")


def test_a_program_without_rooms_joins_none_until_it_does() -> None:
    program = Resumer(GEVENT, lambda message: None)
    program.memory.keep_rooms(["den"], by_server=False)  # of an earlier program
    program.take(welcome())
    assert program.rooms.to_join() is None
    assert program.memory.rooms == ("den",)
    joined(program, facts("Dev"))
    assert program.rooms.to_join() == ("Dev",)


def test_a_message_to_the_default_room_by_its_name() -> None:
    """Its place is that of the default room, so that it can be looked up."""
    program = resumer()
    program.take(replace(welcome(), default_room="Hall"))
    for room, log in (("HALL", ROOM), ("lobby", ROOM), (None, ROOM), ("Dev", DEV)):
        message = QueuedMessage(GEVENT.event(), text="hi", room=room)
        program.put(message)
        assert message.log == log


def test_the_names_fit_into_a_login() -> None:
    program = resumer(*(f"{'長' * 60}{number}" for number in range(100)))
    names = program.rooms.to_join()
    assert names is not None
    assert 7900 < len("".join(names).encode()) <= 8192


def test_the_rooms_keep_the_order_of_the_user() -> None:
    program = resumer()
    program.take(welcome(facts("a"), facts("b"), facts("c")))
    program.memory.keep_rooms(["c", "A", "b"], by_server=True)
    program.take(LeftRoom("b", NINE, "removed"))
    joined(program, facts("d"))
    assert program.memory.rooms == ("c", "a", "d")


# Places


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return open_given(tmp_path / "bob", owner_of("localhost", "bob")).memory


def test_the_place_of_a_room_is_forgotten_when_the_program_has_seen_that_it_was_left(
    memory: Memory,
) -> None:
    program = resumer(memory=memory, is_read_at_once=False)
    program.take(welcome(facts("Dev", 4)))
    assert memory.place(DEV) == LogPlace("e", 4)
    [text] = program.take(said(5))
    [left] = program.take(LeftRoom("Dev", NINE, "removed"))
    program.take(welcome())
    assert isinstance(text, Text)
    program.saw(text)
    assert memory.place(DEV) == LogPlace("e", 5, "2026-01-02T21:04:05.000000Z")
    assert isinstance(left, LeftRoom)
    program.saw(left)
    assert memory.place(DEV) is None
    # Seen all at once, too.
    joined(program, facts("Dev", 9))
    program.saw_all()
    assert memory.place(DEV) == LogPlace("e", 9)
    program.take(LeftRoom("Dev", NINE, "removed"))
    program.saw_all()
    assert memory.place(DEV) is None


def test_a_room_that_was_entered_again_begins_there(memory: Memory) -> None:
    program = resumer(memory=memory, is_read_at_once=False)
    program.take(welcome(facts("Dev", 4)))
    [left] = program.take(LeftRoom("Dev", NINE, "removed"))
    joined(program, facts("Dev", 9))
    program.take(said(10))
    assert isinstance(left, LeftRoom)
    program.saw(left)
    assert memory.place(DEV) == LogPlace("e", 9)  # the program has not seen 10 yet


# Questions


def entering() -> Resumption:
    """A session in no room beside the default one."""
    resumption = Resumption(
        lambda log: None,
        CatchUpWishes(follows=True),
        lambda message: message,
        lambda verdicts: None,
    )
    resumption.enter(welcome(), (), has_device=True)
    return resumption


def asked(resumption: Resumption) -> Ask:
    ask = resumption.next_ask()
    assert ask is not None
    return ask


def receipt_of(ask: Ask) -> Receipt:
    return Receipt(GEVENT.event(), MessageType.UTF8, nonce=ask.nonce, command=ask.command)


def done(ask: Ask, code: str = "done") -> Notice:
    return Notice(code, "", NINE, receipt_of(ask))


def test_another_device_joins_a_room() -> None:
    """To the user, the room begins when its facts are known, and has all since it was entered."""
    resumption = entering()
    assert resumption.take(EnteredRoom(RoomFacts("Dev"), NINE)) == []
    assert resumption.rooms == []
    ask = asked(resumption)
    assert (ask.command.verb, ask.command.room) == (Verb.JOIN.value, "Dev")
    assert resumption.take(said(7)) == []
    shown = resumption.take(EnteredRoom(facts("Dev", 7), NINE, receipt_of(ask)))
    assert shown[0] == EnteredRoom(facts("Dev", 7), NINE)
    ask = asked(resumption)
    assert ask.command.query is not None
    assert (ask.command.room, ask.command.query.after) == ("Dev", 6)
    resumption.take(said(7, answers=ask.nonce))
    assert resumption.take(done(ask))[0] == said(7)
    assert resumption.rooms == ["Dev"]
    assert resumption.take(said(8)) == [said(8)]


def test_a_room_whose_facts_were_not_known_yet_is_left_without_a_word() -> None:
    for end in (LeftRoom("Dev", NINE, "parted"), None):
        resumption = entering()
        resumption.take(EnteredRoom(RoomFacts("Dev"), NINE))
        ask = asked(resumption)
        if end is not None:
            assert resumption.take(end) == []
        assert resumption.take(done(ask, "not-invited")) == []
        assert resumption.next_ask() is None
        assert DEV not in resumption.logs


@pytest.mark.parametrize("code", ["done", "not-in-room"])
def test_a_page_of_a_room_that_was_left_is_not_shown(code: str) -> None:
    resumption = entering()
    room = RoomFacts("Dev", history=RoomHistory("e", last=3))
    resumption.take(EnteredRoom(room, NINE, Receipt(GEVENT.event(), MessageType.UTF8)))
    resumption.take(said(9))  # a message is missing before it
    ask = asked(resumption)
    resumption.take(said(4, answers=ask.nonce))
    left = LeftRoom("Dev", NINE, "removed")
    assert resumption.take(left) == [CatchUpEnded(DEV, 0, False, "Dev"), left]
    again: list[Event] = [EnteredRoom(room, NINE, Receipt(GEVENT.event(), MessageType.UTF8))]
    assert resumption.take(again[0]) == again
    assert resumption.take(done(ask, code)) == []


def test_a_server_that_names_rooms_without_end() -> None:
    resumption = entering()
    for number in range(1000):
        receipt = Receipt(GEVENT.event(), MessageType.UTF8)
        room = facts(f"room{number}")
        assert resumption.take(EnteredRoom(room, NINE, receipt)) == [EnteredRoom(room, NINE)]
    assert len(resumption.rooms) == MAX_ROOMS
    assert resumption.take(said(1, "room999")) == [said(1, "room999")]


def test_rooms_take_turns() -> None:
    """A room with very many missed messages does not keep the others waiting."""
    places = {DEV: LogPlace("e", 0), DEN: LogPlace("e", 0)}
    resumption = Resumption(
        places.get, CatchUpWishes(follows=True), lambda message: message, lambda verdicts: None
    )
    resumption.enter(welcome(facts("Dev", 5), facts("den", 2)), (), has_device=True)
    rooms = []
    for seq in range(1, 5):
        ask = asked(resumption)
        room = ask.command.room
        assert room is not None
        rooms.append(room)
        number = seq if room == "Dev" else rooms.count("den")
        resumption.take(said(rooms.count(room), room, answers=ask.nonce))
        resumption.take(Notice("done", "", NINE, receipt_of(ask), more=number < 2 or room == "Dev"))
    assert rooms == ["Dev", "den", "Dev", "den"]


def test_what_became_of_a_line_in_a_room_that_was_left() -> None:
    first = FirstSending(LogPlace("e", 3), "account")
    session = SessionProof(welcome(), has_device=True)
    judge = Judge()
    questions = [LookUp("n1", DEV, first, "Dev"), LookUp("n2", DEV, first, "Dev")]
    judge.begin(questions, session)
    query = judge.query
    assert query is not None
    assert (judge.room, query.after, query.nonces) == ("Dev", 3, ("n1", "n2"))
    mine = Text("bob", NINE, "hi", own=True, seq=5, nonce="n1", room="Dev")
    assert judge.answer([mine], more=False, lost=()).said == ["n1"]
    # The message behind the place is shown to members alone.
    assert judge.refuse("not-in-room").undecided == [("n2", NOT_THERE)]
    assert judge.is_done
    judge.begin(questions[:1], session)
    assert judge.refuse("bad-place").undecided == [("n1", LOST)]
