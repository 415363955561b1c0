"""TLS handshakes that fail, each in its own way and in time."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import gevent
import pytest
from gevent import socket

from chat.framing import DeadlineExceeded
from chat.server.encryption import HandshakeFailed, TlsTransport
from tests.peers.certificates import make_identity
from tests.peers.tls_wire_client import trusting_context
from tests.server.test_encryption import shake_hands

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return make_identity(tmp_path_factory.mktemp("identity")).context()


@pytest.fixture
def stranger(context: ssl.SSLContext) -> Iterator[tuple[TlsTransport, GeventSocket]]:
    ours, peers = socket.socketpair()
    with ours, peers:
        yield TlsTransport(ours, context), peers


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16garbage" * 10,
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",  # a hello of one byte
        b"\x16\x03\x01\xff\xff" + b"x" * 70_000,  # a record longer than any may be
    ],
)
def test_garbage_is_no_handshake(stranger: tuple[TlsTransport, GeventSocket], sent: bytes) -> None:
    transport, peers = stranger
    sending = gevent.spawn(peers.sendall, sent)

    with pytest.raises(HandshakeFailed, match=r"^no TLS handshake: [a-z ]+$"):
        shake_hands(transport, time.monotonic() + 5)

    sending.kill()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_a_client_that_is_too_old_is_refused(stranger: tuple[TlsTransport, GeventSocket]) -> None:
    transport, peers = stranger
    shaking = gevent.spawn(shake_hands, transport, time.monotonic() + 5)
    old = trusting_context(ssl.TLSVersion.TLSv1_1)
    old.minimum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    calling = gevent.spawn(old.wrap_socket, peers)

    with pytest.raises(HandshakeFailed, match="unsupported protocol"):
        shaking.get(timeout=5)

    transport._sock.close()
    with pytest.raises(OSError):
        calling.get(timeout=5)


def test_a_handshake_that_stalls_ends_in_time(
    stranger: tuple[TlsTransport, GeventSocket],
) -> None:
    transport, peers = stranger
    peers.sendall(b"\x16\x03\x01")

    with pytest.raises(DeadlineExceeded):
        shake_hands(transport, time.monotonic() + 0.05)


def test_a_handshake_that_ends(stranger: tuple[TlsTransport, GeventSocket]) -> None:
    transport, peers = stranger
    peers.sendall(b"\x16\x03\x01")
    peers.close()

    with pytest.raises(EOFError):
        shake_hands(transport, time.monotonic() + 5)
