"""Headers in both directions: those that are read, those that are refused, those that are written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.protocol.commands import Command, HistoryQuery, Verb
from chat.protocol.errors import HeaderError, LocalProtocolError
from chat.protocol.headers import (
    ClientHeader,
    LoginHeader,
    ServerHeader,
    encode_client_header,
    encode_json,
    encode_server_header,
    looks_like_json,
    parse_client_header,
    parse_json_object,
    parse_login_header,
    parse_server_header,
)
from tests.protocol.random_headers import KEYS, OF_ROOMS, commands_about_rooms
from tests.tables import table

NOW = "2026-11-23T23:03:24.696444485Z"
LARGEST = 2**63 - 1

text = st.text()  # hypothesis makes no lone surrogates unless asked
whole = st.integers(0, LARGEST)


def optional(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | strategy


queries = st.builds(
    HistoryQuery,
    private=st.booleans(),
    after=optional(whole),
    before=optional(whole),
    at=optional(st.just(NOW)),
    epoch=optional(text),
    time=optional(st.just(NOW)),
    limit=optional(whole),
    partner=optional(text),
    nonces=st.lists(text, max_size=3).map(tuple),
)
plain_commands = st.builds(
    Command,
    verb=(st.sampled_from([verb.value for verb in Verb]) | text).filter(
        lambda verb: verb not in ("history", "read", "search", "files", *OF_ROOMS)
    ),
    target=optional(text),
    seconds=optional(whole),
    reason=optional(text),
    password=optional(text),
    new_password=optional(text),
    seq=optional(whole),
    **dict.fromkeys(("query", "search", "partner", "topic", "listing", "change"), st.none()),
    private=st.just(False),
    room=optional(text),
)
marks = st.tuples(optional(whole), st.booleans(), optional(text)).map(
    lambda mark: Command("read", seq=mark[0], private=mark[1], partner=mark[2])
)
pages = queries.map(lambda query: Command("history", query=query))
commands = plain_commands | marks | pages | commands_about_rooms(text, whole)
client_headers = st.builds(
    ClientHeader,
    to=optional(text),
    filename=optional(text),
    nonce=optional(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)),
    fetch=optional(text),
    offset=whole,
    command=optional(commands),
    **dict.fromkeys(("room", "resume", "size"), st.none()),
    private=st.just(False),  # a command has a key of this name, too
) | st.tuples(text | whole, optional(text), st.booleans(), text, whole).map(
    lambda f: ClientHeader(fetch=f[0], room=f[1], private=f[2], resume=f[3], size=f[4])
)
logins = st.builds(
    LoginHeader,
    name=text,
    session=optional(text),
    inline=optional(whole),
    is_json=st.just(True),
    password=optional(text),
    replay=optional(whole),
    device=optional(st.from_regex(r"[A-Za-z0-9_-]{22,86}", fullmatch=True)),
    join=optional(st.lists(text, max_size=3).map(tuple)),
)
server_headers = st.builds(
    ServerHeader,
    sender=text,
    timestamp=st.just(NOW),
    filename=optional(text),
    to=optional(text),
    seq=optional(whole),
    nonce=optional(text),
    notice=st.none(),  # of the server alone it is believed
    reason=optional(text),
    size=optional(whole),
    id=optional(text),
    sha256=optional(st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
    offset=optional(whole),
    replay=st.just(True) | st.none(),
    purged=st.just(True) | st.none(),
    answers=optional(text),
    epoch=optional(text),
    found=optional(whole),
    more=st.just(True) | st.none(),
    lost=optional(st.lists(st.tuples(whole, whole), max_size=3).map(tuple)),
    again=st.just(True) | st.none(),
    account=optional(text),
    waiting=st.just(True) | st.none(),
    private=st.just(True) | st.none(),
    partner=optional(text),
    room=optional(text),
    here=optional(whole),
    announced=st.just(True) | st.none(),
    servers=optional(st.lists(text, min_size=1, max_size=3).map(tuple)),
)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
wild_objects = st.dictionaries(st.sampled_from(KEYS.split()), any_json).map(
    lambda fields: json.dumps(fields).encode()
)


def message(data: bytes) -> ClientHeader:
    """Parse the header of a text."""
    return parse_client_header(data, names_a_file=False)


def attachment(data: bytes) -> ClientHeader:
    """Parse the header of a file."""
    return parse_client_header(data, names_a_file=True)


def said(**fields: object) -> bytes:
    """A server's header with ``fields`` beside the two that it must have."""
    return json.dumps({"from": "alice", "timestamp": NOW, **fields}).encode()


# --- round trips ----------------------------------------------------------------------------------------------------


@given(client_headers)
def test_a_clients_header_comes_out_as_it_went_in(header: ClientHeader) -> None:
    assert message(encode_client_header(header)) == header
    assert attachment(encode_client_header(header)) == header


