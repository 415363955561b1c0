"""Frames about rooms: the events that they mean, and what the client keeps of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from chat.client.connection.receipts import Receipt, Status
from chat.client.connection.session.known_rooms import KnownRoom
from chat.protocol.commands import Command, RoomChange, Verb
from chat.protocol.descriptor import MessageType
from chat.protocol.errors import HeaderError
from tests.client.connection.test_session_state import AT_NOON, Hall

LOGIN, LOGOUT, UTF8, FILE = (
    MessageType.LOGIN,
    MessageType.LOGOUT,
    MessageType.UTF8,
    MessageType.FILE,
)
LOBBY = {"seq": 7, "oldest": 1, "lost": [], "time": None, "here": 2}
DEV = {"seq": 5, "oldest": 2, "lost": [[3, 4]], "read": 4, "unread": 1, "here": 2}
DEV_FACTS = {**DEV, "kind": "closed", "topic": "Code", "owner": True}


class RoomHall(Hall):
    """A user who is in the room Dev, with a server that keeps messages."""

    def __init__(self) -> None:
        super().__init__()
        rooms = {"lobby": LOBBY, "Dev": DEV_FACTS}
        self.welcomed = self.welcome(
            users=["alice", "bob"],
            history=True,
            epoch="e",
            keep=60,
            rooms=rooms,
            refused={"den": "not-invited", "x": 7},
            invited=["attic", 8],
        )

    def asked(self, verb: Verb, **fields: Any) -> Receipt:
        receipt = self.sent()
        receipt.command = Command(verb.value, **fields)
        return receipt

    def done(self, receipt: Receipt, content: object = "Done.", **fields: Any) -> Any:
        text = content if isinstance(content, str) else json.dumps(content)
        fields = {"notice": "done", "nonce": receipt.nonce, **fields}
        return self.hear(UTF8, "server", text.encode(), **fields)

    def told(self, code: str, sentence: str = "", **fields: Any) -> Any:
        return self.hear(UTF8, "server", sentence.encode(), notice=code, **fields)

    def joined(self, users: list[str], room: str = "Dev") -> KnownRoom:
        content = {**DEV_FACTS, "here": len(users), "users": users}
        self.done(self.asked(Verb.JOIN, room=room), content, room=room)
        return self.known(room)

    def known(self, name: str = "Dev") -> KnownRoom:
        return self.room.rooms.others[name]


@pytest.fixture
def hall() -> RoomHall:
    return RoomHall()


def test_the_welcome_tells_of_the_rooms(hall: RoomHall) -> None:
    history = RoomHistory("e", 60, 5, 2, ((3, 4),), None, 4, 1)
    welcome = hall.welcomed
    assert isinstance(welcome, Welcome)
    assert welcome.rooms == (RoomFacts("Dev", "closed", "Code", 2, True, history),)
    assert (welcome.refused, welcome.invited) == ((("den", "not-invited"),), ("attic",))
    assert (welcome.here, welcome.history) == (2, RoomHistory("e", 60, 7, 1))
    room = hall.known()
    assert (room.kind, room.topic, room.here, room.is_owner) == ("closed", "Code", 2, True)
    assert not room.is_listed, "the welcome has no names"
    assert list(hall.room.users) == ["alice", "bob"]


def test_a_default_room_of_another_name_with_too_many_users_to_name() -> None:
    hall = Hall()
    rooms = {"den": {"here": 3, "kind": "open"}, "hall": {"here": 2000, "topic": "Hi"}}
    welcome = hall.welcome(rooms=rooms)
    assert isinstance(welcome, Welcome)
    assert (welcome.here, welcome.topic, [each.name for each in welcome.rooms]) == (
        2000,
        "Hi",
        ["den"],
    )
    assert welcome.users == ()
    lobby = hall.room.rooms.default
    assert (lobby.here, lobby.topic, list(lobby.users)) == (2000, "Hi", [])
    hall.hear(UTF8, "bob", b"hi")
    hall.hear(LOGIN, "carol")
    assert (lobby.here, list(lobby.users)) == (2001, [])


def test_a_default_room_of_a_server_that_keeps_no_messages() -> None:
    welcome = Hall().welcome(default_room="hall", here=2000)
    assert isinstance(welcome, Welcome)
    assert (welcome.default_room, welcome.here, welcome.users) == ("hall", 2000, ())
    rooms = Hall().room.rooms
    for rooms.default_name in (None, "hall"):
        assert rooms.find("lobby") is rooms.default
    assert rooms.find("Lobby") is rooms.find("HALL") is rooms.default
    welcome = Hall().welcome(default_room="hall", users=["alice", "bob"])
    assert isinstance(welcome, Welcome)
    assert (welcome.here, welcome.users) == (None, ("alice", "bob"))


def test_messages_belong_to_their_room(hall: RoomHall) -> None:
    receipt = hall.sent()
    assert hall.hear(UTF8, "bob", b"hi", room="Dev") == Text("bob", AT_NOON, "hi", room="Dev")
    echo = hall.hear(UTF8, "alice", b"ho", room="Dev", nonce=receipt.nonce)
    assert echo == Text("alice", AT_NOON, "ho", own=True, room="Dev")
    assert receipt.status is Status.ACCEPTED
    file = hall.hear(FILE, "carol", b"x", room="Dev", filename="a")
    assert isinstance(file, Attachment)
    assert file.room == "Dev"
    assert list(hall.room.users) == ["alice", "bob"], "carol spoke in another room"


def test_users_of_a_room_are_kept_apart(hall: RoomHall) -> None:
    room = hall.joined(["alice", "bob"])
    assert (list(room.users), room.here) == (["alice", "bob"], 2)
    event = hall.hear(LOGIN, "carol", room="Dev", registered=True)
    assert event == Joined("carol", AT_NOON, True, room="Dev")
    event = hall.hear(LOGOUT, "bob", room="Dev", reason="parted")
    assert event == Left("bob", AT_NOON, "parted", "Dev")
    assert (list(room.users), room.here) == (["alice", "carol"], 2)
    assert list(hall.room.users) == ["alice", "bob"]


def test_the_answer_to_join(hall: RoomHall) -> None:
    receipt = hall.asked(Verb.JOIN, room="new")
    hall.told("epoch", "Anew.", epoch="e2")
    content = {"seq": 0, "oldest": 1, "lost": [], "here": 1, "kind": "open", "users": ["alice"]}
    event = hall.done(receipt, {**content, "topic": None, "owner": True}, room="New")
    history = RoomHistory("e2", 60)
    facts = RoomFacts("New", "open", None, 1, True, history, ("alice",))
    assert event == EnteredRoom(facts, AT_NOON)
    assert event.receipt is receipt
    assert (receipt.status, receipt.answer) == (Status.ACCEPTED, "")
    assert list(hall.known("New").users) == ["alice"]
    assert hall.room.rooms.find("nEW") is hall.known("New")
    assert hall.room.rooms.find("a b") is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{", "\ud800", '{"users": {}, "here": "x", "kind": 7, "owner": 1}']
)
def test_an_answer_to_join_that_makes_no_sense_is_still_one(hall: RoomHall, content: str) -> None:
    receipt = hall.asked(Verb.JOIN, room="new")
    header = {"notice": "done", "nonce": receipt.nonce, "room": "New"}
    event = hall.hear(UTF8, "server", content.encode(errors="surrogatepass"), **header)
    assert event == EnteredRoom(RoomFacts("New"), AT_NOON)
    assert receipt.status is Status.ACCEPTED
    assert not hall.known("New").is_listed


def test_another_device_joins_and_leaves(hall: RoomHall) -> None:
    event = hall.hear(LOGIN, "alice", room="New")
    assert event == EnteredRoom(RoomFacts("New"), AT_NOON)
    assert hall.known("New").here is None
    hall.hear(LOGIN, "alice", room="Dev")
    assert hall.known().topic == "Code", "what is known of a room is not forgotten"
    event = hall.hear(LOGOUT, "alice", room="New", reason="parted")
    assert event == LeftRoom("New", AT_NOON, "parted")
    assert list(hall.room.rooms.others) == ["Dev"]


def test_leaving_and_being_removed(hall: RoomHall) -> None:
    receipt = hall.asked(Verb.PART, room="dev")
    event = hall.done(receipt, "You have left Dev.", room="Dev")
    assert event == LeftRoom("Dev", AT_NOON, "parted")
    assert (event.receipt, receipt.answer) == (receipt, "You have left Dev.")
    hall.joined(["alice"])
    event = hall.told("removed", "bob removed you from Dev.", room="Dev")
    assert event == LeftRoom("Dev", AT_NOON, "removed", sentence="bob removed you from Dev.")
    assert not hall.room.rooms.others


def test_topics(hall: RoomHall) -> None:
    event = hall.told("topic", "More code", room="Dev", user="bob")
    assert (event, hall.known().topic) == (
        TopicChanged("More code", "bob", AT_NOON, "Dev"),
        "More code",
    )
    event = hall.told("topic", room="Dev", user="bob")
    assert (event, hall.known().topic) == (TopicChanged(None, "bob", AT_NOON, "Dev"), None)
    # The owner who changes it gets the answer alone.
    answer = hall.done(
        hall.asked(Verb.TOPIC, room="dev", topic=" My\tcode "), "The topic is: My code", room="Dev"
    )
    assert isinstance(answer, Notice)
    assert (answer.room, hall.known().topic) == ("Dev", "My code")
    hall.done(hall.asked(Verb.ROOM, room="dev", change=RoomChange("open")), room="Dev")
    assert hall.known().kind == "open"


def test_other_notices_about_rooms(hall: RoomHall) -> None:
    waiting = hall.sent()
    assert hall.told("room", "bob did.", room="Dev", user="bob") == RoomChanged(
        "bob", "bob did.", AT_NOON, "Dev"
    )
    assert hall.told("invited", "Come!", room="den", user="bob") == Invited(
        "den", "bob", "Come!", AT_NOON
    )
    assert hall.told("read", room="Dev", seq=3) == ReadElsewhere(3, AT_NOON, room="Dev")
    notice = hall.told("announcement", "Hi", room="Dev")
    assert (notice.room, notice.receipt) == ("Dev", None)
    assert waiting.status is Status.WAITING, "none of them is an answer"


def test_a_refusal_belongs_to_the_room_that_was_meant(hall: RoomHall) -> None:
    receipt = hall.sent()
    receipt.room = "DEV"
    assert hall.told("muted", "No.", nonce=receipt.nonce).room == "Dev"
    receipt = hall.asked(Verb.INVITE, room="elsewhere")
    assert hall.told("not-in-room", "No.", nonce=receipt.nonce).room == "elsewhere"


def test_a_room_with_very_many_users(hall: RoomHall) -> None:
    room = hall.joined(["alice", "bob"])
    event = hall.told("here", "1001 users are here.", room="Dev", here=1001)
    assert event == HereCount(1001, AT_NOON, room="Dev")
    assert (room.here, list(room.users)) == (1001, [])
    event = hall.told("here", "", room="Dev", here=900, announced=True)
    assert event == HereCount(900, AT_NOON, True, "Dev")
    hall.hear(LOGIN, "carol", room="Dev")
    hall.hear(LOGOUT, "bob", room="Dev")
    hall.hear(LOGOUT, "alex", room="Dev")
    assert (room.here, list(room.users)) == (899, [])
    hall.told("here", "", room="Dev", here=0)
    hall.hear(LOGOUT, "dave", room="Dev")
    assert room.here == 0
    assert list(hall.joined(["alice"]).users) == ["alice"], "joining again brings the names"


def test_frames_of_a_room_that_the_user_is_not_in_change_nothing(hall: RoomHall) -> None:
    hall.hear(UTF8, "bob", b"hi", room="den")
    hall.hear(LOGIN, "bob", room="den")
    hall.hear(LOGOUT, "bob", room="den")
    hall.told("topic", "x", room="den")
    hall.told("here", "x", room="den", here=5)
    hall.told("removed", "x", room="den")
    hall.done(hall.asked(Verb.TOPIC, room="den", topic="x"), room="den")
    assert list(hall.room.rooms.others) == ["Dev"]


@pytest.mark.parametrize("code", ["invited", "removed", "here"])
def test_a_notice_without_what_it_is_about(hall: RoomHall, code: str) -> None:
    with pytest.raises(HeaderError):
        hall.told(code)


NAMES = st.sampled_from(["alice", "bob", "carol", "server"])
ROOMS = st.sampled_from([None, "Dev", "den", "x" * 300])
CODES = st.sampled_from([None, "here", "topic", "room", "invited", "removed", "done", "read", "??"])
CONTENTS = st.one_of(
    st.binary(max_size=20),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["users", "here", "kind", "topic", "owner", "seq", "lost", "rooms"]
                ),
                inner,
                max_size=8,
            )
        ),
    ).map(lambda value: json.dumps(value).encode()),
)
FRAMES = st.tuples(
    st.sampled_from([LOGIN, LOGOUT, UTF8, FILE]),
    NAMES,
    CONTENTS,
    ROOMS,
    CODES,
    st.sampled_from([None, *Verb]),
    st.none() | st.integers(0, 2**63 - 1),
)


@given(st.lists(FRAMES, max_size=20))
def test_whatever_a_server_says_about_rooms_is_an_event_or_a_bad_frame(frames: list[Any]) -> None:
    hall = RoomHall()
    for kind, sender, content, room, code, verb, here in frames:
        nonce = None if verb is None else hall.asked(verb, room="dev").nonce
        notice = code if sender == "server" else None
        fields = {"room": room, "notice": notice, "nonce": nonce, "here": here, "seq": here}
        try:
            hall.hear(kind, sender, content, **fields)
        except HeaderError:
            continue
        for known in hall.room.rooms:
            assert known.here is None or known.here >= 0
            assert known.is_listed or not known.users
