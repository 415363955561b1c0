"""Servers that tell too much about rooms, or what cannot be."""

from __future__ import annotations

import json

import pytest

from chat.client.connection.events import Limits, RoomHistory, Text, TopicChanged, Welcome
from chat.client.connection.session import known_rooms
from chat.protocol.commands import Verb
from chat.protocol.descriptor import MessageType
from chat.protocol.errors import HeaderError
from tests.client.connection.test_room_frames import DEV_FACTS, LOBBY, RoomHall
from tests.client.connection.test_session_state import AT_NOON, Hall

LOGIN, LOGOUT, UTF8 = MessageType.LOGIN, MessageType.LOGOUT, MessageType.UTF8


@pytest.fixture
def hall() -> RoomHall:
    return RoomHall()


def test_a_server_with_more_rooms_than_a_client_keeps() -> None:
    hall = Hall()
    rooms = {f"r{number}": DEV_FACTS for number in range(10_000)}
    welcome = hall.welcome(rooms={"lobby": LOBBY, **rooms}, refused=dict.fromkeys(rooms, "no"))
    assert isinstance(welcome, Welcome)
    assert len(welcome.rooms) == len(hall.room.rooms.others) == known_rooms.MAX_ROOMS
    assert len(welcome.refused) <= 1000
    with pytest.raises(HeaderError, match="200"):
        hall.hear(LOGIN, "alice", room="one more")
    hall.hear(LOGOUT, "alice", room="r0")
    hall.hear(LOGIN, "alice", room="one more")
    with pytest.raises(HeaderError):
        hall.hear(LOGIN, "alice", room="x" * 257)


def test_names_in_all_rooms_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_rooms, "MAX_USERS", 10)
    hall = RoomHall()
    first = hall.joined([f"n{number}" for number in range(6)])
    second = hall.joined([f"n{number}" for number in range(6)] + ["x" * 257], "Second")
    hall.hear(LOGIN, "late", room="Dev")
    assert (len(hall.room.users), len(first.users), len(second.users)) == (2, 6, 2)
    hall.told("removed", "", room="Second")
    hall.hear(LOGIN, "late", room="Dev")
    assert len(first.users) == 7
    hall.told("topic", "t" * 10_000, room="Dev")
    assert len(hall.known().topic or "") == known_rooms.MAX_TOPIC


def test_a_server_that_names_rooms_for_ever(hall: RoomHall) -> None:
    most = known_rooms.MAX_STRANGE
    for number in range(most - 1):
        hall.hear(UTF8, "bob", b"hi", room=f"r{number}")
    hall.told("invited", "Come.", room="one more")
    for heard in range(2):
        with pytest.raises(HeaderError, match="too many"):
            hall.hear(UTF8, "bob", b"hi", room=f"x{heard}")
        with pytest.raises(HeaderError, match="too many"):
            hall.told("invited", "Come.", room=f"x{heard}")
    # Not those which the user names, nor those known already.
    hall.joined(["alice"], "x0")
    for name in ("Dev", "r7", "x0"):
        assert hall.hear(UTF8, "bob", b"hi", room=name) == Text("bob", AT_NOON, "hi", room=name)
    with pytest.raises(HeaderError):
        RoomHall().told("invited", "Come.", room="x" * 257)


def test_a_topic_is_shortened_wherever_it_is_told() -> None:
    topic, hall = "t" * 1_000_000, Hall()
    welcome = hall.welcome(
        rooms={"lobby": {"topic": topic}, "Dev": {"kind": "open", "topic": topic}}
    )
    assert isinstance(welcome, Welcome)
    changed = hall.hear(UTF8, "server", topic.encode(), notice="topic", room="Dev")
    assert isinstance(changed, TopicChanged)
    for told in (welcome.topic, welcome.rooms[0].topic, changed.topic):
        assert told == topic[: known_rooms.MAX_TOPIC]


@pytest.mark.parametrize(
    "value", [-1, 2**63, int("9" * 4300), "1e999", 1.5, True], ids=lambda value: str(value)[:20]
)
def test_numbers_that_no_server_counts_are_left_out(value: object) -> None:
    facts = {"here": value, "seq": value, "unread": value, "read": value, "lost": [[value, value]]}
    content = {"history": True, "epoch": "e", "keep": value, "limits": {"max_text": value}}
    content |= {"rooms": {"lobby": facts, "Dev": {**facts, "kind": "open"}}}
    raw = json.dumps(content).replace('"1e999"', "1e999").encode()
    hall = Hall()
    welcome = hall.hear(LOGIN, "alice", raw)
    assert isinstance(welcome, Welcome)
    for history in (welcome.history, welcome.rooms[0].history):
        keep = value if value == 1.5 else None
        assert history == RoomHistory("e", keep, 0, 1)
    assert (welcome.here, welcome.rooms[0].here, welcome.limits) == (None, None, Limits())


def test_half_characters_are_no_names() -> None:
    # Such a name can be neither sent nor saved.
    for content in ({"rooms": {"\ud800": DEV_FACTS}}, {"invited": ["\udfff"]}, {"motd": "\ud800x"}):
        with pytest.raises(HeaderError):
            Hall().welcome(**content)
    hall = RoomHall()
    entered = hall.done(hall.asked(Verb.JOIN, room="Dev"), {"topic": "\ud800"}, room="Dev")
    assert (entered.facts.name, entered.facts.topic) == ("Dev", None)
    whole = Hall().welcome(motd="😀")
    assert isinstance(whole, Welcome)
    assert whole.motd == "😀"
