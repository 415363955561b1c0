"""A line is for the room of the view in which it was typed, whatever happens meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.answers.listings import ListedRoom
from chat.client.connection.events import EnteredRoom, LeftRoom, RoomChanged, RoomFacts, Welcome
from chat.client.conversation.requests import FetchEarlier, ListFiles, Say, SendFile, Who
from chat.client.conversation.room_requests import JoinRoom, ListRooms, PartRoom, SetTopic
from chat.client.conversation.ui_events import Asked, Done, Failed, RoomListing, UserList
from chat.client.screen.draw.layout import Size
from chat.client.screen.input.decoder import Click
from chat.client.screen.model.rooms import Membership
from tests.client.screen.desks import NINE, Desk

ROOMS = ("dev", "den", "ops")


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    for name in ROOMS:
        desk.take(EnteredRoom(RoomFacts(name, users=("bob",)), NINE))
    desk.asked.clear()
    return desk


def requests(desk: Desk) -> list[object]:
    return [asked.request for asked in desk.asked]


def said(desk: Desk) -> list[tuple[str, str | None]]:
    return [(each.text, each.room) for each in requests(desk) if isinstance(each, Say)]


def test_commands_are_about_the_room_of_the_view(desk: Desk) -> None:
    desk.type(
        "<alt-3>hello<enter>/file a.txt<enter>/who<enter>/files x<enter>/topic tea<enter>/part<enter>"
    )
    assert requests(desk) == [
        Say("hello", room="den"),
        SendFile("a.txt", room="den", unquoted=None),
        Who("den"),
        ListFiles("x", room="den"),
        SetTopic("tea", "den"),
        PartRoom("den"),
    ]
    assert [pending.text for pending in desk.model.views[2].pending] == ["hello", "a.txt"]


def test_a_private_view_is_for_its_user(desk: Desk) -> None:
    desk.type("<alt-3>/query alice<enter>hi<enter>")
    assert requests(desk) == [Say("hi", "alice")]


def test_older_messages_come_of_the_room_of_the_view(desk: Desk) -> None:
    desk.model.epoch = "e"
    desk.type("<alt-2>/history 10<enter>")
    fetch = requests(desk)[-1]
    assert isinstance(fetch, FetchEarlier)
    assert (fetch.room, fetch.private, fetch.limit) == ("dev", False, 10)


def test_nothing_can_be_said_in_a_room_that_was_left(desk: Desk) -> None:
    desk.type("<alt-2>a draft")
    desk.take(LeftRoom("dev", NINE, "removed"))
    assert desk.screen()[-1].startswith("not in dev: a draft")
    desk.type("<enter>")
    assert said(desk) == []
    assert desk.model.current.room_name == "dev"
    assert "not done: You are not in dev; /join dev comes back." in "\n".join(desk.screen())
    desk.type("/join dev<enter>again<enter>")
    assert requests(desk) == [JoinRoom("dev"), Say("again", room="dev")]


def test_a_view_opens_with_the_wish_to_enter_and_closes_with_the_wish_to_leave(desk: Desk) -> None:
    desk.type("/join attic<enter>hello<enter>")
    attic = desk.model.current
    assert attic.room is not None
    assert attic.room.membership is Membership.ENTERING
    assert requests(desk) == [JoinRoom("attic"), Say("hello", room="attic")]
    desk.take(EnteredRoom(RoomFacts("attic", "closed"), NINE))
    desk.take(Done(desk.asked[0].tag))
    assert attic.room.is_inside
    desk.type("/close<enter>")
    assert desk.model.current is attic
    desk.take(LeftRoom("attic", NINE))
    desk.asked.clear()
    attic.pop_pending(2)
    desk.type("/close<enter>")
    assert desk.model.current is desk.model.default


def test_a_room_that_one_may_not_enter(desk: Desk) -> None:
    desk.type("/join den2<enter>")
    view = desk.model.current
    desk.take(Failed("not-invited", "This room is closed.", desk.asked[0].tag))
    assert view.room is not None
    assert view.room.membership is Membership.OUTSIDE
    assert desk.model.current is view, (
        "a view changes only by a key: the next words would be for another room"
    )
    desk.type("/close<enter>")
    assert view not in desk.model.views


def test_a_room_that_is_open_is_shown_and_not_asked_for(desk: Desk) -> None:
    desk.type("/join DEV<enter>")
    assert desk.model.current.room_name == "dev"
    for name in ("lobby", "DEV", "plaza", "dev", "Lobby"):
        desk.model.default_name = "Plaza"
        desk.type(f"/join {name}<enter>")
        assert desk.model.current.room_name == (None if name.upper() != "DEV" else "dev")
    assert desk.asked == []


def test_the_switcher_enters_rooms_that_are_known(desk: Desk) -> None:
    desk.take(
        Welcome("bob", NINE, ("bob",), rooms=tuple(map(RoomFacts, ROOMS)), invited=("attic",))
    )
    desk.type("<alt-k>att<enter>")
    assert JoinRoom("attic") in requests(desk)
    assert desk.model.current.room_name == "attic"


def test_the_switcher_asks_which_rooms_there_are(desk: Desk) -> None:
    desk.type("<alt-k>at")
    (asked,) = desk.asked
    assert isinstance(asked.request, ListRooms)
    assert "attic" not in "".join(desk.screen())
    rooms = (ListedRoom("attic"), ListedRoom("dev", "closed", is_joined=True))
    desk.take(RoomListing(asked.request, rooms, tag=asked.tag))
    assert "> " in desk.screen()[-3]
    assert "attic  not joined" in desk.screen()[-3]
    assert desk.model.sign_of_view(desk.model.views[1]) == "="
    desk.type("<enter>")
    assert JoinRoom("attic") in requests(desk)


def test_the_names_of_a_room_are_asked_for_when_it_is_looked_at(desk: Desk) -> None:
    rooms = (RoomFacts("dev", here=2), RoomFacts("den", here=5000))
    desk.take(Welcome("bob", NINE, ("bob",), rooms=rooms))
    desk.controller.look_around()
    assert desk.asked == []
    desk.type("<alt-2>")
    desk.controller.look_around()
    desk.controller.look_around()
    (asked,) = desk.asked
    assert asked.request == Who("dev", limit=1000)
    desk.take(UserList(("alice", "bob"), True, asked.tag, room="dev"))
    assert desk.model.people.in_order() == ["alice", "bob"]
    desk.type("<alt-3>")
    desk.controller.look_around()
    assert len(desk.asked) == 1, "too many to list"


@given(st.lists(st.sampled_from([
    *("<alt-1>", "<alt-2>", "<alt-3>", "<alt-4>", "<alt-a>", "<alt-up>", "<alt-down>", "<alt-k><enter>"),
    *("TEXT", "TEXT", "TEXT", "<enter>", "<enter>", "hear", "leave", "enter", "welcome", "<ctrl-u>/join ops<enter>"),
]), max_size=40))  # fmt: skip
def test_a_line_never_goes_to_another_room_than_it_was_typed_in(steps: list[str]) -> None:
    desk = Desk()
    for name in ROOMS:
        desk.take(EnteredRoom(RoomFacts(name, users=("bob",)), NINE))
    for number, step in enumerate(steps):
        if step == "TEXT":
            # Each piece of a draft names the view that it was typed in.
            where = desk.model.current.room_name or "lobby"
            desk.type(f"{where}{number} ")
        elif step == "hear":
            desk.hear("bob!")
        elif step in ("leave", "enter"):
            name = ROOMS[number % 3]
            desk.take(
                LeftRoom(name, NINE)
                if step == "leave"
                else EnteredRoom(RoomFacts(name, users=("bob",)), NINE)
            )
        elif step == "welcome":
            desk.take(Welcome("bob", NINE, ("bob",), rooms=(RoomFacts("dev"),)))
        else:
            desk.type(step)
    for text, room in said(desk):
        assert all(word.startswith(room or "lobby") for word in text.split())


def test_the_kind_of_a_room_is_asked_for_when_an_owner_has_changed_the_room(desk: Desk) -> None:
    desk.take(RoomChanged("alice", "the room is closed now", NINE, "den"))
    desk.controller.look_around()
    (asked,) = desk.asked
    assert asked.request == ListRooms("den", limit=1)
    listing = RoomListing(ListRooms("den"), (ListedRoom("den", "closed"),), tag=asked.tag)
    desk.take(listing)
    assert desk.model.sign_of_view(desk.model.views[2]) == "="
    assert desk.model.sign_of_view(desk.model.views[1]) == "#"


def test_a_click_in_the_list_shows_the_view(desk: Desk) -> None:
    desk.controller.size = Size(80, 7)
    desk.screen()
    for row, shown in ((3, "den"), (2, "dev"), (1, None)):
        desk.controller.press(Click(5, row))
        assert desk.model.current.room_name == shown
    for column, row in ((5, 0), (40, 2), (5, 5), (5, 6)):
        desk.controller.press(Click(column, row))
        assert desk.model.current is desk.model.default
    # The last row leads to the views that have none, and on to the first ones.
    desk.take(EnteredRoom(RoomFacts("attic"), NINE))
    desk.screen()
    assert desk.screen()[4].startswith("… 2 more")
    desk.controller.press(Click(0, 4))
    assert [row[:12].rstrip() for row in desk.screen()[1:4]] == [" 3 #den", " 4 #ops", " 5 #attic"]
    desk.controller.press(Click(0, 3))
    assert desk.model.current.room_name == "attic"


def test_a_click_answers_no_question(desk: Desk) -> None:
    desk.controller.size = Size(80, 12)
    desk.screen()
    desk.paste("\n".join("abcdefghij"))
    assert desk.controller.is_asking
    desk.controller.press(Click(5, 2))
    assert desk.controller.is_asking
    assert desk.model.current is desk.model.default


def test_the_answer_to_a_question_of_the_screen_is_shown_nowhere(desk: Desk) -> None:
    desk.take(Welcome("bob", NINE, ("bob",), rooms=(RoomFacts("dev", here=2),)))
    desk.type("<alt-2>")
    desk.controller.look_around()
    before = len(desk.model.current.entries)
    asked: Asked = desk.asked[-1]
    desk.take(Failed("lost", "The connection was lost.", asked.tag))
    assert len(desk.model.current.entries) == before
