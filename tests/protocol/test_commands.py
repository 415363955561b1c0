"""Commands of a client, as they travel."""

from __future__ import annotations

import json

import pytest

from chat.protocol.commands import Command, HistoryQuery, SearchQuery, Verb
from chat.protocol.errors import HeaderError
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
        "history",
        "search",
        "files",
        "read",
        "devices",
        "forget",
        "block",
        "unblock",
        "blocks",
        "purge",
        "join",
        "part",
        "rooms",
        "names",
        "topic",
        "invite",
        "remove",
        "room",
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


FULL_QUERY = HistoryQuery(
    private=True,
    after=5,
    before=100,
    at="2026-11-24T09:30:00Z",
    epoch="abc",
    time="2026-11-24T09:30:00.5+01:00",
    limit=20,
    partner="bob",
    nonces=("n1", "n2"),
)


@pytest.mark.parametrize("query", [HistoryQuery(), HistoryQuery(before=7), FULL_QUERY])
def test_a_query_survives_the_journey(query: HistoryQuery) -> None:
    sent = ClientHeader(nonce="n", command=Command("history", query=query))
    assert parse_client_header(encode_client_header(sent), names_a_file=False) == sent


FULL_SEARCH = SearchQuery(
    words="naïve 検索",
    sender="bob",
    since="2026-11-24T09:30:00Z",
    until="2026-11-24T09:30:00.5+01:00",
    has="link",
    room="lobby",
    private=True,
    before=7,
    limit=50,
)


@pytest.mark.parametrize("query", [SearchQuery(), SearchQuery("words"), FULL_SEARCH])
def test_a_search_survives_the_journey(query: SearchQuery) -> None:
    sent = ClientHeader(nonce="n", command=Command("search", search=query))
    assert parse_client_header(encode_client_header(sent), names_a_file=False) == sent


@pytest.mark.parametrize(
    "wrong",
    [{"query": 1}, {"from": ["bob"]}, {"since": "yesterday"}, {"has": True}, {"limit": "20"}],
)
def test_a_search_with_a_value_of_the_wrong_kind_is_refused(wrong: dict[str, object]) -> None:
    data = json.dumps({"nonce": "n", "command": "search", **wrong}).encode()
    with pytest.raises(HeaderError) as caught:
        parse_client_header(data, names_a_file=False)
    assert (caught.value.nonce, caught.value.is_command) == ("n", True)


def test_only_queries_have_their_keys() -> None:
    data = b'{"command":"ping","after":"x","query":1,"since":"x"}'
    assert parse_client_header(data, names_a_file=False).command == Command("ping")


@pytest.mark.parametrize(
    "wrong",
    [
        {"private": 1},
        {"after": -1},
        {"before": "5"},
        {"at": "yesterday"},
        {"nonces": "n1"},
        {"nonces": ["n1", 2]},
        {"with": ["bob"]},
    ],
)
def test_a_query_with_a_value_of_the_wrong_kind_is_refused(wrong: dict[str, object]) -> None:
    data = json.dumps({"nonce": "n", "command": "history", **wrong}).encode()
    with pytest.raises(HeaderError) as problem:
        parse_client_header(data, names_a_file=False)
    assert (problem.value.nonce, problem.value.is_command) == ("n", True)
