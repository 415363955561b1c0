"""The PROXY protocol as bytes: headers that proxies send, and invalid ones."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.server.net.proxy_protocol import (
    Proxied,
    ProxyProtocolError,
    bytes_wanted,
    parse_header,
    read_header,
)
from tests.tables import table

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
INET, INET6, UNIX = 0x11, 0x21, 0x31
ALICE = ("192.0.2.7", 56324)


def v2(command: int, kind: int, rest: bytes = b"") -> bytes:
    return SIGNATURE + struct.pack(">BBH", command, kind, len(rest)) + rest


def extension(type: int, value: bytes) -> bytes:
    return struct.pack(">BH", type, len(value)) + value


IPV4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.1") + struct.pack(">HH", 56324, 1)
IPV6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack(">HH", 9, 1)
)
# client, verify, and what a proxy that verified nothing adds
TLS = extension(0x20, struct.pack(">BI", 0x01, 1) + extension(0x21, b"TLSv1.3"))
NO_TLS = extension(0x20, struct.pack(">BI", 0x00, 1))

HEADERS = {
    b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 443\r\n": Proxied(ALICE),
    b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n": Proxied(
        ("255.255.255.255", 65535)
    ),
    b"PROXY TCP6 2001:db8::7 2001:db8::1 9 1\r\n": Proxied(("2001:db8::7", 9)),
    b"PROXY UNKNOWN\r\n": Proxied(None),
    b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n": Proxied(None),
    v2(0x21, INET, IPV4): Proxied(ALICE),
    v2(0x21, INET6, IPV6): Proxied(("2001:db8::7", 9)),
    v2(0x21, INET, IPV4 + TLS): Proxied(ALICE, is_encrypted=True),
    v2(0x21, INET, IPV4 + extension(0x04, b"\0" * 7) + TLS): Proxied(ALICE, is_encrypted=True),
    v2(0x21, INET, IPV4 + NO_TLS): Proxied(ALICE),
    v2(0x21, UNIX, b"\0" * 216): Proxied(None),
    v2(0x21, 0x00, TLS): Proxied(None, is_encrypted=True),
    v2(0x21, 0x12, IPV4): Proxied(None),  # UDP
    v2(0x20, 0x00): Proxied(None, is_local=True),
    v2(0x20, INET, b"whatever"): Proxied(None, is_local=True),
}
BROKEN = {
    "a chat": b"\0\1\0\3\0\0\0\0\0\0\0\0\0\0\0\0eve",
    "a TLS hello": b"\x16\x03\x01\x02\x00" + b"x" * 200,
    "a family that is none": b"PROXY TCP5 192.0.2.7 192.0.2.1 1 1\r\n",
    "an address of the other family": b"PROXY TCP6 192.0.2.7 192.0.2.1 1 1\r\n",
    "a name": b"PROXY TCP4 localhost 192.0.2.1 1 1\r\n",
    "no port": b"PROXY TCP4 192.0.2.7 192.0.2.1\r\n",
    "a port too high": b"PROXY TCP4 192.0.2.7 192.0.2.1 65536 1\r\n",
    "a port with a sign": b"PROXY TCP4 192.0.2.7 192.0.2.1 +1 1\r\n",
    "blanks": b"PROXY TCP4  192.0.2.7 192.0.2.1 1 1\r\n",
    "bytes that are no text": b"PROXY TCP4 \xff 192.0.2.1 1 1\r\n",
    "a line without an end": b"PROXY UNKNOWN " + b"x" * 200,
    "version 3": v2(0x31, INET, IPV4),
    "a command that is none": v2(0x22, INET, IPV4),
    "a family that is none yet": v2(0x21, 0x41, IPV4),
    "an address that is cut off": v2(0x21, INET, IPV4[:11]),
    "an extension that is cut off": v2(0x21, INET, IPV4 + TLS[:-1]),
    "half an extension": v2(0x21, INET, IPV4 + b"\x20\0"),
    "TLS without its flags": v2(0x21, INET, IPV4 + extension(0x20, b"\1")),
}


class Stream:
    """Bytes as a socket would give them, at most ``step`` at a time."""

    def __init__(self, data: bytes, step: int = 1 << 20) -> None:
        self.left = data
        self._step = step

    def receive(self, size: int) -> bytes:
        given, self.left = self.left[: min(size, self._step)], self.left[min(size, self._step) :]
        return given


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_header_is_taken_and_no_byte_more(step: int) -> None:
    for header, expected in HEADERS.items():
        stream = Stream(header + b"\0\1 and on", step)
        assert read_header(stream.receive) == expected
        assert stream.left == b"\0\1 and on", header


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_is_no_header_is_refused(data: bytes, step: int) -> None:
    with pytest.raises(ProxyProtocolError):
        read_header(Stream(data, step).receive)


@table("header", HEADERS)
def test_a_header_that_is_cut_off_is_refused(header: bytes) -> None:
    for size in range(1, len(header)):
        with pytest.raises(ProxyProtocolError, match="incomplete"):
            read_header(Stream(header[:size]).receive)


def test_a_proxy_that_only_looked_whether_anyone_listens_sent_none() -> None:
    assert read_header(Stream(b"").receive) is None


def test_the_first_byte_that_begins_no_header_ends_it() -> None:
    assert bytes_wanted(b"P") == 11
    for data in (b"X", b"PRX", b"\r\n\r\n\1"):
        with pytest.raises(ProxyProtocolError):
            bytes_wanted(data)


@given(st.binary(max_size=60), st.sampled_from(list(HEADERS)), st.integers(0, 60))
def test_whatever_comes_is_a_header_or_an_error(noise: bytes, header: bytes, at: int) -> None:
    data = header[:at] + noise + header[at + len(noise) :]
    try:
        found = read_header(Stream(data).receive)
    except ProxyProtocolError:
        return
    if found is not None:
        assert found.address is None or socket.getaddrinfo(*found.address, flags=4)


def test_a_header_may_be_as_long_as_its_length_can_say() -> None:
    filler = extension(0x04, b"\0" * (65535 - len(IPV4) - 3))

    assert parse_header(v2(0x21, INET, IPV4 + filler)) == Proxied(ALICE)
