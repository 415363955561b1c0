"""The client that tests speak to servers with."""

from __future__ import annotations

import socket

import gevent
import pytest

from tests.peers.tls_wire_client import TlsWireClient
from tests.peers.wire_client import WireClient

_PATIENCE = 30.0  # seconds


@pytest.mark.parametrize("kind", [WireClient, TlsWireClient])
def test_a_client_that_is_killed_before_it_is_made_leaves_no_connection(
    kind: type[WireClient],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_PATIENCE)
        making = gevent.spawn(kind, listener.getsockname())
        gevent.sleep(0)  # it waits for the connection
        if kind is TlsWireClient:
            gevent.sleep(0.01)  # it waits for the other side of the handshake
        assert not making.ready()

        making.kill()

        accepted, _ = listener.accept()
        with accepted:
            accepted.settimeout(_PATIENCE)
            while accepted.recv(65536):
                continue  # a hello of TLS
