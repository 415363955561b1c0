"""The URL of the engine: all that it may say, and one line about each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.net.address import Address
from chat.net.engine_url import EngineUrl, parse_engine_url
from tests.tables import table

_HOST = (Address("db", 6379),)
_VALID = {
    "redis://db": EngineUrl(_HOST),
    "redis://db:7000/team": EngineUrl((Address("db", 7000),), prefix="team"),
    "redis://[::1]:7000/": EngineUrl((Address("::1", 7000),)),
    "rediss://chat@db?password-file=/etc/chat/secret%20one&ca-file=ca.pem&replicas=2": EngineUrl(
        _HOST,
        is_encrypted=True,
        user="chat",
        password_file=Path("/etc/chat/secret one"),
        ca_file=Path("ca.pem"),
        replicas=2,
    ),
    "redis+sentinel://one,two:27000/main": EngineUrl(
        (Address("one", 26379), Address("two", 27000)), "main"
    ),
    "rediss+sentinel://chat@one/main/team?sentinel-password-file=s&password-file=p": EngineUrl(
        (Address("one", 26379),),
        "main",
        is_encrypted=True,
        user="chat",
        password_file=Path("p"),
        sentinel_password_file=Path("s"),
        prefix="team",
    ),
}


@table("text, expected", _VALID.items())
def test_valid(text: str, expected: EngineUrl) -> None:
    assert parse_engine_url(text) == expected


@table(
    "text, reason",
    [
        ("db:6379", "expected redis://"),
        ("http://db", "expected redis://"),
        ("redis://", "no host"),
        ("redis://@db", "no user before the @"),
        ("redis://one,two", "several hosts"),
        ("redis://me@db", "no password for the user 'me'"),
        ("redis://db:0x1", "invalid address"),
        ("redis://unix:/run/redis", "expected HOST, HOST:PORT"),
        ("redis://:6379", "no host in ':6379'"),
        ("redis://db/a/b", "expected one prefix"),
        ("redis://db/a b", "invalid name 'a b'"),
        ("redis+sentinel://db", "no name of a service"),
        ("redis+sentinel://db/a/b/c", "expected one prefix"),
        ("redis://db?replica=1", "unknown option 'replica'"),
        ("redis://db?replicas=many", "invalid number of replicas 'many'"),
        ("redis://db?replicas=17", "expected 0 to 16"),
        ("redis://db?ca-file=", "expected one value"),
        ("redis://db?replicas=1&replicas=1", "expected one value"),
    ],
)
def test_a_mistake_is_one_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as found:
        parse_engine_url(text)
    assert reason in str(found.value)
    assert "\n" not in str(found.value)


@table("text", ["redis://chat:secret@db", "redis://:secret@db", "valkey://chat:secret@db"])
def test_a_password_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError) as found:
        parse_engine_url(text)
    assert "secret" not in str(found.value)
