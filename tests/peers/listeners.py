"""Programs that are no chat servers, on a free port of loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Kind = Literal["http", "silent", "banner", "closes"]


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Keep requests out of the output of the tests."""


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True


class _HttpServer6(_HttpServer):
    address_family = socket.AF_INET6


@contextmanager
def listener(kind: Kind, host: str = "127.0.0.1") -> Iterator[int]:
    """Listen on ``host`` while the block runs; yield the port.

    "silent" accepts and says nothing, "banner" speaks first, and "closes" closes each connection.
    """
    if kind == "http":
        with (_HttpServer6 if ":" in host else _HttpServer)((host, 0), _Quiet) as server:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            yield server.server_address[1]
            server.shutdown()
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listening:
        threading.Thread(target=_accept, args=(listening, kind), daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)  # wakes the thread


def _accept(listening: socket.socket, kind: Kind) -> None:
    kept = []
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            break
        if kind == "banner":
            connection.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
        if kind == "closes":
            connection.close()
        kept.append(connection)
    for connection in kept:
        connection.close()
