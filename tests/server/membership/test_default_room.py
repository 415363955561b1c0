"""The default room: its name, which the operator chooses, and its counts when very many users are in it."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from chat.config.command_line import UsageError
from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server.config.check import taken_room
from chat.server.config.options import read_config
from chat.server.rooms.room_records import RoomChanges, write_rooms
from tests import homes
from tests.end_to_end.client_process import CHECKOUT
from tests.peers.wire_client import WireClient, WireFrame
from tests.server.membership.visitors import PASSWORD, Visitor, come, register
from tests.server.server_in_test import TestServer
from tests.starting.programs import run_program

pytestmark = pytest.mark.usefixtures("cheap_hashes")
OpenServer = Callable[..., TestServer]
Start = Callable[..., AbstractContextManager[TestServer]]
HALL = parse_user_name("Hall")
JOINED, LEFT = MessageType.LOGIN, MessageType.LOGOUT


# Its name


def test_its_name_is_shown_and_nothing_else_changes(open_a_chat_server: OpenServer) -> None:
    server = open_a_chat_server(default_room=HALL)
    alice, old = come(server, "alice"), come(server, "old", join=None)
    raw = server.join("raw", raw=True)
    assert alice.welcome["default_room"] == old.welcome["default_room"] == "Hall"
    for room in (None, "HALL", "lobby"):
        echo = alice.say_in(room, f"to {room}")
        assert echo.header.get("room") is None
        assert raw.read_until(MessageType.UTF8, f"to {room}".encode())
    assert [each["room"] for each in alice.listed("rooms", prefix="ha")] == ["Hall"]
    assert alice.do("join", room="lobby").header.get("room") is None
    assert alice.code("part", room="lobby") == alice.code("join", room="H\u0430ll") == "not-allowed"
    assert alice.code("join", room="1obby") == "not-allowed", "it looks like the other name"


def test_its_messages_and_marks_stay_whatever_it_is_called(start: Start) -> None:
    with start() as server:
        alice = register(server, "alice")
        alice.say_in(None, "one")
        alice.do("read", seq=1)
    with start(default_room=HALL) as server:
        alice = come(server, "alice", password=PASSWORD)
        assert set(alice.welcome["rooms"]) == {"Hall"}
        assert alice.welcome["rooms"]["Hall"]["read"] == 1
        alice.do("join", room="dev")
        alice.say_in(None, "two")
        old = come(server, "old", join=None)
        assert set(old.welcome["rooms"]) == {"lobby"}
        assert old.page() == alice.page(room="Hall") == alice.page(room="lobby") == ["one", "two"]
    with start(default_room=parse_user_name("foyer")) as server:
        alice = come(server, "alice", password=PASSWORD)
        assert set(alice.welcome["rooms"]) == {"foyer", "dev"}
        assert alice.say_in(None, "three").header["seq"] == 3
        # What was its name is free now, and such a room begins empty.
        made = json.loads(alice.do("join", room="Hall").content)
        assert (made["seq"], made["users"]) == (0, ["alice"])
        assert alice.page(room="Hall") == []


@pytest.mark.parametrize(
    ("made", "why", "option", "status"),
    [("HALL", "exists", "--log-level=error", 1), ("H\u0430ll", "looks like Hall", "--check", 2)],
)
def test_another_room_may_have_its_name(
    start: Start, tmp_path: Path, made: str, why: str, option: str, status: int
) -> None:
    with start() as server:
        come(server, "alice").do("join", room=made)
    line = f"--default-room=Hall: a room {made} {why}; choose another name"
    done = run_program(
        [
            *(sys.executable, "-m", "chat.server.cli", option, "--default-room=Hall"),
            *("--address=127.0.0.1:0", f"--data-directory={tmp_path / 'data'}"),
        ],
        cwd=CHECKOUT,
        env=homes.environment(),
        timeout=60,
    )
    said = done.stderr.decode()
    assert said.startswith(f"chat-server: {line}")
    assert (said.count("\n"), done.returncode) == (1, status)
    assert [each[: len(line)] for each in taken_room(tmp_path / "data", HALL)] == [line]
    assert taken_room(tmp_path / "data", parse_user_name("foyer")) == []
    assert taken_room(tmp_path, HALL) == []


def test_a_room_of_its_name_that_the_operator_adds_is_not_used(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with start(default_room=HALL) as server:
        assert server.parts.database is not None
        alice = come(server, "alice")
        alice.do("join", room="dev")
        state = alice_room(server, "dev").state._replace(name=HALL)
        server.parts.database.run(
            lambda database: write_rooms(database, RoomChanges({HALL.key: state}), -1)
        )
        server.parts.rooms.maker.look()
        assert "the room Hall is not used" in caplog.text
        assert [each["room"] for each in alice.listed("rooms")] == ["dev", "Hall"]


def alice_room(server: TestServer, name: str) -> Any:
    return server.parts.service.rooms.find(name)


@pytest.mark.parametrize(
    ("name", "why"), [("a b", "letter"), ("server", "reserved"), ("", "name"), ("x" * 33, "32")]
)
def test_its_name_follows_the_rules_of_names(name: str, why: str, tmp_path: Path) -> None:
    options = {"--default-room": name, "--data-directory": str(tmp_path)}
    with pytest.raises(UsageError, match=f"--default-room={name}: .*{why}"):
        read_config(options)


# Its counts


class View:
    """The users in the default room, or their number, as one client knows them by its frames.

    ``names`` is None while it knows only the number. ``takes_counts`` as its login said.
    """

    def __init__(self, client: Visitor | WireClient, *, takes_counts: bool) -> None:
        self.client = client
        self.takes_counts = takes_counts
        self.is_stale = False  # the names must be asked for
        users = client.welcome.get("users")
        self.names = set(users) if users is not None else None
        self.here = client.welcome.get("here")
        self.notices = 0

    def take(self, frames: list[WireFrame]) -> None:
        for frame in frames:
            if frame.header.get("notice") == "here":
                assert self.takes_counts
                self.notices += 1
                self.here = frame.header["here"]
                self.is_stale = frame.header.get("announced", False)
                self.names = None
            elif frame.type in (JOINED, LEFT):
                assert frame.sender is not None
                assert self.names is not None or self.is_stale, "the number was told in its place"
                if self.names is not None:
                    (self.names.add if frame.type == JOINED else self.names.discard)(frame.sender)

    def look(self) -> None:
        assert isinstance(self.client, Visitor)
        self.take(self.client.hear())
        if self.is_stale:
            self.names, self.is_stale = set(self.client.listed("names", limit=500)), False
            self.take(self.client.hear())


@pytest.mark.parametrize("seed", range(3))
def test_everyone_knows_who_is_here_or_how_many(open_a_chat_server: OpenServer, seed: int) -> None:
    """Clients that take counts, clients that do not, and raw ones come and go around the limit at random."""
    rng, limit = random.Random(seed), 10
    server = open_a_chat_server(announce_up_to=limit, rate=None)
    crowds, room = server.parts.rooms.crowds, server.parts.service.rooms.default
    new = View(come(server, "new"), takes_counts=True)
    old = View(come(server, "old", join=None), takes_counts=False)
    others: dict[str, WireClient] = {}
    for step in range(60):
        name = f"user{step}"
        kind = rng.choice(("raw", "old", "new"))
        if others and (len(others) > limit + 4 or rng.random() < 0.4):
            others.pop(rng.choice(list(others))).close()
            server.connections_are_accepted(len(others) + 2)
        elif kind == "raw":
            others[name] = server.join(name, raw=True)
        else:
            came = come(server, name, join=[] if kind == "new" else None)
            here = {*others, name, "new", "old"}
            if "users" in came.welcome:
                assert set(came.welcome["users"]) == here
            else:
                assert kind == "new"
                assert room.is_crowded
                assert came.welcome["here"] == len(here)
                assert not came.welcome.keys() & {"registered", "moderators"}
            others[name] = came
        if rng.random() < 0.3:
            crowds.count()  # the timer, sooner
        if rng.random() < 0.3:
            crowds.count()
            here = {*others, "new", "old"}
            old.look()
            new.look()
            assert old.names == here
            assert new.here == len(here) if room.is_crowded else new.names == here
    assert old.notices == 0
    assert new.notices


def test_in_a_crowd_names_are_asked_for(open_a_chat_server: OpenServer) -> None:
    server = open_a_chat_server(announce_up_to=3)
    for name in ("Anna", "anton", "bert", "carl"):
        come(server, name)
    dora = come(server, "dora")
    assert (dora.welcome["here"], "users" in dora.welcome) == (5, False)
    answer = dora.do("names", prefix="AN", limit=1)
    assert (json.loads(answer.content), answer.header["more"], answer.header["here"]) == (
        ["Anna"],
        True,
        5,
    )
    assert dora.listed("names", after="bert") == ["carl", "dora"]


def test_what_newcomers_to_a_very_large_room_are_told_is_small(
    open_a_chat_server: OpenServer,
) -> None:
    server = open_a_chat_server()
    come(server, "alice").do("join", room="dev")
    rooms = server.parts.service.rooms
    dev = rooms.find("dev")
    assert dev is not None
    # Real sessions would take a minute. Of these, the server tells the names at most.
    crowd: list[Any] = [object() for _ in range(20_000)]
    for members in (rooms.default.members, dev.members):
        for number, each in enumerate(crowd):
            members.add(each, b'"user%05d"' % number, ())
    bob = come(server, "bob", join=None)
    assert len(bob.welcome["users"]) == 20_002, "it may know nothing of counts"
    carol = come(server, "carol", join=["dev"])
    assert carol.welcome["here"] == 20_003
    assert carol.welcome["rooms"]["dev"]["here"] == 20_002
    assert len(json.dumps(carol.welcome)) < 64 * 1024
    joined = come(server, "dora").do("join", room="dev")
    assert json.loads(joined.content)["here"] == 20_003
    assert len(joined.content) < 64 * 1024
    for members in (rooms.default.members, dev.members):
        for each in crowd:
            members.remove(each, ())
