"""Serve /metrics and /healthz over HTTP, on a separate address, for monitoring.

No visitor is trusted. A visitor gets five seconds and one answer. A broken request is answered with 400 and counted in
a folded line of the log. There are at most 64 visitors. A new visitor takes the place of the one that has been idle for
longest, so idle connections never delay an answer.
"""

from __future__ import annotations

import logging
import socket as plain_socket
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gevent

from chat.net.address import Address
from chat.server.monitoring.http_request import MAX_HEAD, BadRequest, Request, parse_request
from chat.server.monitoring.metrics import Metrics
from chat.server.net.listening import listen
from chat.server.net.visitors import VisitListener, Visitor, Visitors
from chat.server.process.log_folding import FoldingLog

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

log = logging.getLogger("chat.server")

_AT_ONCE = 64
_PATIENCE = 5.0  # seconds for a request and its answer
_LINGER = 1.0  # seconds for a visitor to take the answer and close
_MAX_IGNORED = 1024**2  # bytes after a request that are read and thrown away
_TEXT = "text/plain; charset=utf-8"


class _TooSlow(Exception):
    """The visitor took longer than allowed."""


class StatusServer:
    """Serve /metrics and /healthz on ``address``.

    ``trouble`` returns why the server lets no users in; empty if it does. Raises OSError if it cannot listen there.
    """

    def __init__(
        self,
        address: Address,
        *,
        metrics: Metrics,
        folding_log: FoldingLog,
        trouble: Callable[[], str],
    ) -> None:
        self._trouble = trouble
        self._has_begun = False
        self._metrics = metrics
        self._folding_log = folding_log
        self._visitors = Visitors(_AT_ONCE)
        self._listeners = [
            VisitListener(listening, self.visit, self.out_of_descriptors)
            for listening in listen(address)
        ]
        self._path = address.path

    @property
    def addresses(self) -> list[Address]:
        """The addresses on which the server listens, with the ports that the system chose."""
        if self._path is not None:
            return [Address(path=self._path)]
        return [Address(*listener.socket.getsockname()[:2]) for listener in self._listeners]

    def start(self) -> None:
        """Serve in the background. Until ``show_all`` is called, the answer is that the server starts."""
        for listener in self._listeners:
            listener.start()

    def show_all(self) -> None:
        """Show the parts of the server from now on: they have started."""
        self._has_begun = True
        for address in self.addresses:
            log.info("metrics are on %s", address)

    def stop(self) -> None:
        """Stop listening, and cut off the visitors that are being answered."""
        for listener in self._listeners:
            listener.close()
        self._visitors.end_all()
        if self._path is not None:
            Path(self._path).unlink(missing_ok=True)

    def visit(self, sock: GeventSocket, peer: Any) -> None:
        """Serve one visitor, in the visitor's greenlet."""
        visitor = cast(Visitor, gevent.getcurrent())
        self._visitors.enter(visitor)
        try:
            with gevent.Timeout(_PATIENCE, _TooSlow):
                self._answer(sock, peer, visitor)
            with gevent.Timeout(_LINGER, _TooSlow):
                _drain_input(sock)
        except (OSError, _TooSlow):
            return  # the visitor left, or took too long
        finally:
            self._visitors.leave(visitor)
            sock.close()

    def out_of_descriptors(self) -> None:
        """Close the visitor that has been idle for longest, so that a new one gets its descriptor."""
        self._folding_log.log_event_of(
            "the status address", "out of file descriptors", logging.WARNING
        )
        self._visitors.end_oldest()

    def _answer(self, sock: GeventSocket, peer: Any, visitor: Visitor) -> None:
        try:
            request = _read_request(sock)
        except BadRequest as problem:
            # The peer of a unix socket has no address.
            who = peer[0] if isinstance(peer, tuple) else "this machine"
            self._folding_log.log_event_of(
                f"bad status request from {who}",
                str(problem),
                crowd="bad status requests from others",
            )
            sock.sendall(_response(problem.status, f"{problem}\n".encode(), _TEXT))
            return
        if request is None:
            return  # the visitor sent nothing
        self._visitors.is_answered(visitor)
        try:
            status, body, type = self._page(request)
        except Exception as problem:  # noqa: BLE001 - logged, as often as the folded log allows
            self._folding_log.failed(problem, "cannot answer %s", request.path)
            status, body, type = "500 Internal Server Error", b"failed; the log says why\n", _TEXT
        sock.sendall(_response(status, body, type, with_body=request.method != "HEAD"))

    def _page(self, request: Request) -> tuple[str, bytes, str]:
        """Return the status, the body and the content type."""
        if request.path not in ("/metrics", "/healthz"):
            return "404 Not Found", b"there are /metrics and /healthz\n", _TEXT
        if request.method not in ("GET", "HEAD"):
            return "405 Method Not Allowed", b"expected GET or HEAD\n", _TEXT
        if not self._has_begun:
            return "503 Service Unavailable", b"starting\n", _TEXT
        if request.path == "/metrics":
            return "200 OK", *self._metrics.render(request.fields.get("accept", ""))
        trouble = self._trouble()
        if not trouble:
            return "200 OK", b"ok\n", _TEXT
        return "503 Service Unavailable", f"{trouble}\n".encode(), _TEXT


def _read_request(sock: GeventSocket) -> Request | None:
    """Return the request, or None if the stream ends before one begins. Raises BadRequest, OSError."""
    data = b""
    while True:
        received = sock.recv(MAX_HEAD)
        if not received and data.strip():
            raise BadRequest("the request ended early")
        if not received:
            return None
        data += received
        request = parse_request(data)
        if request is not None:
            return request


def _response(status: str, body: bytes, type: str, *, with_body: bool = True) -> bytes:
    """Build an answer, which is the last on its connection."""
    fields = [
        f"HTTP/1.1 {status}",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Type: {type}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if status.startswith("405"):
        fields.append("Allow: GET, HEAD")
    return "\r\n".join([*fields, "", ""]).encode("latin-1") + (body if with_body else b"")


def _drain_input(sock: GeventSocket) -> None:
    """Read until the visitor closes: bytes that arrive at a closed socket would make the kernel discard the answer."""
    sock.shutdown(plain_socket.SHUT_WR)
    ignored = 0
    while ignored < _MAX_IGNORED and (received := sock.recv(65536)):
        ignored += len(received)
