"""Servers of one line of talk, for who only wants to get in: one that speaks TLS, and some that don't."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from tests.peers.certificates import Identity

PATIENCE = 30.0  # seconds
GREETING = b"inside"

Answer = Callable[[socket.socket], object]


class LittleServer:
    """Gives each connection to ``answer``, which may be changed meanwhile, and counts them.

    ``listener``: where, if not on a port of its own.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> LittleServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            sock.settimeout(PATIENCE)
            thread = threading.Thread(target=self._serve, args=(sock, self.answer), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, answer: Answer) -> None:
        with sock, suppress(OSError):
            answer(sock)


def by_tls(identity: Identity) -> Answer:
    """Greet a client that gets through the handshake, and wait for its end."""

    def answer(sock: socket.socket) -> None:
        with identity.context().wrap_socket(sock, server_side=True) as inside:
            _greet(inside)

    return answer


def in_plain(sock: socket.socket) -> None:
    """Greet clients without TLS; answer a TLS hello as an original server answers an unknown frame."""
    if sock.recv(1, socket.MSG_PEEK) == b"\x16":
        sock.recv(16)
        sock.sendall(b"\x05\x00" + bytes(14))
    else:
        _greet(sock)


def by_closing(sock: socket.socket) -> None:
    """Close, as a server does that takes a TLS hello for no chat."""
    if sock.recv(1, socket.MSG_PEEK) != b"\x16":
        _greet(sock)


def by_silence(sock: socket.socket) -> None:
    while sock.recv(1000):
        continue


def _greet(sock: socket.socket) -> None:
    if sock.recv(1):
        sock.sendall(GREETING)
