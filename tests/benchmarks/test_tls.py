"""The sockets of a load that encrypts."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.tls import TlsSocket, encrypted, make_certificate

TIMEOUT = 10.0  # seconds


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[TlsSocket, ssl.SSLSocket]]:
    """The load's end of a connection, and the server's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(tmp_path))
    near, far = socket.socketpair()
    near.settimeout(TIMEOUT)
    far.settimeout(TIMEOUT)
    accepted: list[ssl.SSLSocket] = []
    server = threading.Thread(
        target=lambda: accepted.append(context.wrap_socket(far, server_side=True))
    )
    server.start()
    with encrypted(near) as client:
        server.join(TIMEOUT)
        [other] = accepted
        with other:
            yield client, other


def test_one_that_may_wait_gives_what_has_come(pair: tuple[TlsSocket, ssl.SSLSocket]) -> None:
    client, server = pair
    server.sendall(b"hello")
    buffer = memoryview(bytearray(100))
    assert client.recv_into(buffer) == 5
    assert bytes(buffer[:5]) == b"hello"


def test_one_that_may_not_gives_all_records_at_once(
    pair: tuple[TlsSocket, ssl.SSLSocket],
) -> None:
    client, server = pair
    client.setblocking(False)
    buffer = memoryview(bytearray(100))
    with pytest.raises(BlockingIOError):
        client.recv_into(buffer)
    server.sendall(b"one ")
    server.sendall(b"two")
    assert client.recv_into(buffer) == 7
    assert bytes(buffer[:7]) == b"one two"
    with pytest.raises(BlockingIOError):
        client.recv(100)
