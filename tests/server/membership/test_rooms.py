"""Rooms: users make them, come, talk, go, and find them again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.settings import CreateRooms
from tests.server.membership.visitors import PASSWORD, come, register
from tests.server.server_in_test import TestServer, open_chat_server

pytestmark = pytest.mark.usefixtures("cheap_hashes")
OpenServer = Callable[..., TestServer]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TestServer]:
    with open_chat_server(tmp_path, data_directory=tmp_path / "data") as server:
        yield server


def test_a_room_is_made_by_who_joins_it_first(server: TestServer) -> None:
    alice, bob = register(server, "alice"), come(server, "bob")
    alice.hear()

    made = json.loads(alice.do("join", room="Dev").content)
    joined = json.loads(bob.do("join", room="dev").content)

    assert (made["seq"], made["here"], made["owner"], made["users"]) == (0, 1, True, ["alice"])
    assert (joined["here"], joined["owner"], joined["users"]) == (2, False, ["alice", "bob"])
    assert alice.presence() == ["+ bob Dev"]
    assert bob.presence() == []
    assert bob.listed("rooms") == [
        {"room": "Dev", "kind": "open", "topic": None, "here": 2, "joined": True},
        {"room": "lobby", "kind": "open", "topic": None, "here": 2, "joined": True},
    ]
    assert bob.listed("names", room="dev") == ["alice", "bob"]


def test_a_message_in_a_room_reaches_its_members_only(server: TestServer) -> None:
    alice, bob, eve = (come(server, name) for name in ("alice", "bob", "eve"))
    raw = server.join("raw", raw=True)
    for visitor in (alice, bob):
        visitor.do("join", room="dev")

    echo = alice.say_in("DEV", "secret")

    assert (echo.header["room"], echo.header["seq"]) == ("dev", 1)
    assert [frame.text for frame in bob.hear() if frame.sender == "alice" and frame.content] == [
        "secret"
    ]
    assert not any(b"secret" in frame.content for frame in eve.hear())
    alice.say_in(None, "to all")
    assert raw.read_until(MessageType.UTF8, b"to all")[-1].header["seq"] == 1


@pytest.mark.parametrize(
    ("room", "code"), [("dev", "not-in-room"), ("nowhere", "no-such-room"), ("a b", "no-such-room")]
)
def test_a_message_to_a_room_that_one_is_not_in_is_refused(
    server: TestServer, room: str, code: str
) -> None:
    alice, eve = come(server, "alice"), come(server, "eve")
    alice.do("join", room="dev")
    assert eve.say_in(room, "hi").header["notice"] == code
    assert eve.ask(b"x", MessageType.FILE, room=room).header["notice"] == code
    for command in ("history", "names", "topic", "read", "part"):
        assert eve.code(command, room=room, seq=1) in (code, "bad-command")
    assert eve.code("search", room=room, query="x") == code


@pytest.mark.parametrize("key", ["edit", "delete", "reply", "react"])
def test_what_is_reserved_is_refused(server: TestServer, key: str) -> None:
    alice = come(server, "alice")
    assert alice.ask(b"hi", **{key: 1}).header["notice"] == "bad-header"
    assert alice.ask(b"hi", room="lobby", to="alice").header["notice"] == "bad-header"
    assert alice.say_in("lobby", "hi").header["seq"] == 1, "the default room has a name, too"


def test_leaving_the_server_is_told_in_every_shared_room(server: TestServer) -> None:
    alice, bob = come(server, "alice"), come(server, "bob")
    for room in ("one", "two", "three"):
        alice.do("join", room=room)
        if room != "three":
            bob.do("join", room=room)
    bob.do("part", room="one")
    assert alice.presence() == ["+ bob", "+ bob one", "+ bob two", "- bob one parted"]

    bob.leave()
    bob.close()
    server.connections_are_accepted(1)

    assert alice.presence() == ["- bob two quit", "- bob quit"]
    assert alice.listed("names", room="one") == ["alice"]


def test_a_registered_user_finds_their_rooms_again(tmp_path: Path) -> None:
    data: dict[str, Any] = {"data_directory": tmp_path / "data"}
    with open_chat_server(tmp_path, **data) as server:
        alice, bob = register(server, "alice"), register(server, "bob")
        alice.do("join", room="dev")
        alice.do("topic", room="dev", topic="  All about\tcode ")
        bob.do("join", room="dev")
        bob.do("join", room="other")
        bob.do("part", room="other")
        alice.say_in("dev", "one")
        bob.hear()
    with open_chat_server(tmp_path, **data) as server:
        alice = come(server, "alice", password=PASSWORD)
        assert alice.welcome["rooms"]["dev"]["topic"] == "All about code"
        assert alice.welcome["rooms"]["dev"]["owner"] is True
        alice.say_in("dev", "two")
        bob = come(server, "bob", password=PASSWORD)
        dev = bob.welcome["rooms"].pop("dev")
        assert list(bob.welcome["rooms"]) == ["lobby"]
        assert (dev["seq"], dev["read"], dev["unread"], dev["here"]) == (2, 0, 2, 2)
        assert bob.page(room="dev") == ["one", "two"]
        assert alice.presence() == ["+ bob", "+ bob dev"]
        assert bob.do("read", room="dev", seq=2).header["seq"] == 2
        bob.say_in("dev", "three")
    with open_chat_server(tmp_path, **data) as server:
        bob = come(server, "bob", password=PASSWORD)
        assert bob.welcome["rooms"]["dev"]["read"] == 2
        assert bob.page(room="dev", after=1) == ["two", "three"]


def test_a_login_can_bring_rooms(server: TestServer) -> None:
    alice = register(server, "alice")
    for room in ("dev", "den"):
        alice.do("join", room=room)
    alice.do("room", room="den", kind="closed")
    bob = come(server, "bob", join=["DEV", "den", "nowhere", "lobby", "\ud800", "a b"])
    assert bob.welcome["refused"] == {"den": "not-invited", "nowhere": "no-such-room"}
    assert set(bob.welcome["rooms"]) == {"lobby", "dev"}
    assert alice.presence() == ["+ bob", "+ bob dev"]
    bob.say_in("dev", "hi")
    assert "hi" in [frame.text for frame in alice.hear()]


def test_who_may_make_rooms(open_a_chat_server: OpenServer, tmp_path: Path) -> None:
    server = open_a_chat_server(
        data_directory=tmp_path / "data", create_rooms=CreateRooms.REGISTERED, max_rooms=2
    )
    alice, eve = register(server, "alice"), come(server, "eve")
    assert eve.code("join", room="dev") == "no-such-room"
    alice.do("join", room="dev")
    eve.do("join", room="dev")
    assert alice.code("join", room="d\u0435v") == "not-allowed", "it looks like another"
    alice.do("join", room="second")
    assert alice.code("join", room="third") == "too-many-rooms"


def test_empty_rooms_make_place(open_a_chat_server: OpenServer, tmp_path: Path) -> None:
    server = open_a_chat_server(data_directory=tmp_path / "data", max_rooms=3)
    alice, eve, bob = register(server, "alice"), come(server, "eve"), come(server, "bob")
    alice.do("join", room="owned")
    alice.do("part", room="owned")
    eve.do("join", room="used")
    for number in range(5):
        eve.do("join", room=f"room{number}")
        eve.do("part", room=f"room{number}")
        assert [each["room"] for each in bob.listed("rooms")] == [
            "lobby",
            "owned",
            f"room{number}",
            "used",
        ]
    bob.do("join", room="den")
    assert eve.code("join", room="one-more") == "too-many-rooms"
    assert eve.code("join", room="room4") == "too-many-rooms"


def test_a_user_is_in_fifty_rooms_at_most(server: TestServer) -> None:
    alice = come(server, "alice")
    for number in range(50):
        alice.do("join", room=f"room{number}")
    assert alice.code("join", room="another") == "too-many-rooms"
    alice.do("part", room="room7")
    alice.do("join", room="another")


def test_a_raw_client_is_in_the_default_room_only(server: TestServer) -> None:
    come(server, "alice").do("join", room="dev")
    raw = server.join("raw", raw=True)
    raw.send(MessageType.UTF8, {"command": "join", "room": "dev"})
    raw.expect_notice("not-allowed")


def test_a_client_that_may_know_no_rooms_hears_of_none(server: TestServer) -> None:
    alice = register(server, "alice", device="a" * 22)
    alice.do("join", room="dev")
    old = come(server, "alice", password=PASSWORD, device="b" * 22, join=None)
    assert list(old.welcome["rooms"]) == ["lobby"]
    bob = come(server, "bob")
    bob.do("join", room="dev")
    bob.say_in("dev", "for those who know rooms")
    assert [frame.header.get("room") for frame in old.hear()] == [None]
    assert old.say_in("dev", "hi").header["notice"] == "not-in-room"
    old.do("join", room="other")
    bob.say_in("dev", "hi")
    assert "hi" in [frame.text for frame in old.hear()]
    assert "hi" in [frame.text for frame in alice.hear()]


def test_devices_share_the_rooms_of_their_user(server: TestServer) -> None:
    first = register(server, "alice", device="a" * 22)
    second = come(server, "alice", password=PASSWORD, device="b" * 22)
    bob = come(server, "bob")
    bob.do("join", room="dev")
    first.hear()
    first.do("join", room="dev")
    assert second.presence() == ["+ bob", "+ alice dev"]
    assert bob.presence() == ["+ alice dev"]
    bob.say_in("dev", "hi")
    assert "hi" in [frame.text for frame in second.hear()]
    third = come(server, "alice", password=PASSWORD, device="c" * 22)
    assert third.welcome["rooms"]["dev"]["here"] == 2
    assert bob.listed("names", room="dev") == ["alice", "bob"]
    second.do("part", room="dev")
    assert first.presence() == third.presence() == ["- alice dev parted"]
    assert bob.presence() == ["- alice dev parted"]
    assert first.say_in("dev", "hi").header["notice"] == "not-in-room"


def test_a_device_that_returns_is_in_its_rooms_and_others_notice_nothing(
    server: TestServer,
) -> None:
    alice = come(server, "alice", device="a" * 22)
    bob = come(server, "bob")
    for visitor in (alice, bob):
        visitor.do("join", room="dev")
    bob.hear()
    again = come(server, "alice", device="a" * 22)
    assert again.welcome["rooms"]["dev"]["here"] == 2
    again.say_in("dev", "back")
    assert bob.presence() == []
    assert bob.listed("names", room="dev") == ["alice", "bob"]


def test_a_guest_who_registers_stays_in_their_rooms(tmp_path: Path) -> None:
    data: dict[str, Any] = {"data_directory": tmp_path / "data"}
    with open_chat_server(tmp_path, **data) as server:
        alice, eve = register(server, "alice"), come(server, "eve")
        alice.do("join", room="den")
        alice.do("room", room="den", kind="closed")
        alice.say_in("den", "before")
        alice.do("invite", room="den", target="eve")
        eve.do("join", room="den")
        eve.do("register", password=PASSWORD)
        alice.say_in("den", "after")
        assert eve.page(room="den") == ["after"]
    with open_chat_server(tmp_path, **data) as server:
        eve = come(server, "eve", password=PASSWORD)
        assert eve.page(room="den") == ["after"]


def test_a_room_that_is_made_again_shows_nothing_of_the_former(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve = come(server, "eve")
    eve.do("join", room="dev")
    eve.say_in("dev", "former")
    eve.do("part", room="dev")
    maker = server.parts.rooms.maker
    maker.sweep()
    assert server.parts.service.rooms.find("dev") is not None, "it is not empty for a day"
    now = maker._clock()
    monkeypatch.setattr(maker, "_clock", lambda: now + 86_401)
    maker.sweep()
    assert server.parts.service.rooms.find("dev") is None

    alice = register(server, "alice")
    assert json.loads(alice.do("join", room="dev").content)["seq"] == 1
    assert alice.say_in("dev", "again").header["seq"] == 2
    assert alice.page(room="dev") == ["again"]
    alice.do("part", room="dev")
    monkeypatch.setattr(maker, "_clock", lambda: now + 200_000)
    maker.sweep()
    maker.sweep()
    assert server.parts.service.rooms.find("dev") is not None, "it has an owner"


def test_a_moderator_purges_a_message_of_a_room(server: TestServer) -> None:
    alice, bob = register(server, "alice"), come(server, "bob")
    server.session("alice").moderator = True
    for visitor in (alice, bob):
        visitor.do("join", room="dev")
    bob.say_in(None, "in the lobby")
    bob.say_in("dev", "spam")
    alice.do("purge", room="dev", seq=1)
    assert ("moderated", "dev") in bob.notices()
    assert bob.page(room="dev") == [""]
    assert bob.page() == ["in the lobby"]


def test_a_crowded_room_tells_counts(open_a_chat_server: OpenServer) -> None:
    server = open_a_chat_server(announce_up_to=3)
    alice = come(server, "alice")
    alice.do("join", room="dev")
    others = [come(server, f"user{number}") for number in range(4)]
    joined: dict[str, Any] = {}
    for other in others:
        joined = json.loads(other.do("join", room="dev").content)
    assert (joined["here"], "users" in joined) == (5, False)
    for other in others:
        other.do("part", room="dev")
    server.parts.rooms.crowds.count()
    heard = [frame for frame in alice.hear() if frame.header.get("room") == "dev"]
    assert [frame.type for frame in heard] == [MessageType.LOGIN] * 2 + [MessageType.UTF8]
    here = heard[-1].header
    assert (here["notice"], here["here"], here["announced"]) == ("here", 1, True)
    others[0].do("join", room="dev")
    assert alice.presence()[-1] == "+ user0 dev"


def test_lists_come_by_pages(server: TestServer) -> None:
    alice = come(server, "alice")
    alice.do("join", room="dev")
    for name in ("Bert", "bob", "carol"):
        come(server, name).do("join", room="dev")
    answer = alice.do("names", room="dev", limit=2)
    assert (json.loads(answer.content), answer.header["more"]) == (["alice", "Bert"], True)
    assert alice.listed("names", room="dev", after="BERT") == ["bob", "carol"]
    assert alice.listed("names", room="dev", prefix="B") == ["Bert", "bob"]
    assert alice.listed("rooms", prefix="d")[0]["room"] == "dev"
