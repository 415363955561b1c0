from __future__ import annotations

from datetime import datetime, timezone

import pytest

from chat.client.connection.events import Attachment, Limits, Text, Welcome
from chat.client.connection.receipts import Receipt
from chat.client.runtime.runtime import PLAIN
from chat.protocol.descriptor import MessageType
from chat.structs import replace

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=timezone.utc)


def test_what_was_told_can_not_be_changed_afterwards() -> None:
    text = Text("alice", NOW, "hello")
    with pytest.raises(AttributeError, match="can't be changed"):
        text.sender = "bob"  # type: ignore[misc]


def test_events_are_the_same_whoever_holds_their_receipts() -> None:
    receipt = Receipt(PLAIN.event(), MessageType.UTF8, text="hello")
    said = Text("alice", NOW, "hello", own=True)
    assert replace(said, receipt=receipt) == said


def test_neither_a_session_nor_a_content_shows_where_events_are_logged() -> None:
    welcome = Welcome("alice", NOW, session="who has this may send in our name")
    image = Attachment(MessageType.IMAGE, "bob", NOW, "a.png", 5, content=b"\x89PNG!")
    assert "who has this" not in repr(welcome)
    assert "PNG!" not in repr(image)


def test_a_server_that_tells_no_limits_has_those_of_the_document() -> None:
    assert Welcome("alice", NOW).limits == Limits(64 * 1024, 1024**3, 64 * 1024)
