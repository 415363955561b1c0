"""Owners decide who may be in a room, and who may not any more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import remove_account
from chat.server.storage.database import Database
from tests.server.membership.visitors import PASSWORD, Visitor, come, register
from tests.server.server_in_test import TestServer, open_chat_server

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TestServer]:
    with open_chat_server(tmp_path, data_directory=tmp_path / "data") as server:
        yield server


def leave(server: TestServer, *visitors: Visitor) -> None:
    for visitor in visitors:
        visitor.close()
    server.connections_are_accepted(len(server.parts.directory) - len(visitors))


def test_an_invitation_waits_for_who_is_away(tmp_path: Path) -> None:
    data: dict[str, Any] = {"data_directory": tmp_path / "data"}
    with open_chat_server(tmp_path, **data) as server:
        alice, bob = register(server, "alice"), register(server, "bob")
        leave(server, bob)
        alice.do("join", room="den")
        alice.do("room", room="den", kind="closed")
        alice.say_in("den", "before")
        alice.do("invite", room="den", target="bob")
        alice.say_in("den", "after")
        assert alice.code("invite", room="den", target="nobody") == "no-such-user"
    with open_chat_server(tmp_path, **data) as server:
        bob = come(server, "bob", password=PASSWORD)
        assert bob.welcome["invited"] == ["den"]
        joined = json.loads(bob.do("join", room="den").content)
        assert (joined["oldest"], joined["seq"]) == (2, 2)
        assert bob.page(room="den") == ["after"]
        assert bob.page("search", room="den", query="before") == []
        alice = come(server, "alice", password=PASSWORD)
        alice.do("room", room="den", history="all")
        assert bob.page(room="den") == ["before", "after"]


def test_invitations_are_declined(tmp_path: Path) -> None:
    """Nobody can fill up the invitations of a user for good."""
    data: dict[str, Any] = {"data_directory": tmp_path / "data", "rate": None, "max_rooms": 60}
    with open_chat_server(tmp_path, **data) as server:
        mallory, bob, eve = (
            register(server, "mallory"),
            register(server, "bob"),
            come(server, "eve"),
        )
        rooms = [f"trap{number}" for number in range(50)]
        for name in rooms:
            mallory.do("join", room=name)
            mallory.do("room", room=name, kind="closed")
            mallory.do("invite", room=name, target="bob")
        mallory.do("invite", room="trap1", target="eve")
        alice = register(server, "alice")
        alice.do("join", room="den")
        assert alice.code("invite", room="den", target="bob") == "too-many-rooms"
        assert bob.do("part", room="TRAP1").header["room"] == "trap1"
        assert bob.code("part", room="trap1") == bob.code("names", room="trap1") == "not-in-room"
        assert bob.code("join", room="trap1") == "not-invited"
        alice.do("invite", room="den", target="bob")
        eve.do("part", room="trap1")
        assert eve.code("part", room="trap1") == eve.code("history", room="trap1") == "not-in-room"
        assert eve.code("join", room="trap1") == "not-invited"
        # An owner who is not there has no invitation to decline.
        mallory.do("part", room="trap1")
        assert mallory.code("part", room="trap1") == "not-in-room"
        mallory.do("join", room="trap1")
    with open_chat_server(tmp_path, **data) as server:
        bob = come(server, "bob", password=PASSWORD)
        assert sorted(bob.welcome["invited"]) == sorted([*rooms[:1], *rooms[2:], "den"])


def test_an_owner_removes_a_member(server: TestServer) -> None:
    alice, bob, eve = register(server, "alice"), register(server, "bob"), come(server, "eve")
    alice.do("join", room="den")
    alice.do("room", room="den", kind="closed")
    assert bob.code("join", room="den") == eve.code("join", room="den") == "not-invited"
    for name in ("bob", "eve"):
        alice.do("invite", room="den", target=name)
    for visitor in (bob, eve):
        assert ("invited", "den") in visitor.notices()
        visitor.do("join", room="den")
        assert visitor.code("invite", room="den", target="raw") == "not-allowed"
    for name in ("bob", "eve"):
        alice.do("remove", room="den", target=name)
    assert alice.code("remove", room="den", target="alice") == "not-allowed"
    alice.hear()
    for visitor in (bob, eve):
        assert ("removed", "den") in visitor.notices()
        assert visitor.code("join", room="den") == "not-invited"
        assert visitor.code("history", room="den") == "not-in-room"
        assert [each["room"] for each in visitor.listed("rooms")] == ["lobby"]


def test_in_announcements_only_owners_write(server: TestServer) -> None:
    alice, bob = register(server, "alice"), register(server, "bob")
    for visitor in (alice, bob):
        visitor.do("join", room="news")
    alice.do("room", room="news", kind="announcements")
    assert bob.say_in("news", "hi").header["notice"] == "not-allowed"
    assert alice.say_in("news", "hi").header["seq"] == 1
    alice.do("room", room="news", owner="bob")
    assert bob.say_in("news", "hi").header["seq"] == 2


def test_a_user_who_loses_the_account_leaves_closed_rooms(
    server: TestServer, tmp_path: Path
) -> None:
    alice, bob = register(server, "alice"), register(server, "bob")
    for room in ("den", "dev"):
        alice.do("join", room=room)
    alice.do("room", room="den", kind="closed")
    alice.do("invite", room="den", target="bob")
    for room in ("den", "dev"):
        bob.do("join", room=room)
    alice.hear()

    remove_account(Database(tmp_path / "data"), parse_user_name("bob"))
    server.parts.watch.look()

    assert ("removed", "den") in bob.notices()
    assert alice.presence() == ["- bob den removed"]
    assert bob.say_in("dev", "as a guest").header["seq"] == 1
    bob.do("register", password=PASSWORD)
    assert bob.code("join", room="den") == "not-invited"


@pytest.mark.parametrize("is_dissolved", [False, True])
def test_a_user_who_is_removed_while_a_page_is_read_does_not_get_it(
    server: TestServer, monkeypatch: pytest.MonkeyPatch, *, is_dissolved: bool
) -> None:
    alice, bob = come(server, "alice"), come(server, "bob")
    for visitor in (alice, bob):
        visitor.do("join", room="dev")
    alice.say_in("dev", "secret")
    history, membership = server.parts.history, server.parts.rooms.membership
    room = server.parts.service.rooms.find("dev")
    assert history is not None
    assert room is not None
    read = history.before

    def read_slowly(*arguments: Any) -> Any:
        page = read(*arguments)
        if is_dissolved:
            membership.dissolve(room)
        else:
            membership.put_out(server.session("bob"), room, "alice removed you from dev.")
        return page

    monkeypatch.setattr(history, "before", read_slowly)
    bob.hear()
    assert bob.code("history", room="dev") == "not-in-room"
    assert not any(b"secret" in frame.content for frame in bob.hear())
