"""Listeners and proxies for tests of connections between servers, all in the event loop of the test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import gevent
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer

from chat.net.address import Address
from chat.server.peers.faults import ContentMissing
from chat.server.peers.links.answering import CopyPart
from chat.server.peers.links.encryption import make_caller_context, make_listener_tls
from chat.server.peers.links.link import LinkMaker
from chat.server.peers.links.link_limits import LinkLimits
from chat.server.peers.links.listener import LinkListener
from chat.server.peers.peer_facts import KeyPair, PeerFacts

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812
    from gevent.ssl import SSLSocket

SECRET = b"the secret of all servers in these tests"
LIMITS = LinkLimits(
    connect=2.0,
    greeting=0.4,
    silence=0.4,
    sign_of_life=0.05,
    first_byte=0.6,
    retry=0.01,
)
# For tests in which nothing may end because a machine is slow.
PATIENT = LinkLimits(retry=0.01)


class SourceInTest:
    """Give files and contents, and count what was asked for."""

    def __init__(self, node: str = "a") -> None:
        self.facts = PeerFacts(node, "1.2", 3)
        self.pair = KeyPair("certificate", "key")
        self.files: list[tuple[str, Path]] = []
        self.contents: dict[bytes, Path] = {}
        self.opened = 0
        self.may_copy = Event()
        self.may_copy.set()
        self.hangs = False

    def await_server(self) -> None:
        if self.hangs:
            Event().wait()

    def take_copy(self) -> list[CopyPart]:
        self.may_copy.wait()
        return [CopyPart(name, os.open(path, os.O_RDONLY)) for name, path in self.files]

    def open_content(self, digest: bytes, size: int) -> int:
        self.opened += 1
        if digest not in self.contents:
            raise ContentMissing("not here")
        return os.open(self.contents[digest], os.O_RDONLY)

    def read_key(self) -> KeyPair:
        return self.pair


def listening_socket() -> GeventSocket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    return sock


def address_of(sock: GeventSocket) -> Address:
    return Address(*sock.getsockname()[:2])


@contextmanager
def listening(
    directory: Path,
    source: SourceInTest | None = None,
    limits: LinkLimits = LIMITS,
    secret: bytes = SECRET,
) -> Iterator[Address]:
    """Run a listener; its address."""
    source = source if source is not None else SourceInTest()
    listener = LinkListener(secret, make_listener_tls(directory), source, limits)
    sock = listening_socket()
    listener.listen([sock])
    try:
        yield address_of(sock)
    finally:
        listener.stop()


def links(limits: LinkLimits = LIMITS, secret: bytes = SECRET, node: str = "b") -> LinkMaker:
    return LinkMaker(node, secret, make_caller_context(), limits)


@contextmanager
def serving(visit: Callable[[GeventSocket, object], None]) -> Iterator[Address]:
    """Run a server that is no listener for peers; its address."""
    server = StreamServer(listening_socket(), visit)
    server.start()
    try:
        yield address_of(server.socket)
    finally:
        server.stop(timeout=0.1)


class Proxy:
    """Carry connections to ``target``. The first ``cuts`` of them end after ``after`` bytes of the target.

    With ``stalls``, such a connection carries nothing more instead, and stays open. ``rate`` is in bytes a second.
    """

    def __init__(
        self,
        target: Address,
        *,
        cuts: int = 0,
        after: int = 0,
        stalls: bool = False,
        rate: float | None = None,
    ) -> None:
        self.connections = 0
        self.carried: list[int] = []  # bytes of the target, by connection
        self._target = target
        self._cuts = cuts
        self._after = after
        self._stalls = stalls
        self._rate = rate
        self._server = StreamServer(listening_socket(), self._visit)

    def __enter__(self) -> Address:
        self._server.start()
        return address_of(self._server.socket)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop(timeout=0.1)

    def _visit(self, near: GeventSocket, address: object) -> None:
        number = self.connections
        self.connections += 1
        self.carried.append(0)
        far = socket.create_connection((self._target.host, self._target.port))
        up = gevent.spawn(pump, near, far)
        limit = self._after if number < self._cuts else None
        try:
            with suppress(OSError):
                while limit is None or self.carried[number] < limit:
                    data = far.recv(
                        65536 if limit is None else min(65536, limit - self.carried[number])
                    )
                    if not data:
                        return
                    near.sendall(data)
                    self.carried[number] += len(data)
                    if self._rate is not None:
                        gevent.sleep(len(data) / self._rate)
                if self._stalls:
                    gevent.sleep(60)
        finally:
            up.kill()
            far.close()


def pump(source: GeventSocket | SSLSocket, sink: GeventSocket | SSLSocket) -> None:
    """Carry bytes until one side ends."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def man_in_the_middle(directory: Path, target: Address) -> Iterator[Address]:
    """Run a program that decrypts what passes: with each side it has TLS of its own."""
    tls = make_listener_tls(directory)

    def visit(sock: GeventSocket, address: object) -> None:
        with suppress(OSError):
            near = tls.context.wrap_socket(sock, server_side=True)
            plain = socket.create_connection((target.host, target.port))
            far = make_caller_context().wrap_socket(plain)
            back = gevent.spawn(pump, far, near)
            pump(near, far)
            back.join()
            near.close()
            far.close()

    with serving(visit) as address:
        yield address


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
