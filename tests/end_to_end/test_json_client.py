"""``chat-client --json`` against the real server: a program's conversation, held to the schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.end_to_end.client_process import CHECKOUT, ClientProcess, listening, run_client

SCHEMA = json.loads((CHECKOUT / "docs" / "json-lines.schema.json").read_text())
OUTPUT = jsonschema.Draft202012Validator({**SCHEMA, "$ref": "#/$defs/output"})


def told(output: str) -> list[dict[str, Any]]:
    """The objects of a client's output, each of which the schema must allow."""
    objects = [json.loads(line) for line in output.splitlines()]
    for value in objects:
        OUTPUT.validate(value)
    return objects


def lines(*requests: dict[str, Any]) -> str:
    return "".join(json.dumps(request) + "\n" for request in requests)


def outcomes(objects: list[dict[str, Any]]) -> dict[Any, str]:
    """Return the outcome of each request, by its id."""
    ends = [each for each in objects if "id" in each and each["type"] != "transfer"]
    assert len({each["id"] for each in ends}) == len(ends)
    return {each["id"]: each.get("code", each["type"]) for each in ends}


def test_every_request_has_exactly_one_outcome(address: str, home: Path) -> None:
    (home / "small").write_bytes(b"x")
    (home / "large").write_bytes(b"GIF89a".ljust(100_000))
    (home / "photos").mkdir()
    with listening(address, "alice", directory=home):
        done = run_client(
            address,
            "bob",
            "--json",
            said=lines(
                {"type": "text", "text": "hello", "id": 1},
                {"type": "text", "text": "psst", "to": "alice", "id": 2},
                {"type": "text", "text": "psst", "to": "nobody", "id": 3},
                {"type": "text", "text": "x" * 65537, "id": 4},
                {"type": "text", "text": "secret", "too": "alice", "id": 5},
                {"type": "file", "path": "small", "id": 6},
                {"type": "image", "path": "large", "to": "alice", "id": 7},
                {"type": "file", "path": "nowhere", "id": 8},
                {"type": "get", "number": 99, "id": 9},
                {"type": "who", "id": 10},
                {"type": "transfers", "id": 11},
                {"type": "file", "path": "large", "to": "nobody", "id": 12},
                {"type": "file", "path": "", "directory": True, "id": 15},
                {"type": "image", "path": " ", "to": "alice", "id": 16},
                {"type": "file", "path": ".", "id": 17},
                {"type": "file", "path": "photos", "directory": True, "id": 18},
                {"type": "quit", "id": 13},
                {"type": "text", "text": "not said", "id": 14},
            ),
            directory=home,
        )
    objects = told(done.stdout)
    assert outcomes(objects) == {
        1: "done",
        2: "done",
        3: "no-such-user",
        4: "not-sent",
        5: "bad-request",
        6: "done",
        7: "done",
        8: "not-sent",
        9: "bad-request",
        10: "users",
        11: "transfers",
        12: "failed",
        15: "bad-request",  # an empty path is not the current directory
        16: "bad-request",
        17: "not-sent",  # nor is a directory meant unless it is said
        18: "done",
    }
    sent = [each["filename"] for each in objects if each["type"] in ("file", "image")]
    assert sorted(sent) == ["large", "photos.tar", "small"]
    assert done.returncode == 1
    assert done.stderr == ""
    assert [each["text"] for each in objects if each["type"] == "text"] == ["hello", "psst"]


def test_a_run_without_mishaps(address: str, home: Path) -> None:
    done = run_client(
        address, "bob", "--json", said=lines({"type": "text", "text": "a\nb"}), directory=home
    )
    welcome, text = told(done.stdout)
    assert done.returncode == 0
    assert welcome["users"] == ["bob"]
    assert welcome["limits"]["max_text"] == 65536
    assert (text["from"], text["text"], text["own"]) == ("bob", "a\nb", True)


def test_a_conversation_of_two_programs(address: str, home: Path) -> None:
    with (
        ClientProcess(address, "alice", "--json", directory=home) as alice,
        ClientProcess(address, "bob", "--json", directory=home) as bob,
    ):
        alice.output.wait_for('"welcome"')
        bob.output.wait_for('"welcome"')
        alice.ask(type="text", text="привет", to="bob")
        bob.output.wait_for("привет")
        bob.ask(type="text", text="\u202ehi\u009b", to="alice")
        alice.output.wait_for(r"\\u202ehi\\u009b")
        bob.end_input()
        assert bob.wait() == 0
        alice.output.wait_for('"left"')
        alice.end_input()
        assert alice.wait() == 0
        kinds = [(each["type"], each.get("from")) for each in told(alice.output.text)]
        assert kinds[-3:] == [("text", "alice"), ("text", "bob"), ("left", None)]


def test_an_offer_is_fetched_when_asked_for(address: str, home: Path, tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    (home / "data").write_bytes(content)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    with ClientProcess(address, "alice", "--json", "--max-save=1K", directory=inbox) as alice:
        alice.output.wait_for('"welcome"')
        done = run_client(
            address, "bob", "--json", said=lines({"type": "file", "path": "data"}), directory=home
        )
        assert done.returncode == 0
        alice.output.wait_for('"offered"')
        assert list(inbox.iterdir()) == []
        alice.ask(type="get", number=1, id="g")
        alice.output.wait_for('"done","id":"g"')
        last = [each for each in told(alice.output.text) if each["type"] == "transfer"][-1]
        assert (last["state"], last["path"], last["done"]) == ("done", "data", len(content))
        assert (inbox / "data").read_bytes() == content
        alice.end_input()
        assert alice.wait() == 0


@pytest.mark.parametrize("said", ["hello\n", "[]\n", '{"type":"shout"}\n', "x" * 500_000])
def test_a_line_that_is_no_request_is_told_and_not_sent(
    address: str, home: Path, said: str
) -> None:
    done = run_client(address, "bob", "--json", said=said, directory=home)
    welcome, error = told(done.stdout)
    assert welcome["type"] == "welcome"
    assert (error["type"], error["code"]) == ("error", "bad-request")
    assert done.returncode == 1
