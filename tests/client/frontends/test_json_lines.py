from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.connection.events import (
    Attachment,
    BadFrame,
    Joined,
    Left,
    Notice,
    Text,
    Welcome,
)
from chat.client.conversation.requests import (
    AskServer,
    Cancel,
    Get,
    ListTransfers,
    Quit,
    Request,
    Say,
    SendFile,
    Who,
)
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import (
    Announced,
    Asked,
    Done,
    Explanation,
    Failed,
    Lag,
    Problem,
    TransferChanged,
    TransferListing,
    UiEvent,
    UserList,
)
from chat.client.frontends.json_lines import JsonFrontend, encode
from chat.client.frontends.json_requests import BadLine, longest_line, read_line
from chat.client.frontends.line_io import Line
from chat.client.resuming.events import Disconnected
from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType
from tests.tables import table

SCHEMA = json.loads(
    (Path(__file__).parent.parent.parent.parent / "docs" / "json-lines.schema.json").read_text()
)
NINE = datetime(2026, 1, 2, 21, 4, 5, tzinfo=timezone.utc)
TIMESTAMP = "2026-01-02T21:04:05Z"


def validator(part: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{part}"})


INPUT, OUTPUT = validator("input"), validator("output")


def written(news: UiEvent) -> list[dict[str, Any]]:
    """Return the objects that the frontend writes for an event; the schema must allow each of them."""
    lines: list[str] = []
    JsonFrontend(lines.extend).show(news)
    objects = [json.loads(line) for line in lines]
    for value in objects:
        OUTPUT.validate(value)
    return objects


def photo(**values: Any) -> Attachment:
    return Attachment(MessageType.IMAGE, "alice", NINE, "cat.png", 10, **values)


def upload() -> Transfer:
    return Transfer(3, MessageType.FILE, "a.txt", 20, outgoing=True, tag="f", asked=True)


def download(state: TransferState = TransferState.OFFERED) -> Transfer:
    return Transfer(4, MessageType.IMAGE, "cat.png", 10, peer="alice", state=state)


def send_file(path: str, kind: MessageType = MessageType.FILE, to: str | None = None) -> SendFile:
    """A program says so if it means a directory."""
    return SendFile(path, kind, to, allows_directory=False)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@table(
    ("line", "request_"),
    [
        ('{"type":"text","text":"hello"}', Say("hello")),
        ('{"type":"text","text":"a\\nb","to":"bob"}', Say("a\nb", "bob")),
        ('{"type":"text","text":"a","to":null}', Say("a")),
        ('{"type":"text","text":"\\ud83d\\ude00"}', Say("😀")),
        ('{"type":"file","path":"a b"}', send_file("a b")),
        ('{"type":"image","path":"a"}', send_file("a", MessageType.IMAGE)),
        ('{"type":"voice","path":"a","to":"bob"}', send_file("a", MessageType.VOICE, "bob")),
        ('{"type":"file","path":"a","directory":null}', send_file("a")),
        ('{"type":"file","path":"a","directory":false}', send_file("a")),
        ('{"type":"file","path":"a","directory":true}', SendFile("a")),
        ('{"type":"get","number":3}', Get(3)),
        ('{"type":"cancel","number":3}', Cancel(3)),
        ('{"type":"transfers"}', ListTransfers()),
        (' {"type": "who"} ', Who()),
        ('{"type":"quit"}', Quit()),
        ('{"type":"command","command":"bans"}', AskServer(Command("bans"))),
        (
            '{"type":"command","command":"ban","target":"bob","seconds":60,"reason":"spam"}',
            AskServer(Command("ban", "bob", 60, "spam")),
        ),
        (
            '{"type":"command","command":"passwd","password":"a","new_password":"b"}',
            AskServer(Command("passwd", password="a", new_password="b")),
        ),
    ],
)
def test_a_line_makes_a_request(line: str, request_: Request) -> None:
    INPUT.validate(json.loads(line))
    assert read_line(Line(line.encode())) == Asked(request_)


@pytest.mark.parametrize("kind", ["file", "image", "voice"])
@pytest.mark.parametrize("path", ["", " ", "\t\n", "\u3000"])
def test_a_path_that_is_empty_is_refused_and_keeps_its_id(kind: str, path: str) -> None:
    """For pathlib, an empty path would be the current directory."""
    request = {"type": kind, "path": path, "directory": True, "id": 7}
    assert not INPUT.is_valid(request)
    with pytest.raises(BadLine, match="'path' is empty: expected the path of a file") as caught:
        read_line(Line(json.dumps(request).encode()))
    assert caught.value.tag == 7


@pytest.mark.parametrize("tag", ["a", 7, -1, "", 0])
def test_an_id_comes_along(tag: str | int) -> None:
    asked = read_line(Line(json.dumps({"type": "who", "id": tag}).encode()))
    assert asked == Asked(Who(), tag)


@table(
    ("line", "sentence"),
    [
        ('{"type":"text","text":"secret","too":"bob"}', "no key 'too'"),
        ('{"type":"text"}', "'text' is missing"),
        ('{"type":"text","text":null}', "'text' is missing"),
        ('{"type":"text","text":7}', "must be a string"),
        ('{"type":"text","text":"a","to":["bob"]}', "must be a string"),
        ('{"type":"text","text":"a","id":[]}', "'id' must be"),
        ('{"type":"text","text":"a","id":true}', "'id' must be"),
        ('{"type":"text","text":"\\ud800"}', "surrogate"),
        ('{"type":"get","number":"3"}', "must be a whole number"),
        ('{"type":"get","number":true}', "must be a whole number"),
        ('{"type":"get","number":1.5}', "must be a whole number"),
        ('{"type":"command","target":"bob"}', "'command' is missing"),
        ('{"type":"command","command":"ban","seconds":-1}', "must be 0 or more"),
        ('{"type":"command","command":"ban","seconds":"1h"}', "must be a whole number"),
        ('{"type":"command","command":"kick","name":"bob"}', "no key 'name'"),
        ('{"type":"file","path":"a","directory":1}', "must be true or false"),
        ('{"type":"file","path":"a","directory":"yes"}', "must be true or false"),
        ('{"type":"shout"}', "expected text, file"),
        ('{"text":"a"}', "'type' is missing"),
    ],
)
def test_an_object_that_is_no_request(line: str, sentence: str) -> None:
    assert not INPUT.is_valid(json.loads(line)) or "surrogate" in sentence
    with pytest.raises(BadLine, match=sentence):
        read_line(Line(line.encode()))


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"[]",
        b"7",
        b'{"type":"text","text":"\xff"}',
        b'{"type":"text","text":"a","to":"bob","to":null}',
        b'{"type":"get","number":NaN}',
        b'{"type":"text","text":"a"',
        b"[" * 100_000,
    ],
)
def test_a_line_that_is_no_object(line: bytes) -> None:
    with pytest.raises(BadLine, match="not a JSON object"):
        read_line(Line(line))