@given(logins)
def test_a_login_comes_out_as_it_went_in(header: LoginHeader) -> None:
    encoded = encode_client_header(header)
    assert parse_login_header(encoded or b"{}") == header


@given(server_headers)
def test_a_servers_header_comes_out_as_it_went_in(header: ServerHeader) -> None:
    assert parse_server_header(encode_server_header(header)) == header


@given(st.text(min_size=1).filter(lambda name: not looks_like_json(name.encode())))
def test_a_raw_name_is_taken_as_it_is(name: str) -> None:
    assert parse_login_header(name.encode()) == LoginHeader(name)
    assert attachment(name.encode()) == ClientHeader(filename=name)


def test_a_header_that_says_nothing_takes_no_bytes() -> None:
    assert encode_client_header(ClientHeader()) == b""
    assert message(b"") == attachment(b"") == message(b"{}") == ClientHeader()


def test_what_is_written_is_compact_and_bare_of_escapes() -> None:
    assert (
        encode_server_header(
            ServerHeader("борис", NOW, filename="a/b й😀", to="محمد", size=5, id="x")
        )
        == (
            f'{{"from":"борис","timestamp":"{NOW}","filename":"a/b й😀","to":"محمد","size":5,"id":"x"}}'
        ).encode()
    )
    assert encode_client_header(ClientHeader(to="борис")) == '{"to":"борис"}'.encode()


def test_half_a_character_is_not_written() -> None:
    with pytest.raises(LocalProtocolError):
        encode_client_header(ClientHeader(to="\udcff"))


# --- what a peer may send -------------------------------------------------------------------------------------------


@given(st.binary() | st.binary().map(lambda tail: b"{" + tail) | wild_objects)
def test_no_bytes_do_worse_than_a_header_error(data: bytes) -> None:
    for parse in (parse_login_header, message, attachment, parse_server_header, parse_json_object):
        try:
            parse(data)
        except HeaderError as error:
            sentence = str(error)
        else:
            continue
        assert re.fullmatch(r"[A-Z].*\.", sentence), "it is read by a person"


BROKEN = [
    b"\xff",
    b"{",
    b'{"to": "bob"',
    b'{"to": "bob"}}',
    b'{"to": "bob"} x',
    b'{"to": "bob"}\0',
    b"{'to': 'bob'}",
    b'{"to": "bob",}',
    b'{"to": "b\nob"}',
    b'{"to": "\\ud800"}',
    b'{"to": "\\udc00\\ud800"}',
    b'{"to": "\xff"}',
    b'{"to": "bob", "to": null}',
    b'{"to": null, "to": "bob"}',
    b'{"x": {"a": 1, "a": 1}}',
    b'{"x": NaN}',
    b'{"x": Infinity}',
    b'{"x": -Infinity}',
    b'{"x": 01}',
    b'{"x": -}',
    b'{"to": 7}',
    b'{"to": true}',
    b'{"to": ["bob"]}',
    b'{"to": {"name": "bob"}}',
    b'{"x": ' + b"[" * 60_000,
    b'{"x": ' + b"[" * 32_000 + b"]" * 32_000 + b"}",
    b'{"x": ' + b"9" * 60_000 + b"}",
    b'\xef\xbb\xbf{"to": "bob"}',
    b'{\0"\0t\0o\0"\0',
    b'\0{\0"\0t\0o\0"',
]


@pytest.mark.parametrize("parse", [parse_login_header, message, attachment, parse_server_header])
def test_a_broken_object_is_refused_wherever_it_stands(parse: Callable[[bytes], object]) -> None:
    assert not [data[:40] for data in BROKEN if not is_refused(parse, data)]


def is_refused(parse: Callable[[bytes], object], data: bytes) -> bool:
    try:
        parse(data)
    except HeaderError:
        return True
    return False


@pytest.mark.parametrize("data", [b"[]", b"null", b'"bob"', b"7", b"", b"bob"])
def test_a_server_says_nothing_but_objects(data: bytes) -> None:
    with pytest.raises(HeaderError):
        parse_server_header(data)
    with pytest.raises(HeaderError):
        parse_json_object(data)


@pytest.mark.parametrize("blank", ["", " ", "\t\r\n", "  "])
def test_blanks_before_an_object_do_not_make_it_a_name(blank: str) -> None:
    data = f'{blank}{{"to": "bob"}}'.encode()
    assert looks_like_json(data)
    assert parse_login_header(data) == LoginHeader("bob", is_json=True)
    assert message(data).to == attachment(data).to == "bob"


@pytest.mark.parametrize("data", [b"bob", b"", b"b{}", b"[1]", b" bob", b'"{"'])
def test_a_raw_header_does_not_look_like_json(data: bytes) -> None:
    assert not looks_like_json(data)


