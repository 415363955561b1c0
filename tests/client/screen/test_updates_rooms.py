"""Events of rooms, in the model: each in the view of its room, and nowhere else."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.attention.notify import NotifyMode
from chat.client.connection.events import (
    Attachment,
    EnteredRoom,
    HereCount,
    Invited,
    Joined,
    Left,
    LeftRoom,
    Notice,
    ReadElsewhere,
    RoomChanged,
    RoomFacts,
    RoomHistory,
    Text,
    TopicChanged,
    Welcome,
)
from chat.client.connection.receipts import Receipt
from chat.client.conversation.ui_events import Announced, UiEvent
from chat.client.resuming.events import CatchUpBegan, CatchUpEnded, MissingMessages, Renumbered
from chat.client.screen.draw.bars import title_line, topic_line
from chat.client.screen.model.views import View
from chat.client.screen.text.spans import text_of
from chat.client.state.places import MAILBOX, room_log
from chat.protocol.descriptor import MessageType
from tests.client.screen.intake_bench import NINE, Bench

DEV = RoomFacts("dev", "open", "what we build", users=("alice", "bob"))
DEN = RoomFacts("den", "closed", here=7)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.take(EnteredRoom(DEV, NINE), EnteredRoom(DEN, NINE))
    for view in bench.model.views:
        view.clear()
    return bench


def room(bench: Bench, name: str | None) -> View:
    view = bench.model.room_view(name)
    assert view is not None
    return view


def said(text: str, where: str | None, sender: str = "alice", **more: object) -> Text:
    return Text(sender, NINE, text, room=where, own=sender == "bob", **more)  # type: ignore[arg-type]


MADE: dict[str, Callable[[str | None], UiEvent]] = {
    "text": lambda where: said("hello", where),
    "attachment": lambda where: Announced(
        Attachment(MessageType.FILE, "alice", NINE, "a.txt", 3, room=where), None
    ),
    "join": lambda where: Joined("carol", NINE, room=where),
    "leave": lambda where: Left("carol", NINE, room=where),
    "notice": lambda where: Notice("moderated", "alice removed a message.", NINE, room=where),
    "topic": lambda where: TopicChanged("tea", "alice", NINE, where),
    "settings": lambda where: RoomChanged("alice", "the room is closed now", NINE, where),
    "hole": lambda where: MissingMessages(room_log(where), 3, 4, "lost"),
    "renumbered": lambda where: Renumbered(room_log(where)),
    "replay": lambda where: said("before", where, replay=True),
}


@given(st.lists(st.tuples(st.sampled_from(sorted(MADE)), st.sampled_from([None, "dev", "den"]))))
def test_each_event_changes_the_view_of_its_room_alone(steps: list[tuple[str, str | None]]) -> None:
    bench = Bench()
    bench.take(EnteredRoom(DEV, NINE), EnteredRoom(DEN, NINE))
    bench.model.open_view("alice")
    for kind, where in steps:
        before = {id(view): len(bench.lines(view)) for view in bench.model.views}
        bench.take(MADE[kind](where))
        changed = [v for v in bench.model.views if len(bench.lines(v)) != before[id(v)]]
        assert all(view is room(bench, where) for view in changed)
        if kind not in ("join", "leave"):  # many in a row share one line
            assert changed


def test_messages_are_counted_where_they_are(bench: Bench) -> None:
    alerts = bench.take(said("hi", "dev"), said("hi bob", "den"), said("mine", "den", "bob"))
    assert [alert and alert.view for alert in alerts] == [None, room(bench, "den"), None]
    assert [tuple(view.badge) for view in bench.model.views] == [(0, 0), (1, 0), (1, 1)]
    bench.model.next_unread()
    assert bench.model.current is room(bench, "den")
    bench.model.next_unread()
    assert bench.model.current is room(bench, "dev")


def test_how_loud_a_room_is(bench: Bench) -> None:
    dev = room(bench, "dev").room
    assert dev is not None
    dev.notify = NotifyMode.ALL
    assert bench.take(said("hi", "dev"), said("mine", "dev", "bob"))[0] is not None
    dev.notify = NotifyMode.NONE
    assert bench.take(said("hi bob", "dev")) == [None]
    assert room(bench, "dev").badge == (0, 0)
    assert not bench.model.next_unread()
    dev.notify = NotifyMode.MENTIONS
    assert room(bench, "dev").badge == (2, 1)


def test_names_that_only_look_alike_are_two_rooms(bench: Bench) -> None:
    # Full case folding would take them for one, and a line for the one would stand in the other.
    bench.take(EnteredRoom(RoomFacts("straße"), NINE), EnteredRoom(RoomFacts("strasse"), NINE))
    bench.take(said("one", "straße"), said("two", "strasse"))
    assert bench.lines(room(bench, "straße"))[-1:] == ["[alice]: one"]
    assert bench.lines(room(bench, "strasse"))[-1:] == ["[alice]: two"]


def test_who_is_in_a_room(bench: Bench) -> None:
    bench.take(Joined("carol", NINE, room="dev"), Left("alice", NINE, room="dev"))
    bench.model.show(room(bench, "dev"))
    assert bench.model.people.in_order() == ["bob", "carol"]
    assert text_of(title_line(bench.model, 80)).startswith(
        " dev, at chat.example:8080 │ bob │ 2 here"
    )
    bench.model.show(room(bench, "den"))
    bench.take(Joined("carol", NINE, room="den"), Joined("dave", NINE, room="den"))
    assert bench.model.count_here == 9
    bench.take(HereCount(2000, NINE, room="den"))
    assert text_of(title_line(bench.model, 80)).startswith(
        " den, closed, at chat.example:8080 │ bob │ 2000 here"
    )
    bench.model.switch(1)
    assert bench.model.people.in_order() == ["alice", "bob", "carol"]


def test_the_topic_stands_below_the_title(bench: Bench) -> None:
    assert topic_line(bench.model, 80) is None
    bench.model.show(room(bench, "dev"))
    row = topic_line(bench.model, 80)
    assert row is not None
    assert text_of(row).strip() == "what we build"
    bench.take(TopicChanged("tea\x1b and\ncake " + "x" * 90, "alice", NINE, "dev"))
    row = topic_line(bench.model, 40)
    assert row is not None
    assert text_of(row).rstrip() == " tea␛ and cake xxxxxxxxxxxxxxxxxxxxxxxx…"
    bench.take(TopicChanged(None, "alice", NINE, "dev"))
    assert topic_line(bench.model, 80) is None
    assert bench.lines(room(bench, "dev"))[-1] == "-- alice removed the topic"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("parted", "you have left the room on another device"),
        ("removed", "you are not in the room any more: an owner removed you, or the room is gone"),
    ],
)
def test_a_room_that_is_left_stays_readable(bench: Bench, reason: str | None, words: str) -> None:
    # The second event tells nothing new: a login finds, too, that the user is out.
    bench.take(said("hello", "dev"), LeftRoom("dev", NINE, reason), LeftRoom("dev", NINE))
    dev = room(bench, "dev")
    assert bench.lines(dev) == [
        "[alice]: hello",
        f"-- {words}",
        "/join dev comes back, /close closes this view.",
    ]
    bench.model.show(dev)
    assert "dev, not joined, at" in text_of(title_line(bench.model, 80))
    bench.take(EnteredRoom(DEV, NINE))
    assert bench.lines(dev)[-2].startswith("-- you are in the room, with alice")
    assert not bench.model.close(dev)
    bench.take(LeftRoom("dev", NINE))
    assert bench.model.close(dev)
    assert bench.model.current is bench.model.default


def test_a_login_says_which_rooms_are_lost_and_which_are_new(bench: Bench) -> None:
    bench.take(
        Welcome(
            "bob",
            NINE,
            ("bob",),
            rooms=(DEN, RoomFacts("ops", "open")),
            refused=(("dev", "no-such-room"),),
            invited=("attic",),
        )
    )
    assert "-- you are not in the room any more: it is gone" in bench.lines(room(bench, "dev"))
    assert [view.room_name for view in bench.model.views] == [None, "dev", "den", "ops"]
    told = "-- you may join attic: /join attic enters it"
    assert told in bench.lines()
    assert bench.model.current is bench.model.default
    bench.take(Welcome("bob", NINE, ("bob",), rooms=(DEN,), invited=("attic",)))
    assert bench.lines().count(told) == 1
    assert (
        bench.lines(room(bench, "dev")).count("-- you are not in the room any more: it is gone")
        == 1
    )


def test_an_invitation_says_how_to_come(bench: Bench) -> None:
    bench.model.switch(2)
    bench.take(Invited("attic", "alice", "alice invites you", NINE))
    line = "-- alice invites you to the room attic: /join attic enters it"
    assert bench.lines()[-1] == bench.lines(bench.model.current)[-1] == line
    bench.model.attention.ignored.add("mallory")
    bench.take(Invited("trap", "mallory", "mallory invites you", NINE))
    assert bench.lines()[-1] == line
    assert "attic" in bench.model.known_rooms()
    receipt = Receipt(threading.Event(), MessageType.UTF8)
    bench.take(LeftRoom("attic", NINE, "parted", receipt))
    line = "-- you have declined the invitation to the room attic"
    assert bench.lines(bench.model.current)[-1] == line
    assert "attic" not in bench.model.known_rooms()


def test_what_was_missed_in_a_room_is_unread_there(bench: Bench) -> None:
    log = room_log("dev")
    bench.take(
        CatchUpBegan(log, 2, NINE),
        said("one", "dev", replay=True, seq=5),
        said("two bob", "dev", replay=True, seq=6),
        CatchUpEnded(log, 2),
        CatchUpBegan(MAILBOX, 0),
        CatchUpEnded(MAILBOX, 0),
    )
    assert room(bench, "dev").badge == (2, 1)
    assert bench.lines(room(bench, "dev"))[-1].startswith("-- above: 2 messages since")
    assert bench.lines() == []


def test_what_was_read_elsewhere_is_read_in_that_room(bench: Bench) -> None:
    bench.take(*(said("x", where, seq=1) for where in ("dev", "den")))
    bench.take(ReadElsewhere(1, NINE, room="den"))
    assert [view.badge.unread for view in bench.model.views] == [0, 1, 0]


def test_the_marks_of_a_login_tell_what_is_new_in_a_room(bench: Bench) -> None:
    marks = bench.model.attention.read_marks
    marks.enter(None, None, [RoomFacts("dev", history=RoomHistory("e", last=9, read=5))])
    bench.take(*(said(str(seq), "dev", replay=True, seq=seq) for seq in (5, 6)))
    assert room(bench, "dev").badge == (1, 0)
    bench.model.show(room(bench, "dev"))
    assert [(mark.seq, mark.room) for mark in marks.take_new()] == [(6, "dev")]
