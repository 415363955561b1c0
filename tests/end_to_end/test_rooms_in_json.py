"""Rooms in ``chat-client --json``, against the real server, held to the schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from chat.client import connect
from tests.end_to_end.client_process import ClientProcess, run_client
from tests.end_to_end.server_process import ServerProcess, running_server
from tests.end_to_end.test_json_client import lines, outcomes, told


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server that keeps messages."""
    server = ServerProcess("--history=on", f"--data-directory={tmp_path / 'data'}")
    yield "{}:{}".format(*server.address)
    server.end()


def by_type(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in objects if each["type"] == kind]


def test_every_request_about_rooms_has_one_outcome(address: str, home: Path) -> None:
    (home / "small").write_bytes(b"x")
    done = run_client(
        address,
        "bob",
        "--json",
        said=lines(
            {"type": "text", "text": "too early", "room": "dev", "id": 1},
            {"type": "join", "room": "Dev", "id": 2},
            {"type": "text", "text": "one", "room": "DEV", "id": 3},
            {"type": "text", "text": "two", "room": "lobby", "id": 4},
            {"type": "text", "text": "three", "room": None, "id": 5},
            {"type": "text", "text": "four", "room": "dev", "to": "bob", "id": 6},
            {"type": "text", "text": "five", "room": " ", "id": 7},
            {"type": "file", "path": "small", "room": "dev", "id": 8},
            {"type": "who", "room": "dev", "id": 10},
            {"type": "names", "room": "dev", "prefix": "b", "limit": 1, "id": 11},
            {"type": "names", "prefix": "z", "id": 12},
            {"type": "rooms", "limit": 1, "id": 13},
            {"type": "rooms", "prefix": "DE", "id": 14},
            {"type": "topic", "room": "dev", "topic": "x", "id": 15},
            {"type": "invite", "room": "dev", "target": "bob", "id": 16},
            {"type": "room", "room": "dev", "kind": "closed", "id": 17},
            {"type": "room", "room": "dev", "id": 18},
            {"type": "topic", "room": "dev", "id": 19},
            {"type": "search", "query": "one", "room": "dev", "id": 20},
            {"type": "history", "room": "dev", "id": 21},
            {"type": "history", "id": 22},
            {"type": "history", "room": "den", "id": 23},
            {"type": "files", "room": "dev", "id": 24},
            {"type": "part", "room": "dev", "id": 25},
            {"type": "text", "text": "too late", "room": "dev", "id": 26},
            {"type": "part", "room": "lobby", "id": 27},
        ),
        directory=home,
    )
    objects = told(done.stdout)
    assert outcomes(objects) == {
        1: "no-such-room",
        2: "done",
        **dict.fromkeys((3, 4, 5), "done"),
        **dict.fromkeys((6, 7), "bad-request"),
        8: "done",
        **dict.fromkeys((10, 11, 12), "users"),
        **dict.fromkeys((13, 14), "rooms"),
        **dict.fromkeys((15, 16, 17), "not-allowed"),  # a guest who made a room does not own it
        **dict.fromkeys((18, 19), "bad-request"),
        20: "search",
        **dict.fromkeys((21, 22), "history"),
        23: "no-such-room",
        24: "files",
        25: "done",
        26: "not-in-room",
        27: "bad-request",
    }
    answers = {each["id"]: each for each in objects if "id" in each}
    said = [(each["text"], each.get("room")) for each in by_type(objects, "text")]
    assert said == [("one", "Dev"), ("two", None), ("three", None)]
    assert [each["room"] for each in by_type(objects, "file")] == ["Dev"]
    assert answers[1]["room"] == "dev"
    assert by_type(objects, "entered-room")[0]["users"] == ["bob"]
    assert answers[10]["users"] == answers[11]["users"] == ["bob"]
    assert answers[12]["users"] == []
    assert [len(answers[13]["rooms"]), answers[13]["more"]] == [1, True]
    (room,) = answers[14]["rooms"]
    assert room == {"room": "Dev", "kind": "open", "here": 1, "joined": True}
    assert [each["text"] for each in answers[20]["messages"]] == ["one"]
    assert [each.get("text") for each in answers[22]["messages"]] == ["two", "three"]
    assert {each["room"] for each in answers[21]["messages"]} == {"Dev"}
    assert [each["room"] for each in by_type(objects, "left-room")] == ["Dev"]
    assert done.stderr == ""


