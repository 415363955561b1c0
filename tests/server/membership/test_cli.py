"""``chat-server rooms``: the operator lists, adds, changes and removes rooms, also of a running server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chat.server.cli import main
from tests.server.membership.visitors import PASSWORD, come, register
from tests.server.server_in_test import TestServer, open_chat_server

pytestmark = pytest.mark.usefixtures("cheap_hashes")
Rooms = Callable[..., int]


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    """The command, with the data directory of the test."""
    return lambda *argv: main(["rooms", *argv, f"--data-directory={tmp_path / 'data'}"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TestServer]:
    with open_chat_server(tmp_path, data_directory=tmp_path / "data") as server:
        yield server


def listed(rooms: Rooms, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert rooms("list", "--json") == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_rooms_of_a_stopped_server(
    rooms: Rooms, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data: dict[str, Any] = {"data_directory": tmp_path / "data"}
    assert listed(rooms, capsys) == []
    with open_chat_server(tmp_path, **data) as server:
        register(server, "alice")
    assert rooms("add", "Den", "--kind=closed", "--owner=alice", "--keep=7d") == 0
    assert rooms("add", "den") == rooms("add", "D\u0435n") == 1
    assert rooms("set", "nowhere", "--topic=x") == rooms("remove", "nowhere") == 1
    assert rooms("remove", "lobby") == rooms("set", "den", "--owner=nobody") == 1
    assert rooms("set", "den", "--kind=secret") == rooms("add", "a b") == 2
    assert rooms("set", "den", "--topic=All about dens") == 0
    assert listed(rooms, capsys) == [
        {
            "room": "Den",
            "kind": "closed",
            "topic": "All about dens",
            "keep": 7 * 86400,
            "history": "invited",
            "owners": ["alice"],
            "members": 0,
        }
    ]
    with open_chat_server(tmp_path, **data) as server:
        alice = come(server, "alice", password=PASSWORD)
        assert alice.welcome["invited"] == ["Den"]
        alice.do("join", room="den")
        alice.say_in("den", "secret")
    # Whoever joins the opened room does not see what was said before.
    assert rooms("set", "den", "--kind=open") == 0
    with open_chat_server(tmp_path, **data) as server:
        eve = come(server, "eve", join=["den"])
        assert eve.page(room="den") == []
        alice = come(server, "alice", password=PASSWORD)
        alice.say_in("den", "public")
        assert eve.page(room="den") == ["public"]


def test_no_room_gets_the_name_that_the_settings_file_gives_the_default_room(
    tmp_path: Path, rooms: Rooms, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "server.toml"
    file.write_text('default-room = "Hall"\n')
    assert rooms("add", "hall", f"--config={file}") == 1
    assert "Everyone is in hall" in capsys.readouterr().err
    # A room that got the name before can be removed, so that the server starts again.
    assert rooms("add", "hall") == rooms("remove", "hall", f"--config={file}") == 0


def test_rooms_of_a_running_server(server: TestServer, rooms: Rooms, tmp_path: Path) -> None:
    """The server looks once a second, and here at once."""
    alice, eve = register(server, "alice"), come(server, "eve")

    def change(*argv: str) -> None:
        assert rooms(*argv) == 0
        server.parts.watch.look()

    change("add", "news", "--kind=announcements")
    for visitor in (alice, eve):
        visitor.do("join", room="news")
    assert alice.say_in("news", "hi").header["notice"] == "not-allowed"
    change("set", "news", "--owner=alice")
    assert alice.say_in("news", "hi").header["seq"] == 1
    maker = server.parts.rooms.maker
    maker._clock = lambda: 4e9
    change("add", "empty")
    maker.sweep()
    maker.sweep()
    assert {each["room"] for each in eve.listed("rooms")} == {"empty", "lobby", "news"}
    change("remove", "news")
    assert ("removed", "news") in eve.notices()
    assert alice.say_in("news", "hi").header["notice"] == "no-such-room"
