"""From an accepted socket to a connection: whose it is, whether it may come in, whether anybody can listen."""

from __future__ import annotations

import logging
import socket
import ssl
import struct
from ipaddress import ip_network
from pathlib import Path

import gevent
import pytest

from chat.net.address import Address
from chat.protocol.descriptor import ByteOrder, MessageType
from chat.server.sessions.accept import Origin, origin_of
from chat.server.settings import TlsMode
from tests.peers.tls_wire_client import TlsWireClient, trusting_context
from tests.peers.wire_client import WireClient
from tests.server.server_in_test import TestServer
from tests.server.sessions.test_login import OpenTestServer


@pytest.mark.parametrize(
    ("peer", "origin"),
    [
        ("", Origin(None, "the unix socket", is_private=True)),
        (("127.0.0.1", 4711), Origin("127.0.0.1", "127.0.0.1:4711", is_private=True)),
        (("127.1.2.3", 4711), Origin("127.1.2.3", "127.1.2.3:4711", is_private=True)),
        (("::1", 4711, 0, 0), Origin("::1", "[::1]:4711", is_private=True)),
        (("::ffff:127.0.0.1", 1, 0, 0), Origin("127.0.0.1", "127.0.0.1:1", is_private=True)),
        (("192.0.2.1", 4711), Origin("192.0.2.1", "192.0.2.1:4711", is_private=False)),
        (("fe80::1%eth0", 1, 0, 2), Origin("fe80::1", "[fe80::1]:1", is_private=False)),
    ],
)
def test_what_does_not_leave_the_machine_is_private(peer: object, origin: Origin) -> None:
    assert origin_of(peer) == origin


def test_a_plain_client_over_loopback_is_private_and_not_encrypted(chat_server: TestServer) -> None:
    chat_server.join("alice")

    connection = chat_server.session("alice").connection

    assert connection.is_private
    assert not connection.is_encrypted


# TLS or not


def turned_away(log: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in log.messages if message.startswith("refused")]


@pytest.mark.parametrize("order", ByteOrder)
@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("raw", [False, True])
def test_the_same_port_is_for_tls_and_for_plain(
    safe_chat_server: TestServer, order: ByteOrder, newest: ssl.TLSVersion, raw: bool
) -> None:
    plain = safe_chat_server.join("plain", order=order)
    encrypted = safe_chat_server.remember(
        TlsWireClient.joined(
            safe_chat_server.address, "encrypted", raw=raw, order=order, newest=newest
        )
    )
    plain.expect_joined("encrypted")

    encrypted.say("from inside")
    plain.say("from outside")

    heard = {(frame.sender, frame.text) for frame in (plain.read_frame(), plain.read_frame())}
    assert heard == {("encrypted", "from inside"), ("plain", "from outside")}
    connection = safe_chat_server.session("encrypted").connection
    assert (connection.is_encrypted, connection.is_private) == (True, True)
    assert not safe_chat_server.session("plain").connection.is_encrypted