def test_a_bad_line_keeps_its_id() -> None:
    with pytest.raises(BadLine) as caught:
        read_line(Line(b'{"id":7,"type":"text"}'))
    assert caught.value.tag == 7


def test_blank_lines_ask_for_nothing() -> None:
    assert read_line(Line(b"")) is None
    assert read_line(Line(b"  ")) is None


def test_an_overlong_line_is_refused_once() -> None:
    with pytest.raises(BadLine, match="too long for any request"):
        read_line(Line(b'{"type":', cut=True))
    assert read_line(Line(b'"who"}', continued=True)) is None


def test_the_longest_text_fits_in_a_line() -> None:
    line = json.dumps({"type": "text", "text": "\x01" * 1000, "to": "ж" * 32, "id": "x" * 100})
    assert len(line) <= longest_line(1000)


@pytest.mark.parametrize(
    ("news", "value"),
    [
        (
            Text("alice", NINE, "hi", to="bob"),
            {"type": "text", "from": "alice", "to": "bob", "own": False, "text": "hi"},
        ),
        (Joined("alice", NINE), {"type": "joined", "username": "alice"}),
        (Left("alice", NINE, "quit"), {"type": "left", "username": "alice", "reason": "quit"}),
        (Left("alice", NINE), {"type": "left", "username": "alice"}),
        (
            Notice("shutting-down", "Bye.", NINE),
            {"type": "notice", "code": "shutting-down", "message": "Bye."},
        ),
        (
            Welcome(
                "bob",
                NINE,
                ("alice", "bob"),
                "chat/1",
                "token",
                motd="Hi.",
                registered=("alice",),
            ),
            {
                "type": "welcome",
                "username": "bob",
                "users": ["alice", "bob"],
                "registered": ["alice"],
                "moderators": [],
                "server": "chat/1",
                "motd": "Hi.",
                "limits": {"max_text": 65536, "max_file": 1024**3},
            },
        ),
        (
            Announced(photo(offer="x"), download()),
            {
                "type": "image",
                "from": "alice",
                "own": False,
                "filename": "cat.png",
                "size": 10,
                "number": 4,
                "state": "offered",
            },
        ),
    ],
)
def test_events(news: UiEvent, value: dict[str, Any]) -> None:
    assert written(news) == [{"timestamp": TIMESTAMP, **value}]


