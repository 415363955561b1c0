"""The keys of a server's header that a client accepts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.protocol.errors import HeaderError
from chat.protocol.headers import ServerHeader, encode_server_header, parse_server_header
from tests.tables import table

NOW = "2026-11-23T23:03:24.696444485Z"

text = st.text()


def said(**fields: object) -> bytes:
    """A server's header with ``fields`` beside the two that it must have."""
    return json.dumps({"from": "alice", "timestamp": NOW, **fields}).encode()


def test_a_notice_is_believed_from_the_server_alone() -> None:
    assert parse_server_header(said(notice="gone")).notice is None
    assert parse_server_header(said(**{"from": "server", "notice": "gone"})).notice == "gone"


@given(sender=text)
def test_a_header_without_more_than_that_is_read_the_same_however_it_is_written(
    sender: str,
) -> None:
    fields = {"from": sender, "timestamp": NOW}
    compact = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    spaced = json.dumps(fields)
    assert parse_server_header(compact.encode()) == ServerHeader(sender, NOW)
    assert parse_server_header(spaced.encode()) == ServerHeader(sender, NOW)


@pytest.mark.parametrize(
    "data",
    [
        b'{"from":"a\nb","timestamp":"%s"}',
        b'{"from":"a\\","timestamp":"%s"}',
        b'{"from":"a","timestamp":"%s"}}',
        b'{"from":"a","timestamp":"%s"',
        b'{"from":"a","from":"b","timestamp":"%s"}',
        b'{"from":"\xff","timestamp":"%s"}',
    ],
)
def test_a_header_that_is_nearly_as_our_server_writes_it_is_refused(data: bytes) -> None:
    with pytest.raises(HeaderError):
        parse_server_header(data % NOW.encode())


@pytest.mark.parametrize("missing", ["from", "timestamp"])
@pytest.mark.parametrize("how", ["absent", "null"])
def test_a_server_says_who_and_when(missing: str, how: str) -> None:
    fields = {"from": "alice", "timestamp": NOW}
    if how == "null":
        fields[missing] = None  # type: ignore[assignment]
    else:
        del fields[missing]
    with pytest.raises(HeaderError, match="expected 'from' and a 'timestamp'"):
        parse_server_header(json.dumps(fields).encode())


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-11-23T23:03:24Z",
        "2026-11-23T23:03:24.6Z",
        NOW,
        "2026-11-23T23:03:24+03:00",
        "2026-11-23T23:03:24.123456-11:30",
    ],
)
def test_a_time_in_the_form_of_rfc_3339(timestamp: str) -> None:
    assert parse_server_header(said(timestamp=timestamp)).timestamp == timestamp


@table(
    "timestamp",
    [
        "",
        "now",
        "2026-11-23",
        "2026-11-23T23:03:24",
        "2026-11-23 23:03:24Z",
        "2026-11-23T23:03Z",
        "2026-11-23T23:03:24.Z",
        "2026-11-23T23:03:24+0300",
        "2026-11-23T23:03:24Z\n",
        "٢٠٢٦-11-23T23:03:24Z",
        1764000000,
    ],
)
def test_a_time_in_any_other_form_is_refused(timestamp: object) -> None:
    with pytest.raises(HeaderError):
        parse_server_header(said(timestamp=timestamp))


@pytest.mark.parametrize("key", ["filename", "to", "nonce", "reason", "size", "id", "offset"])
def test_a_servers_values_have_kinds_too(key: str) -> None:
    with pytest.raises(HeaderError, match=key):
        parse_server_header(said(**{key: [1]}))


def test_a_page_of_history_survives_the_journey() -> None:
    time = "2026-11-24T09:30:00Z"
    message = ServerHeader("alice", time, seq=3, nonce="n", replay=True, purged=True, answers="q")
    assert parse_server_header(encode_server_header(message)) == message
    end = ServerHeader(
        "server", time, notice="done", epoch="e", found=3, more=True, lost=((1, 2), (5, 5))
    )
    assert parse_server_header(encode_server_header(end)) == end


def test_keys_of_a_page_have_their_names_on_the_wire() -> None:
    encoded = encode_server_header(
        ServerHeader("server", "2026-11-24T09:30:00Z", answers="q", found=0)
    )
    assert json.loads(encoded) == {
        "from": "server",
        "timestamp": "2026-11-24T09:30:00Z",
        "for": "q",
        "count": 0,
    }


@pytest.mark.parametrize(
    "lost", [5, [[1]], [[1, 2, 3]], [[1, "2"]], [[True, 2]], ["12"], [[-1, 2]]]
)
def test_lost_ranges_of_another_form_are_an_error(lost: object) -> None:
    header = {"from": "server", "timestamp": "2026-11-24T09:30:00Z", "lost": lost}
    with pytest.raises(HeaderError):
        parse_server_header(json.dumps(header).encode())


def test_a_notice_that_names_other_servers() -> None:
    servers = ("b.example.org:8080", "[2001:db8::1]:8080")
    header = ServerHeader("server", NOW, notice="move", servers=servers)
    encoded = encode_server_header(header)
    assert json.loads(encoded)["servers"] == list(servers)
    assert parse_server_header(encoded) == header


@pytest.mark.parametrize("servers", ["b.example.org:8080", [1], {"a": 1}, [None], True])
def test_servers_of_another_form_are_an_error(servers: object) -> None:
    with pytest.raises(HeaderError, match="servers"):
        parse_server_header(said(servers=servers))
