"""A command goes through the log as keys that every server reads alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat.protocol.command_fields import read_shared_command, shared_command_fields
from chat.protocol.errors import HeaderError
from chat.protocol.headers import parse_client_header

COMMANDS: list[dict[str, Any]] = [
    {"command": "kick", "target": "eve", "reason": "spam"},
    {"command": "ban", "target": "203.0.113.5", "seconds": 60, "reason": ""},
    {"command": "mute", "target": "Ève", "seconds": 0},
    {"command": "read", "seq": 7},
    {"command": "read", "seq": 7, "private": True, "with": "bob"},
    {"command": "purge", "seq": 1, "room": "kitchen"},
    {"command": "topic", "room": "kitchen", "topic": "tea\nand cake"},
    {
        "command": "room",
        "room": "kitchen",
        "kind": "closed",
        "keep": 0,
        "owner": "bob",
        "history": "all",
    },
    {"command": "names", "room": "kitchen", "prefix": "a", "after": "b", "limit": 3},
    {"command": "history", "after": 1, "private": True, "nonces": ["a", "b"]},
    {"command": "search", "query": "tea", "from": "bob", "before": 9},
    {"command": "make-coffee", "target": "eve"},
]


@pytest.mark.parametrize("keys", COMMANDS, ids=lambda keys: keys["command"])
def test_a_command_comes_out_of_the_log_as_it_went_in(keys: dict[str, Any]) -> None:
    command = parse_client_header(json.dumps(keys).encode(), names_a_file=False).command
    assert command is not None

    fields = json.loads(json.dumps(shared_command_fields(command)))

    assert read_shared_command(fields) == command
    assert fields == keys, "nothing but what the client said"


def test_a_password_stays_at_the_server_that_got_it() -> None:
    keys = {"command": "register", "password": "secret", "new_password": "other"}
    command = parse_client_header(json.dumps(keys).encode(), names_a_file=False).command
    assert command is not None
    assert shared_command_fields(command) == {"command": "register"}


def test_keys_without_a_command_are_none() -> None:
    with pytest.raises(HeaderError):
        read_shared_command({"target": "eve"})
