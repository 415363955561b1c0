"""Earlier messages as JSON lines."""

from __future__ import annotations

from chat.client.connection.events import Attachment, Text
from chat.client.conversation.ui_events import Announced
from chat.protocol.descriptor import MessageType
from tests.client.frontends.test_json_lines import NINE, TIMESTAMP, written

COMMON = {"from": "alice", "timestamp": TIMESTAMP, "own": False}


def test_an_earlier_text_is_marked() -> None:
    assert written(Text("alice", NINE, "hi", seq=7, replay=True)) == [
        {"type": "text", **COMMON, "seq": 7, "replay": True, "text": "hi"}
    ]


def test_a_new_text_has_its_number_alone() -> None:
    assert written(Text("alice", NINE, "hi", seq=8)) == [
        {"type": "text", **COMMON, "seq": 8, "text": "hi"}
    ]


def test_a_removed_file_is_marked() -> None:
    file = Attachment(MessageType.FILE, "alice", NINE, "a", 0, seq=9, replay=True, purged=True)
    marks = {"seq": 9, "replay": True, "purged": True}
    assert written(Announced(file, None)) == [
        {"type": "file", **COMMON, **marks, "filename": "a", "size": 0}
    ]
