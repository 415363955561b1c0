"""The headers of both sides: a HeaderError or a value, which encoded and parsed again is the same value."""

from __future__ import annotations

import json
from typing import Any

from chat.protocol.errors import HeaderError
from chat.protocol.headers import (
    ClientHeader,
    LoginHeader,
    ServerHeader,
    encode_client_header,
    encode_server_header,
    looks_like_json,
    parse_client_header,
    parse_json_object,
    parse_login_header,
    parse_server_header,
)
from chat.protocol.notices import SERVER_NAME

# Fields whose keys have other names.
_WIRE_KEYS = {"sender": "from", "answers": "for", "found": "count"}


def check(data: bytes) -> None:
    """Raises AssertionError, or what a parser raised against its word."""
    fields = _leniently(data)
    _check_login(data, fields)
    _check_client(data, fields, names_a_file=True)
    _check_client(data, fields, names_a_file=False)
    _check_server(data, fields)
    try:
        values = parse_json_object(data)
    except HeaderError as error:
        _check_sentence(error)
    else:
        assert values == fields


def _check_login(data: bytes, fields: dict[str, Any] | None) -> None:
    try:
        header = parse_login_header(data)
    except HeaderError as error:
        _check_sentence(error)
        return
    _check_strings(header)
    if not header.is_json:
        assert header == LoginHeader(data.decode())
        assert not looks_like_json(data)
        return
    assert fields is not None
    assert (header.name or None, header.session, header.inline, header.password) == (
        fields.get("to") or None,
        fields.get("session"),
        fields.get("inline"),
        fields.get("password"),
    )
    assert parse_login_header(encode_client_header(header) or b"{}") == header
    assert repr(header) == repr(header._replace(password=None)), "a password would stand in a log"


def _check_client(data: bytes, fields: dict[str, Any] | None, *, names_a_file: bool) -> None:
    try:
        header = parse_client_header(data, names_a_file=names_a_file)
    except HeaderError as error:
        _check_sentence(error)
        return
    _check_strings(header)
    if not looks_like_json(data):
        # Nothing that could be a broken private message becomes a public one.
        assert names_a_file or not data
        assert header == ClientHeader(filename=data.decode() or None)
    else:
        assert fields is not None
        assert header.to == fields.get("to")
        assert header.fetch == fields.get("fetch")
        assert (header.command is None) == (fields.get("command") is None)
    assert parse_client_header(encode_client_header(header), names_a_file=names_a_file) == header


def _check_server(data: bytes, fields: dict[str, Any] | None) -> None:
    try:
        header = parse_server_header(data)
    except HeaderError as error:
        _check_sentence(error)
        return
    _check_strings(header)
    assert fields is not None
    told = {name: fields.get(_WIRE_KEYS.get(name, name)) for name in ServerHeader._fields}
    for name in ("replay", "purged", "more"):
        told[name] = told[name] or None
    if told["lost"] is not None:
        told["lost"] = tuple(map(tuple, told["lost"]))
    if header.sender != SERVER_NAME:
        told["notice"] = None
    assert header._asdict() == told
    assert parse_server_header(encode_server_header(header)) == header


def _check_sentence(error: HeaderError) -> None:
    """Check that the sentence may be shown to a person, and has nothing that the peer chose."""
    assert str(error).endswith(".")
    assert str(error).isascii()
    assert str(error).isprintable()


def _check_strings(header: LoginHeader | ClientHeader | ServerHeader) -> None:
    """All can be sent on, as they are."""
    for value in header:
        if isinstance(value, str):
            value.encode()


def _leniently(data: bytes) -> dict[str, Any] | None:
    """Parse ``data`` with a reader that accepts more than ours; None if that reader refuses it too."""
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