def test_what_others_hear_of_a_room(address: str, home: Path) -> None:
    (home / "large").write_bytes(b"x" * 100_000)
    with ClientProcess(address, "alice", "--json", directory=home) as alice:
        alice.ask(type="join", room="dev", id="a")
        alice.output.wait_for('"id":"a"')
        with ClientProcess(address, "bob", "--json", directory=home) as bob:
            bob.ask(type="join", room="dev", id="b")
            bob.output.wait_for('"id":"b"')
            bob.ask(type="text", text="in dev", room="dev")
            bob.ask(type="text", text="in the lobby")
            bob.ask(type="file", path="large", room="dev")
            alice.output.wait_for("in the lobby")
            alice.output.wait_for('"filename":"large"')
            bob.ask(type="part", room="dev", id="c")
            bob.output.wait_for('"id":"c"')
            alice.ask(type="text", text="alone", room="dev", id="d")
            alice.output.wait_for('"id":"d"')
            bob.ask(type="quit")
            assert bob.wait() == 0
            assert "alone" not in bob.output.text
        alice.ask(type="quit")
        assert alice.wait() == 0
        objects = told(alice.output.text)
    events = [
        (each["type"], each.get("username", each.get("text")), each.get("room"))
        for each in objects
        if each["type"] in ("joined", "left", "text", "file", "entered-room")
    ]
    assert events == [
        ("entered-room", None, "dev"),
        ("joined", "bob", None),
        ("joined", "bob", "dev"),
        ("text", "in dev", "dev"),
        ("text", "in the lobby", None),
        ("file", None, "dev"),
        ("left", "bob", "dev"),
        ("text", "alone", "dev"),
        ("left", "bob", None),
    ]


def test_the_names_in_a_room_with_very_many_users_come_by_page(home: Path) -> None:
    with running_server("--announce-up-to=2") as server, ExitStack() as stack:
        address = "{}:{}".format(*server.address)
        for name in ("carl", "cora", "dave"):
            stack.enter_context(connect(address, name, rooms=())).join("dev")
        done = run_client(
            address,
            "bob",
            "--json",
            "--room=dev",
            said=lines(
                {"type": "who", "id": 1},
                {"type": "who", "room": "dev", "id": 2},
                {"type": "names", "room": "dev", "limit": 2, "id": 3},
                {"type": "names", "room": "dev", "limit": 2, "after": "carl", "id": 4},
                {"type": "names", "room": "dev", "prefix": "CO", "id": 5},
                {"type": "names", "room": "dev", "prefix": "x", "id": 6},
            ),
            directory=home,
        )
        objects = told(done.stdout)
        answers = {each["id"]: each for each in objects if "id" in each}
        everyone = ["bob", "carl", "cora", "dave"]
        assert answers[1]["users"] == answers[2]["users"] == everyone
        assert [answers[number]["here"] for number in (1, 2)] == [4, 4]
        assert [answers[3]["users"], answers[3]["more"]] == [["bob", "carl"], True]
        assert [answers[4]["users"], answers[4].get("more")] == [["cora", "dave"], None]
        assert [answers[5]["users"], answers[6]["users"]] == [["cora"], []]
        listed = run_client(
            address,
            "bob",
            "--commands",
            "--room=dev",
            said="/who\n/who c\n/who x\n",
            directory=home,
        )
        assert [line.partition("-- ")[2] for line in listed.stdout.splitlines()[-3:]] == [
            "4 in the room: bob, carl, cora, dave",
            "in the room, with c: carl, cora",
            "nobody in the room has a name that begins with x",
        ]