@table(
    ("news", "value"),
    [
        (
            Announced(photo(own=True, to="bob"), None),
            {
                "type": "image",
                "from": "alice",
                "to": "bob",
                "timestamp": TIMESTAMP,
                "own": True,
                "filename": "cat.png",
                "size": 10,
            },
        ),
        (Done(7), {"type": "done", "id": 7}),
        (Done(7, "Gone."), {"type": "done", "id": 7, "message": "Gone."}),
        (Done(None, "Gone."), {"type": "done", "message": "Gone."}),
        (
            Failed("no-such-user", "No user with this name is here.", "x"),
            {
                "type": "error",
                "id": "x",
                "code": "no-such-user",
                "message": "No user with this name is here.",
            },
        ),
        (
            Failed("bad-request", "What?"),
            {"type": "error", "code": "bad-request", "message": "What?"},
        ),
        (Problem("Full."), {"type": "trouble", "message": "Full."}),
        (BadFrame("Odd."), {"type": "trouble", "message": "Odd."}),
        (
            Disconnected("It broke.", 0.51234),
            {"type": "disconnected", "message": "It broke.", "retry_in": 0.512},
        ),
        (Lag(5.00012), {"type": "lag", "seconds": 5.0}),
        (Lag(0.0), {"type": "lag", "seconds": 0.0}),
        (
            UserList(("bob", "eve"), True, 2, frozenset({"bob"}), frozenset({"bob"})),
            {
                "type": "users",
                "id": 2,
                "users": ["bob", "eve"],
                "complete": True,
                "registered": ["bob"],
                "moderators": ["bob"],
            },
        ),
        (
            TransferChanged(upload()),
            {
                "type": "transfer",
                "id": "f",
                "number": 3,
                "kind": "file",
                "direction": "out",
                "filename": "a.txt",
                "size": 20,
                "done": 0,
                "state": "waiting",
            },
        ),
        (
            TransferListing((download(TransferState.DONE),)),
            {
                "type": "transfers",
                "transfers": [
                    {
                        "number": 4,
                        "kind": "image",
                        "direction": "in",
                        "peer": "alice",
                        "filename": "cat.png",
                        "size": 10,
                        "done": 10,
                        "state": "done",
                    }
                ],
            },
        ),
    ],
)
def test_outcomes(news: UiEvent, value: dict[str, Any]) -> None:
    assert written(news) == [value]


def test_where_nobody_can_ask_it_is_said_what_would_save_it() -> None:
    lines: list[str] = []
    frontend = JsonFrontend(lines.extend, "not saved: use --save-directory=DIR to save attachments")
    for state in (TransferState.OFFERED, TransferState.WAITING):
        frontend.show(Announced(photo(offer="x"), download(state)))
    offered, waiting = map(json.loads, lines)
    OUTPUT.validate(offered)
    assert offered["message"] == "not saved: use --save-directory=DIR to save attachments"
    assert "message" not in waiting


def test_help_is_for_people() -> None:
    assert written(Explanation(("x",))) == []


def test_times_are_told_in_utc() -> None:
    local = NINE.astimezone(timezone(timedelta(hours=3))) + timedelta(microseconds=5)
    assert written(Joined("a", local))[0]["timestamp"] == "2026-01-02T21:04:05.000005Z"


def test_the_session_token_stays_secret() -> None:
    assert "token" not in json.dumps(written(Welcome("bob", NINE, session="token")))


@given(st.text(st.characters(codec="utf-8")))
def test_a_line_has_nothing_that_a_terminal_interprets(text: str) -> None:
    line = encode({"type": "text", "text": text})
    assert json.loads(line)["text"] == text
    assert line.isprintable() or not set(line) & set(
        "\x7f\x85\x9b\u200e\u202a\u202e\u2028\u2029\u2066\u2069\ufeff\n\x1b"
    )


def test_what_is_escaped_and_what_is_not() -> None:
    assert encode({"t": "\u202e\x9b\x7f\U000e0061\U0010eeeeж😀"}) == (
        '{"t":"\\u202e\\u009b\\u007f\\udb40\\udc61\\udbfb\\udeeeж😀"}'
    )
