"""Other devices of the user, and messages that wait for another user, as JSON lines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat.client.answers.listings import KnownDevice
from chat.client.connection.events import Attachment, ReadElsewhere, Text
from chat.client.conversation.requests import AskServer, DropLine, Request, SayAgain
from chat.client.conversation.ui_events import (
    Announced,
    Asked,
    BlockListing,
    DeviceListing,
    Doubted,
    DoubtSettled,
    OtherAccount,
    UiEvent,
)
from chat.client.frontends.json_requests import BadLine, read_line
from chat.client.frontends.line_io import Line
from chat.client.frontends.wording import RENUMBERED
from chat.client.resuming.events import (
    CatchUpBegan,
    CatchUpEnded,
    LineRestored,
    MissingMessages,
    Renumbered,
)
from chat.client.state.places import MAILBOX, ROOM
from chat.client.state.unanswered_line import UnansweredLine
from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType
from tests.client.frontends.test_json_lines import INPUT, NINE, TIMESTAMP, written
from tests.tables import table

OWN = {"from": "bob", "timestamp": TIMESTAMP, "own": True}


def test_a_copy_that_another_device_sent() -> None:
    assert written(Text("bob", NINE, "hi", own=True, seq=7, elsewhere=True)) == [
        {"type": "text", **OWN, "seq": 7, "elsewhere": True, "text": "hi"}
    ]
    file = Attachment(MessageType.FILE, "bob", NINE, "a", 5, own=True, elsewhere=True)
    assert written(Announced(file, None)) == [
        {"type": "file", **OWN, "elsewhere": True, "filename": "a", "size": 5}
    ]


def test_a_message_that_waits_for_its_recipient() -> None:
    text = Text("bob", NINE, "hi", to="alice", own=True, waiting=True, account="a1")
    assert written(text) == [
        {"type": "text", **OWN, "to": "alice", "waiting": True, "account": "a1", "text": "hi"}
    ]


def test_a_program_says_how_far_it_has_read() -> None:
    mark = {"type": "command", "command": "read", "seq": 7, "private": True, "with": "alice"}
    INPUT.validate(mark)
    command = Command("read", seq=7, private=True, partner="alice")
    assert read_line(Line(json.dumps(mark).encode())) == Asked(AskServer(command))
    mark["seq"] = -1
    assert not INPUT.is_valid(mark)
    with pytest.raises(BadLine, match="must be 0 or more"):
        read_line(Line(json.dumps(mark).encode()))


def test_what_was_read_on_another_device() -> None:
    mark = {"type": "read", "seq": 7, "timestamp": TIMESTAMP}
    assert written(ReadElsewhere(7, NINE)) == [mark]
    assert written(ReadElsewhere(7, NINE, "alice")) == [{**mark, "with": "alice"}]


LINE = UnansweredLine("n1", "buy milk", None, NINE)
AS_JSON = {"nonce": "n1", "text": "buy milk", "timestamp": TIMESTAMP}


@table(
    ("event", "value"),
    [
        (
            CatchUpBegan(ROOM, 3, NINE),
            {"type": "catching-up", "log": "room", "expected": 3, "since": TIMESTAMP},
        ),
        (
            CatchUpEnded(MAILBOX, 3, complete=False),
            {"type": "caught-up", "log": "private", "count": 3, "complete": False},
        ),
        (
            MissingMessages(ROOM, 5, 6, "lost"),
            {
                "type": "missing",
                "log": "room",
                "first": 5,
                "last": 6,
                "reason": "lost",
                "message": "up to 2 messages are lost here: the server crashed before they were stored",
            },
        ),
        (Renumbered(), {"type": "renumbered", "log": "room", "message": RENUMBERED}),
        (LineRestored(LINE), {"type": "restored", **AS_JSON}),
        (
            Doubted(LINE, "The server began anew.", 1),
            {"type": "perhaps-said", "number": 1, **AS_JSON, "message": "The server began anew."},
        ),
        (
            DoubtSettled(1, LINE, "dropped"),
            {"type": "perhaps-said-settled", "number": 1, **AS_JSON, "outcome": "dropped"},
        ),
        (OtherAccount("carol"), {"type": "other-account", "username": "carol"}),
        (BlockListing(("eve",), 7), {"type": "blocks", "id": 7, "users": ["eve"]}),
        (
            DeviceListing((KnownDevice("ab12", NINE, NINE, is_here=True),), 7),
            {
                "type": "devices",
                "id": 7,
                "devices": [
                    {
                        "name": "ab12",
                        "first": TIMESTAMP,
                        "last": TIMESTAMP,
                        "here": True,
                        "current": False,
                    }
                ],
            },
        ),
    ],
)
def test_what_coming_back_brings(event: UiEvent, value: dict[str, Any]) -> None:
    assert written(event) == [value]


@pytest.mark.parametrize(("kind", "made"), [("again", SayAgain("n1")), ("drop", DropLine("n1"))])
def test_a_program_decides_about_a_line_by_its_nonce(kind: str, made: Request) -> None:
    line = {"type": kind, "nonce": "n1"}
    INPUT.validate(line)
    assert read_line(Line(json.dumps(line).encode())) == Asked(made)