@pytest.mark.parametrize("data", [b"bob", b" ", b"[]", b'"to"', b"null"])
def test_a_text_takes_no_raw_header(data: bytes) -> None:
    with pytest.raises(HeaderError, match="JSON object"):
        message(data)


def test_null_is_the_same_as_absent() -> None:
    nothing = b'{"to":null,"filename":null,"nonce":null,"fetch":null,"offset":null}'
    assert message(nothing) == ClientHeader()
    login = b'{"to":null,"session":null,"inline":null}'
    assert parse_login_header(login) == LoginHeader("", is_json=True)
    assert parse_server_header(said(to=None, size=None)) == ServerHeader("alice", NOW)


def test_keys_of_a_command_mean_nothing_without_one() -> None:
    assert message(b'{"to": "bob", "target": "eve", "seconds": "x"}') == ClientHeader("bob")


@pytest.mark.parametrize("device", ["short", "x" * 21, "x" * 87, "x" * 22 + "=", "x" * 21 + "é"])
def test_a_device_is_long_enough_to_be_a_secret(device: str) -> None:
    with pytest.raises(HeaderError, match="22 to 86"):
        parse_login_header(json.dumps({"to": "bob", "device": device}).encode())


def test_a_broken_header_is_known_for_a_commands() -> None:
    for data, is_command in (
        (b'{"command": "ban", "seconds": -1, "nonce": "n"}', True),
        (b'{"command": 7, "nonce": "n"}', True),
        (b'{"to": 7, "nonce": "n"}', False),
    ):
        with pytest.raises(HeaderError) as refused:
            message(data)
        assert (refused.value.is_command, refused.value.nonce) == (is_command, "n")


def test_what_stands_in_a_log_holds_no_password() -> None:
    command = Command("passwd", "bob", password="first", new_password="second")
    header = LoginHeader("alice", "token", password="first", device="second" * 4)
    for shown in (repr(command), repr(header), repr(ClientHeader(command=command)), f"{command}"):
        assert not any(secret in shown for secret in ("first", "second", "token"))


def test_an_empty_receiver_is_not_the_same_as_none() -> None:
    assert message(b'{"to": ""}').to == ""


def test_unknown_keys_are_ignored() -> None:
    assert message(b'{"x": [{"y": 1e999}], "to": "bob"}') == ClientHeader(to="bob")
    assert parse_login_header(b'{"x": 1, "to": "a"}') == LoginHeader("a", is_json=True)
    assert parse_server_header(said(x={"y": [1]})) == ServerHeader("alice", NOW)


@table(
    ("nonce", "good"),
    [
        ("a", True),
        ("Az09_-", True),
        ("x" * 63, True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ("a b", False),
        ("a\n", False),
        ('a"', False),
        ("é", False),
        ("٣", False),
    ],
)
def test_a_nonce_is_plain_and_short(nonce: str, good: bool) -> None:
    data = json.dumps({"nonce": nonce}).encode()
    if good:
        assert message(data).nonce == nonce
    else:
        with pytest.raises(HeaderError, match="nonce"):
            message(data)


def test_the_nonce_of_a_refused_header_is_known_if_it_is_a_good_one() -> None:
    with pytest.raises(HeaderError) as refused:
        message(b'{"to": 7, "nonce": "n-1"}')
    assert refused.value.nonce == "n-1"
    for header in (b'{"to": 7}', b'{"to": 7, "nonce": "!"}', b'{"nonce": "n-1"'):
        with pytest.raises(HeaderError) as refused:
            message(header)
        assert refused.value.nonce is None


@pytest.mark.parametrize(
    ("key", "parse"),
    [("offset", message), ("inline", parse_login_header), ("size", parse_server_header)],
)
def test_a_number_is_whole_and_fits_63_bits(key: str, parse: Callable[[bytes], object]) -> None:
    for value in ("-1", "9223372036854775808", "1.0", "1e3", "true", '"1"', "[]"):
        data = f'{{"from": "a", "timestamp": "{NOW}", "{key}": {value}}}'.encode()
        with pytest.raises(HeaderError, match=key):
            parse(data)


@pytest.mark.parametrize("value", [0, 1, LARGEST - 1, LARGEST])
def test_a_number_at_its_limits(value: int) -> None:
    assert message(json.dumps({"offset": value}).encode()).offset == value
    assert parse_login_header(json.dumps({"inline": value}).encode()).inline == value
    assert parse_server_header(said(size=value)).size == value


def test_an_object_of_a_peer_is_read_as_a_whole() -> None:
    assert parse_json_object('{"users":["alice","борис"],"motd":null}'.encode()) == {
        "users": ["alice", "борис"],
        "motd": None,
    }


@given(st.dictionaries(text, text | st.none() | st.booleans() | whole | st.lists(text)))
def test_json_that_is_written_reads_the_same(values: dict) -> None:
    assert parse_json_object(encode_json(values)) == values