def test_where_no_tls_is_spoken_a_hello_is_none_of_ours(
    chat_server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")

    with pytest.raises(OSError):
        TlsWireClient(chat_server.address)

    assert turned_away(caplog) == ["refused 127.0.0.1: does not speak this protocol"]


@pytest.mark.parametrize("order", ByteOrder)
@pytest.mark.parametrize("header", [b"eve", b'{"to": "eve"}'])
def test_where_tls_is_required_a_plain_login_is_refused(
    open_a_safe_chat_server: OpenTestServer,
    caplog: pytest.LogCaptureFixture,
    order: ByteOrder,
    header: bytes,
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    chat_server = open_a_safe_chat_server(tls=TlsMode.REQUIRED)
    client = chat_server.connect(order=order)

    answer = client.try_login(header)

    assert answer.type == MessageType.BAD_LOGIN
    if header.startswith(b"{"):
        assert answer.header["error"] == "encryption-needed"
        assert "TLS" in answer.header["message"]
    client.expect_closed()
    assert turned_away(caplog) == ["refused 127.0.0.1: encryption-needed"]


def test_where_tls_is_required_it_lets_in(open_a_safe_chat_server: OpenTestServer) -> None:
    chat_server = open_a_safe_chat_server(tls=TlsMode.REQUIRED)

    client = chat_server.remember(TlsWireClient.joined(chat_server.address, "alice"))

    client.say("in")
    client.expect_text("in", "alice")


def test_one_who_only_looks_whether_anyone_listens_is_not_worth_a_line(
    safe_chat_server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")

    safe_chat_server.connect().close()
    safe_chat_server.connections_end()

    assert turned_away(caplog) == []


def test_a_unix_socket_takes_both_too(
    open_a_safe_chat_server: OpenTestServer, tmp_path: Path
) -> None:
    path = str(tmp_path / "socket")
    chat_server = open_a_safe_chat_server(address=Address(path=path))
    plain = chat_server.remember(WireClient.joined(path, "plain"))

    encrypted = chat_server.remember(TlsWireClient.joined(path, "encrypted"))

    plain.expect_joined("encrypted")
    encrypted.say("hello")
    plain.expect_text("hello", "encrypted")
    assert chat_server.session("plain").connection.is_private


def test_one_who_comes_too_often_hears_so_and_then_nothing(
    open_a_safe_chat_server: OpenTestServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    chat_server = open_a_safe_chat_server(max_connects=1, exempt=())
    chat_server.join("alice")

    second = chat_server.remember(TlsWireClient(chat_server.address))
    assert second.try_login({"to": "bob"}).header["error"] == "too-many-attempts"
    with pytest.raises(OSError):
        TlsWireClient(chat_server.address)

    assert turned_away(caplog) == ["refused 127.0.0.1: too-many-attempts"]


def test_too_many_of_one_address_are_told_so_over_tls(
    open_a_safe_chat_server: OpenTestServer,
) -> None:
    chat_server = open_a_safe_chat_server(max_per_address=1, exempt=())
    chat_server.join("alice")

    client = chat_server.remember(TlsWireClient(chat_server.address))

    assert client.try_login({"to": "bob"}).header["error"] == "too-many-connections"
    client.expect_closed()


def test_the_end_of_the_server_is_said_over_tls_too(safe_chat_server: TestServer) -> None:
    alice = safe_chat_server.remember(TlsWireClient.joined(safe_chat_server.address, "alice"))

    stopping = gevent.spawn(safe_chat_server.server.stop)

    alice.expect_notice("shutting-down")
    alice.expect_closed()
    alice.close()
    stopping.get(timeout=30)


# Behind a proxy

LOOPBACK = (ip_network("127.0.0.1"),)


def tls_flag() -> bytes:
    return struct.pack(">BHBI", 0x20, 5, 1, 0)


def version_2(command: int, host: str | None, port: int = 4711, rest: bytes = b"") -> bytes:
    data = b"" if host is None else socket.inet_aton(host) * 2 + struct.pack(">HH", port, 1)
    head = struct.pack(">BBH", command, 0x11 if data else 0, len(data + rest))
    return b"\r\n\r\n\0\r\nQUIT\n" + head + data + rest


V1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 1\r\n"
V2 = version_2(0x21, "192.0.2.7")


def come_through(chat_server: TestServer, header: bytes, name: str = "alice") -> WireClient:
    client = chat_server.connect()
    client.send_bytes(header)
    client.login(name)
    return client


@pytest.mark.parametrize(
    ("header", "host", "is_private"),
    [
        (V1, "192.0.2.7", False),
        (V2, "192.0.2.7", False),
        (version_2(0x21, "192.0.2.7", rest=tls_flag()), "192.0.2.7", True),
        (version_2(0x21, "127.0.0.9"), "127.0.0.9", True),
        (version_2(0x20, None), "127.0.0.1", True),
        (version_2(0x21, None), "127.0.0.1", False),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1", False),
        (version_2(0x21, None, rest=tls_flag()), "127.0.0.1", True),
    ],
)
def test_a_proxy_says_who_comes_and_whether_anybody_could_listen(
    open_a_chat_server: OpenTestServer, header: bytes, host: str, is_private: bool
) -> None:
    chat_server = open_a_chat_server(proxies=LOOPBACK)

    come_through(chat_server, header)

    connection = chat_server.session("alice").connection
    assert connection.host == host
    assert connection.is_private is is_private
    assert not connection.is_encrypted


def test_limits_count_who_is_behind_the_proxy(open_a_chat_server: OpenTestServer) -> None:
    chat_server = open_a_chat_server(proxies=LOOPBACK, max_per_address=1, exempt=())
    come_through(chat_server, V1)
    come_through(chat_server, version_2(0x21, "192.0.2.8"), "bob")

    third = chat_server.connect()
    third.send_bytes(V2)

    assert third.try_login({"to": "carol"}).header["error"] == "too-many-connections"


def test_tls_goes_on_behind_the_header(open_a_safe_chat_server: OpenTestServer) -> None:
    chat_server = open_a_safe_chat_server(proxies=LOOPBACK, tls=TlsMode.REQUIRED)
    client = chat_server.connect()
    client.send_bytes(V2)
    client.socket = trusting_context().wrap_socket(client.socket)

    client.login("alice")

    connection = chat_server.session("alice").connection
    assert (connection.host, connection.is_encrypted) == ("192.0.2.7", True)


@pytest.mark.parametrize(("rest", "is_let_in"), [(tls_flag(), True), (b"", False)])
def test_tls_to_the_proxy_is_enough_where_it_is_required(
    open_a_safe_chat_server: OpenTestServer, rest: bytes, is_let_in: bool
) -> None:
    chat_server = open_a_safe_chat_server(proxies=LOOPBACK, tls=TlsMode.REQUIRED)
    client = chat_server.connect()
    client.send_bytes(version_2(0x21, "192.0.2.7", rest=rest))

    answer = client.try_login({"to": "alice"})

    assert (answer.type == MessageType.LOGIN) is is_let_in


def test_no_proxy_header_is_read_from_other_addresses(
    open_a_chat_server: OpenTestServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    chat_server = open_a_chat_server(proxies=(ip_network("192.0.2.0/24"),))
    chat_server.join("alice")
    stranger = chat_server.connect()
    stranger.send_bytes(V1)

    assert stranger.at_end()
    assert turned_away(caplog) == ["refused 127.0.0.1: does not speak this protocol"]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"\0\1\0\3" + b"\0" * 12 + b"eve", "no PROXY header"),
        (b"PROXY TCP4 nobody\r\n", "invalid PROXY header"),
        (b"PROXY TCP4 192.", "took too long to log in"),
        (b"", "took too long to log in"),
    ],
)
def test_a_proxy_that_says_nothing_proper_is_closed_with_one_line(
    open_a_chat_server: OpenTestServer, caplog: pytest.LogCaptureFixture, sent: bytes, reason: str
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    chat_server = open_a_chat_server(proxies=LOOPBACK, login_timeout=0.1)
    for _ in range(2):
        proxy = chat_server.connect()
        proxy.send_bytes(sent)
        assert proxy.at_end()

    assert turned_away(caplog) == [f"refused 127.0.0.1: {reason}"]


def test_a_proxy_that_only_looks_whether_anyone_listens_is_not_worth_a_line(
    open_a_chat_server: OpenTestServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    chat_server = open_a_chat_server(proxies=LOOPBACK)

    chat_server.connect().close()
    chat_server.connections_end()

    assert turned_away(caplog) == []
