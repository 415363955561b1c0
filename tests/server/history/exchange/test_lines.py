"""An export has all messages, and nothing in it acts on a terminal."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history.exchange.lines import as_json, as_text, read_all
from chat.server.history.purging import Purge, purge
from chat.server.history.reader import Reader
from chat.server.history.rows import pack
from chat.server.history.stored import DEFAULT_ROOM, Hole, StoredRun
from chat.server.history.writer import Writer


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.setenv("TZ", "UTC")
    writer = Writer(tmp_path, bound=100)
    writer.add_logs([DEFAULT_ROOM])
    texts = [b"good <b>morning</b>", b"two\nlines", b"\x1b[2J\xe2\x80\xaeevil", b"secret"]
    nonces = [b"n1", None, None, None]
    day = "2026-11-%02dT09:30:00.000000Z"
    text, file = MessageType.UTF8, MessageType.FILE
    run = StoredRun(DEFAULT_ROOM, 1, day % 1, "al<i>ce", None, b"", text, nonces, texts)
    writer.write([pack(run)])
    writer.write([], [(DEFAULT_ROOM, Hole(5, 7))])
    attachment = StoredRun(
        DEFAULT_ROOM, 8, day % 3, "bob", None, b"", file, [None], [b"\0\1"], "a.bin", 2
    )
    writer.write([pack(attachment)])
    purge(lambda function, *values: function(writer, *values), Purge(number=4))
    writer.close()
    reader = Reader(tmp_path)
    yield reader
    reader.close()


def test_json_lines_have_everything(reader: Reader) -> None:
    objects = [json.loads(line) for line in as_json(read_all(reader, DEFAULT_ROOM, None))]
    assert [each.get("seq") for each in objects] == [1, 2, 3, 4, None, 8]
    assert objects[0] == {
        "seq": 1,
        "timestamp": "2026-11-01T09:30:00.000000Z",
        "from": "al<i>ce",
        "type": "utf8",
        "nonce": "n1",
        "text": "good <b>morning</b>",
    }
    assert objects[3]["purged"] is True
    assert "text" not in objects[3]
    assert objects[4] == {"lost": [5, 7]}
    assert b64decode(objects[5]["content"]) == b"\0\1"


def test_text_is_safe_for_a_terminal(reader: Reader) -> None:
    lines = list(as_text(read_all(reader, DEFAULT_ROOM, None)))
    assert lines[0].endswith("<al<i>ce> good <b>morning</b>")
    assert lines[2] == "    lines"
    # Shown as the client shows them.
    assert lines[3].endswith("<al<i>ce> ␛[2J<U+202E>evil")
    assert any("(removed)" in line for line in lines)
    assert any("numbers 5 to 7" in line for line in lines)
    assert lines[-1].endswith("<bob> [file a.bin, 2 bytes]")


def test_an_export_can_begin_at_a_time(reader: Reader) -> None:
    items = list(read_all(reader, DEFAULT_ROOM, "2026-11-02T00:00:00Z"))
    assert [item.first for item in items if isinstance(item, StoredRun)] == [8]
