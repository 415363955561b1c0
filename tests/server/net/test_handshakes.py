"""TLS handshakes of new connections: in turn, in time, and without a trace if they fail."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Iterator

import gevent
import pytest

from chat.server.net import handshakes
from chat.server.net.tls import TlsTransport
from tests.peers.tls_wire_client import TlsWireClient, trusting_context
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer
from tests.server.sessions.test_login import OpenTestServer


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.INFO, "chat.server")
    yield caplog
    assert not [record for record in caplog.records if record.exc_info]


def turned_away(log: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in log.messages if message.startswith("refused")]


def hello() -> bytes:
    """Return the first bytes of a TLS client."""
    outgoing = ssl.MemoryBIO()
    client = trusting_context().wrap_bio(ssl.MemoryBIO(), outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


BEGINNINGS = pytest.mark.parametrize(
    "sent", [b"\x16", hello()[:100], hello()], ids=["a byte", "half a hello", "a hello"]
)


def test_a_hello_may_come_byte_by_byte(safe_chat_server: TestServer) -> None:
    trickling = safe_chat_server.connect()
    for byte in hello():
        trickling.send_bytes(bytes([byte]))
        gevent.sleep(0)

    assert trickling.receive_exactly(3) == b"\x16\x03\x03"  # the server's hello


@pytest.mark.parametrize(
    "garbage", [b"\x16garbage" * 10, b"\x16" + b"\0" * 100], ids=["words", "zeros"]
)
def test_garbage_after_the_first_byte_is_one_line(
    safe_chat_server: TestServer, log: pytest.LogCaptureFixture, garbage: bytes
) -> None:
    for _ in range(3):
        stranger = safe_chat_server.connect()
        stranger.send_bytes(garbage)
        with pytest.raises(EOFError):
            stranger.receive_exactly(1000)  # an alert at most

    [line] = turned_away(log)
    assert line.startswith("refused 127.0.0.1: TLS handshake failed: ")


def test_a_client_that_does_not_like_the_certificate_is_one_line(
    safe_chat_server: TestServer, log: pytest.LogCaptureFixture
) -> None:
    stranger = safe_chat_server.connect()
    context = trusting_context()
    context.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(stranger.socket)
    safe_chat_server.connections_end()

    assert turned_away(log) == ["refused 127.0.0.1: TLS handshake failed: tlsv1 alert unknown ca"]


@BEGINNINGS
def test_a_handshake_that_stalls_is_closed_when_the_time_to_log_in_is_over(
    open_a_safe_chat_server: OpenTestServer, log: pytest.LogCaptureFixture, sent: bytes
) -> None:
    chat_server = open_a_safe_chat_server(login_timeout=0.1)
    stranger = chat_server.connect()
    stranger.send_bytes(sent)

    with pytest.raises(EOFError):
        stranger.receive_exactly(100_000)

    assert turned_away(log) == ["refused 127.0.0.1: took too long to log in"]


def test_the_time_for_the_handshake_is_part_of_that_to_log_in(
    open_a_safe_chat_server: OpenTestServer, log: pytest.LogCaptureFixture
) -> None:
    chat_server = open_a_safe_chat_server(login_timeout=0.1)
    silent = chat_server.remember(TlsWireClient(chat_server.address))

    assert silent.at_end()

    assert turned_away(log) == ["refused 127.0.0.1: took too long to log in"]


@BEGINNINGS
def test_one_who_vanishes_in_a_handshake_leaves_no_trace(
    safe_chat_server: TestServer, log: pytest.LogCaptureFixture, sent: bytes
) -> None:
    for end in (WireClient.reset, WireClient.close):
        stranger = safe_chat_server.connect()
        stranger.send_bytes(sent)
        wait_until(lambda: safe_chat_server.connections, "it to be accepted")
        end(stranger)
        safe_chat_server.connections_end()

    assert turned_away(log) == []


def test_a_server_that_stops_waits_for_no_handshake(safe_chat_server: TestServer) -> None:
    for sent in (b"\x16", hello()[:100], hello()):
        safe_chat_server.connect().send_bytes(sent)
    wait_until(lambda: len(safe_chat_server.connections) == 3, "them to be accepted")
    began = time.monotonic()

    safe_chat_server.server.stop()

    assert time.monotonic() - began < 20
    assert not safe_chat_server.connections


def test_few_are_computed_at_a_time_and_all_come_in(
    monkeypatch: pytest.MonkeyPatch, safe_chat_server: TestServer
) -> None:
    under_way: list[int] = []
    most: list[int] = []
    advance = TlsTransport.advance

    def count(transport: TlsTransport) -> bool:
        under_way.append(1)
        most.append(len(under_way))
        try:
            return advance(transport)
        finally:
            under_way.pop()

    monkeypatch.setattr(TlsTransport, "advance", count)

    def come(number: int) -> None:
        safe_chat_server.remember(TlsWireClient.joined(safe_chat_server.address, f"guest{number}"))

    gevent.joinall([gevent.spawn(come, number) for number in range(40)], raise_error=True)

    assert max(most) == 1
    assert len(safe_chat_server.here()) == 40


def test_a_turn_that_does_not_come_in_time(
    monkeypatch: pytest.MonkeyPatch,
    open_a_safe_chat_server: OpenTestServer,
    log: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(handshakes, "_AT_A_TIME", 0)
    chat_server = open_a_safe_chat_server(login_timeout=0.1)
    stranger = chat_server.connect()
    stranger.send_bytes(hello())

    assert stranger.at_end()

    assert turned_away(log) == ["refused 127.0.0.1: took too long to log in"]
