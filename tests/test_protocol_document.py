"""The examples in docs/protocol.md match the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

from chat.protocol.commands import Command, Verb
from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType
from chat.protocol.headers import (
    ClientHeader,
    LoginHeader,
    ServerHeader,
    encode_client_header,
    encode_server_header,
    parse_server_header,
)
from chat.protocol.notices import LeaveReason, NoticeCode, Refusal

DOCUMENT = (Path(__file__).parent.parent / "docs" / "protocol.md").read_text()


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found, f"no block in {language}"
    return found[1]


def _bytes(line: str) -> bytes:
    """Hexadecimal pairs and JSON objects, as the example writes them."""
    parts = re.split(r"(\{.*\})", line)
    return b"".join(p.encode() if p.startswith("{") else bytes.fromhex(p) for p in parts)


def test_the_example_conversation_is_made_of_whole_frames() -> None:
    types = []
    for line in _block("hex").splitlines():
        data = _bytes(line[2:])
        descriptor = Descriptor.decode(data, ByteOrder.BIG)
        assert len(data) == 16 + descriptor.header_size + descriptor.content_size, line
        if line.startswith("<") and descriptor.header_size:
            assert parse_server_header(data[16 : 16 + descriptor.header_size]).sender == "eve"
        types.append((line[0], MessageType(descriptor.type).name))
    assert types == [
        (">", "LOGIN"),
        ("<", "LOGIN"),
        ("<", "LOGIN"),
        (">", "UTF8"),
        ("<", "UTF8"),
    ]


def test_every_command_is_in_the_table() -> None:
    for verb in Verb:
        assert re.search(rf"^\| `{verb.value}` \|", DOCUMENT, re.MULTILINE), verb


def test_every_key_of_a_header_is_named() -> None:
    command = Command("ban", "eve", 1, "spam", "old", "new")
    headers = (
        encode_client_header(LoginHeader("alice", "token", 1, password="secret", status=True)),
        encode_client_header(ClientHeader("bob", "a.txt", "n", "id", 1, command)),
        encode_server_header(
            ServerHeader(
                *("a", "t", "f", "b", 1, "n", "gone", "quit", 1, "id", 1), "eve", True, False
            )
        ),
    )
    keys = {key for header in headers for key in json.loads(header)}
    missing = [key for key in keys if not re.search(rf"[`\"]{key}[`\"]", DOCUMENT)]
    assert len(keys) == 23
    assert not missing


def test_every_code_and_type_is_in_the_tables() -> None:
    codes = [code.value for kind in (NoticeCode, Refusal, LeaveReason) for code in kind]
    missing = [code for code in codes if f"`{code}`" not in DOCUMENT]
    assert not missing
    for type in MessageType:
        assert re.search(rf"^\| {type.value} \|", DOCUMENT, re.MULTILINE), type
