"""Earlier messages that a user or a program asked for, as plain lines and as JSON lines."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from chat.client.attention.attention import Attention
from chat.client.connection.events import Attachment, Text
from chat.client.conversation.requests import FetchEarlier, FetchFound
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import Announced, EarlierListing, FoundListing
from chat.client.frontends.json_lines import JsonFrontend
from chat.client.frontends.json_requests import BadLine, read_line
from chat.client.frontends.line_io import Line
from chat.client.frontends.plain import PlainFrontend
from chat.client.frontends.wording import missing_line
from chat.client.resuming.events import MissingMessages
from chat.client.state.places import ROOM
from chat.protocol.descriptor import MessageType
from chat.structs import replace
from tests.client.fake_connection import NINE

SCHEMA = json.loads(
    (Path(__file__).parent.parent.parent.parent / "docs" / "json-lines.schema.json").read_text()
)


def said(seq: int, text: str, sender: str = "alice", **values: Any) -> Text:
    return Text(sender, NINE + timedelta(hours=seq), text, seq=seq, replay=True, **values)


def photo(seq: int) -> Announced:
    transfer = Transfer(
        4, MessageType.IMAGE, "cat.png", 10, peer="alice", state=TransferState.OFFERED
    )
    shared = Attachment(
        MessageType.IMAGE, "alice", NINE, "cat.png", 10, offer="o", seq=seq, replay=True
    )
    return Announced(shared, transfer)


def listing(*messages: Text | Announced, **values: Any) -> EarlierListing:
    request = values.pop("request", FetchEarlier(before=9))
    return EarlierListing(request, messages, epoch="e", **values)


class TestPlainLines:
    @pytest.fixture(autouse=True)
    def _zone(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()
        yield
        monkeypatch.undo()
        time.tzset()

    def shown(self, event: EarlierListing | FoundListing, *ignore: str) -> list[str]:
        lines: list[str] = []
        frontend = PlainFrontend(lines.extend, lines.extend, attention=Attention(ignore=ignore))
        frontend.show(event)
        assert not list(frontend._attention.read_marks.take_new()), "reading back reads nothing new"
        assert not frontend._attention.mentions
        return [line if not line.startswith("<") else line.partition("> ")[2] for line in lines]

    def test_dates_removed_texts_attachments_and_what_follows(self) -> None:
        lines = self.shown(
            listing(
                said(2, "one\ntwo"),
                said(3, "", purged=True),
                said(4, "/me waves"),
                photo(5),
                has_older=True,
            )
        )
        assert lines == [
            "-- 4 earlier messages:",
            "[alice]:",
            "         | one",
            "         | two",
            "[alice]: (removed)",
            "* alice waves",
            "-- alice sent an image: cat.png (10 bytes), number 4, /get 4 saves it",
            "-- /history shows older messages",
        ]

    def test_the_end_of_the_log(self) -> None:
        assert self.shown(listing())[-1] == "-- no older messages"

    def test_from_a_date_on(self) -> None:
        request = FetchEarlier(at="2026-01-02T00:00:00Z")
        assert self.shown(listing(said(2, "one"), request=request, has_newer=True))[-1] == (
            "-- /history 2026-01-02 23:04 goes on"
        )
        assert self.shown(listing(said(2, "one"), request=request))[-1] == "-- no later messages"

    def test_holes_and_users_who_are_ignored(self) -> None:
        lines = self.shown(
            listing(said(2, "one"), said(6, "spam", "mallory"), said(7, "two"), lost=((3, 5),)),
            "mallory",
        )
        assert lines[1:-1] == [
            "[alice]: one",
            f"-- {missing_line(MissingMessages(ROOM, 3, 5, 'lost'))}",
            "[alice]: two",
        ]

    def test_what_was_found(self) -> None:
        found = FoundListing(FetchFound("x"), (said(7, "two"), said(6, "spam", "mallory")), 6)
        assert self.shown(found, "mallory") == [
            "-- 2 messages found:",
            "[alice]: two",
            "-- /history #N shows what was said around number N",
            "-- /search finds older ones",
        ]
        lines: list[str] = []
        PlainFrontend(lines.extend, lines.extend).show(replace(found, first=21))
        assert lines[1:3] == [
            "<2026-01-03 04:04:05 #21> [alice]: two",
            "<2026-01-03 03:04:05 #22> [mallory]: spam",
        ]
        assert self.shown(FoundListing(FetchFound("x"), ())) == ["-- nothing found"]


def test_one_json_line_for_all_that_was_found() -> None:
    lines: list[str] = []
    event = FoundListing(FetchFound("x"), (said(7, "two"), photo(3)), 3, "e", "q")
    JsonFrontend(lines.extend).show(event)
    [value] = [json.loads(line) for line in lines]
    jsonschema.Draft202012Validator({**SCHEMA, "$ref": "#/$defs/output"}).validate(value)
    assert [message["seq"] for message in value.pop("messages")] == [7, 3]
    assert value == {"type": "search", "id": "q", "before": 3, "epoch": "e"}


def test_one_json_line_for_all() -> None:
    lines: list[str] = []
    event = listing(said(2, "one"), photo(3), has_older=True, lost=((1, 1),), tag="q")
    JsonFrontend(lines.extend).show(event)
    [value] = [json.loads(line) for line in lines]
    jsonschema.Draft202012Validator({**SCHEMA, "$ref": "#/$defs/output"}).validate(value)
    texts = [message.get("text", message.get("filename")) for message in value.pop("messages")]
    assert texts == ["one", "cat.png"]
    assert value == {"type": "history", "id": "q", "older": True, "lost": [[1, 1]], "epoch": "e"}


@pytest.mark.parametrize(
    ("rest", "request_"),
    [
        ("", FetchEarlier()),
        (', "before": 9, "limit": 200', FetchEarlier(before=9, limit=200)),
        (', "around": 9, "epoch": "e"', FetchEarlier(around=9, epoch="e")),
        (', "at": "2026-01-02T00:00:00Z"', FetchEarlier(at="2026-01-02T00:00:00Z")),
        (', "private": true', FetchEarlier(private=True)),
        (', "with": "bob"', FetchEarlier(private=True, partner="bob")),
    ],
)
def test_a_program_asks(rest: str, request_: FetchEarlier) -> None:
    line = f'{{"type": "history"{rest}}}'
    jsonschema.Draft202012Validator({**SCHEMA, "$ref": "#/$defs/input"}).validate(json.loads(line))
    asked = read_line(Line(line.encode()))
    assert asked is not None
    assert asked.request == request_


@pytest.mark.parametrize(
    ("rest", "sentence"),
    [
        ('"limit": 0', "The value of 'limit' must be 1 to 200."),
        ('"limit": 201', "The value of 'limit' must be 1 to 200."),
        ('"at": "yesterday"', "The value of 'at' must be a time such as"),
        ('"before": 1, "at": "2026-01-02T00:00:00Z"', "Expected at most one of"),
        ('"before": -1', "The value of 'before' must be 0 or more."),
    ],
)
def test_a_program_asks_for_what_makes_no_sense(rest: str, sentence: str) -> None:
    with pytest.raises(BadLine) as caught:
        read_line(Line(f'{{"type": "history", "id": 7, {rest}}}'.encode()))
    assert str(caught.value).startswith(sentence)
    assert caught.value.tag == 7


@pytest.mark.parametrize(
    ("rest", "request_"),
    [
        ('"query": "two words"', FetchFound("two words", limit=50)),
        (
            '"from": "alice", "since": "2026-01-02T00:00:00Z", "until": "2026-01-03T00:00:00Z"',
            FetchFound("", "alice", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", limit=50),
        ),
        (
            '"has": "link", "with": "bob", "before": 9, "limit": 1',
            FetchFound(has="link", private=True, partner="bob", before=9, limit=1),
        ),
    ],
)
def test_a_program_searches(rest: str, request_: FetchFound) -> None:
    line = f'{{"type": "search", {rest}}}'
    jsonschema.Draft202012Validator({**SCHEMA, "$ref": "#/$defs/input"}).validate(json.loads(line))
    asked = read_line(Line(line.encode()))
    assert asked is not None
    assert asked.request == request_


@pytest.mark.parametrize("rest", ['"limit": 51', '"has": "dog"', '"since": "soon"', '"words": ""'])
def test_a_program_searches_for_what_makes_no_sense(rest: str) -> None:
    with pytest.raises(BadLine):
        read_line(Line(f'{{"type": "search", {rest}}}'.encode()))
