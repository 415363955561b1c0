"""Commands of a client, as they travel."""

from __future__ import annotations

import json

import pytest

from chat.protocol.commands import Command, Verb
from chat.protocol.headers import ClientHeader, encode_client_header, parse_client_header


def test_the_verbs_are_part_of_the_wire() -> None:
    assert [verb.value for verb in Verb] == [
        "register",
        "passwd",
        "kick",
        "ban",
        "unban",
        "bans",
        "mute",
        "unmute",
        "ping",
    ]


def test_a_command_is_keys_of_a_header() -> None:
    command = Command("ban", "eve", seconds=3600, reason="spam")
    assert json.loads(encode_client_header(ClientHeader(nonce="n", command=command))) == {
        "nonce": "n",
        "command": "ban",
        "target": "eve",
        "seconds": 3600,
        "reason": "spam",
    }


@pytest.mark.parametrize("verb", ["make-coffee", ""])
def test_a_verb_of_a_newer_client_is_read_too(verb: str) -> None:
    header = parse_client_header(json.dumps({"command": verb}).encode(), names_a_file=False)
    assert header.command == Command(verb)


def test_no_seconds_are_not_the_same_as_none() -> None:
    header = parse_client_header(b'{"command": "mute", "seconds": 0}', names_a_file=False)
    assert header.command == Command("mute", seconds=0)


def test_a_command_is_shown_without_its_passwords() -> None:
    command = Command("passwd", "alice", password="old", new_password="new")
    assert repr(command) == "<Command 'passwd' 'alice'>"
