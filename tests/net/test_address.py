"""Addresses as people type them."""

from __future__ import annotations

import contextlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.net.address import DEFAULT_ADDRESS, Address, parse_address
from tests.tables import table


@table(
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


@table(
    ("text", "address"),
    [
        ("localhost", Address("localhost", 8080)),
        ("chat.example.org", Address("chat.example.org", 8080)),
        ("192.0.2.1", Address("192.0.2.1", 8080)),
        ("[::1]", Address("::1", 8080)),
        ("::1", Address("::1", 8080)),
        ("2001:db8::2:beef", Address("2001:db8::2:beef", 8080)),
        ("2001:db8:0:0:0:0:0:5", Address("2001:db8:0:0:0:0:0:5", 8080)),
        ("fe80::1%eth0", Address("fe80::1%eth0", 8080)),
        ("9000", Address("127.0.0.1", 9000)),
        ("0", Address("127.0.0.1", 0)),
    ],
)
def test_what_is_left_out_of_an_address_has_a_default(text: str, address: Address) -> None:
    assert parse_address(text) == address


def test_without_a_default_the_port_is_required() -> None:
    assert parse_address("localhost:1", None) == Address("localhost", 1)
    for text in ("localhost", "::1"):
        with pytest.raises(ValueError, match=r"expected HOST:PORT"):
            parse_address(text, None)


@pytest.mark.parametrize(
    ("text", "readings"),
    [("::1:8080", r"\[::1:8080\] or \[::1\]:8080"), ("2001:db8::1:5", r"or \[2001:db8::1\]:5$")],
)
def test_an_address_that_can_be_read_in_two_ways_is_refused_with_both(
    text: str, readings: str
) -> None:
    with pytest.raises(ValueError, match=readings):
        parse_address(text)


def test_the_default_is_an_address() -> None:
    assert parse_address(DEFAULT_ADDRESS) == Address("127.0.0.1", 8080)


@table(
    "text",
    [
        "",
        ":",
        "65536",
        "9" * 5000,
        "bob@localhost",
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
        "[]",
        "[]:80",
        "[::1]8080",
        "[::1]:",
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


@table(
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
