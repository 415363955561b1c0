"""Addresses as people type them."""

from __future__ import annotations

import contextlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.net.address import DEFAULT_ADDRESS, Address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("chat.example.org:1", Address("chat.example.org", 1)),
        ("localhost:65535", Address("localhost", 65535)),
        ("localhost:0", Address("localhost", 0)),
        ("чат.рф:80", Address("чат.рф", 80)),
        ("under_score:80", Address("under_score", 80)),
        (":8080", Address("", 8080)),
        ("[::1]:8080", Address("::1", 8080)),
        ("[::]:8080", Address("::", 8080)),
        ("[::ffff:127.0.0.1]:8080", Address("::ffff:127.0.0.1", 8080)),
        ("[fe80::1%eth0]:8080", Address("fe80::1%eth0", 8080)),
        ("unix:/run/chat.sock", Address(path="/run/chat.sock")),
        ("unix:chat:1", Address(path="chat:1")),
        ("unix:" + "x" * 107, Address(path="x" * 107)),
        ("unix:" + "é" * 53, Address(path="é" * 53)),
        ("unix:\udcff", Address(path="\udcff")),
    ],
)
def test_an_address_reads_and_writes_the_same(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


def test_the_default_is_an_address() -> None:
    assert parse_address(DEFAULT_ADDRESS) == Address("127.0.0.1", 8080)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8080",
        "localhost",
        "localhost:",
        "localhost:http",
        "localhost:65536",
        "localhost:123456",
        "localhost:-1",
        "localhost:٣",
        "localhost:80 ",
        " localhost:80",
        "local host:80",
        "local\nhost:80",
        "local\0host:80",
        "local\x7fhost:80",
        "http://localhost:80",
        "localhost/path:80",
        "a:b:80",
        "::1:8080",
        "[]:80",
        "[::1]",
        "[::1]8080",
        "[::1:8080",
        "[localhost]:80",
        "[127.0.0.1]:80",
        "[1::2::3]:80",
        "[::1%]:80",
        "a..b:80",
        ".a:80",
        "x" * 64 + ":80",
        "\udcff:80",
        "unix:",
        "unix:" + "x" * 108,
        "unix:" + "é" * 54,
    ],
)
def test_what_is_no_address_says_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid address .*: expected .*unix:PATH") as refused:
        parse_address(text)
    assert "\n" not in str(refused.value)


@given(st.text() | st.text(st.sampled_from("a.:[]%0é-")))
def test_whatever_is_accepted_can_be_looked_up(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert parse_address(str(address)) == address
    if address.path is None:
        # It may not be found, but to ask for it is no error.
        with contextlib.suppress(socket.gaierror):
            socket.getaddrinfo(address.host or None, address.port, flags=socket.AI_NUMERICHOST)


@pytest.mark.parametrize(
    ("text", "local"),
    [
        (":80", True),
        ("localhost:80", True),
        ("LOCALHOST.:80", True),
        ("127.0.0.1:80", True),
        ("127.1:80", True),
        ("[::1]:80", True),
        ("unix:/run/chat", True),
        ("127.0.0.1.example.org:80", False),
        ("127.example:80", False),
        ("localhost.example.org:80", False),
        ("192.0.2.1:80", False),
        ("[2001:db8::1]:80", False),
        ("0.0.0.0:80", False),
    ],
)
def test_whether_it_stays_on_this_machine(text: str, local: bool) -> None:
    assert parse_address(text).is_local is local
