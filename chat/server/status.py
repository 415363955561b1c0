"""Two pages by HTTP, on an address of their own, for machines that watch over servers: /metrics and /healthz.

Whoever asks is not trusted: he gets ten seconds, one answer, and no line in the log.
"""

from __future__ import annotations

import logging
import socket as plain_socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from gevent.pool import Pool
from gevent.pywsgi import LoggingLogAdapter, WSGIHandler, WSGIServer

from chat.address import Address
from chat.server.listening import listen
from chat.server.metrics import Metrics

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

    from chat.server.services import Services

log = logging.getLogger("chat.server")

_PATIENCE = 10.0  # seconds for a question and its answer
_AT_ONCE = 16
_TEXT = "text/plain; charset=utf-8"

Respond = Callable[[str, list[tuple[str, str]]], object]


class _Handler(WSGIHandler):
    """One that gives nobody more than his time; every answer is the last on its connection."""

    def handle(self) -> None:
        timer = gevent.spawn_later(_PATIENCE, _hang_up, self.socket)
        try:
            super().handle()
        finally:
            timer.kill(block=False)


class StatusServer:
    """``is_healthy``: whether newcomers are let in. Raises OSError if ``address`` cannot be had."""

    def __init__(
        self, address: Address, services: Services, is_healthy: Callable[[], bool]
    ) -> None:
        self._is_healthy = is_healthy
        self._metrics = Metrics(services)
        pool = Pool(_AT_ONCE)
        self._servers = [
            WSGIServer(
                listening,
                self._answer,
                handler_class=_Handler,
                spawn=pool,
                log=None,
                # What strangers do wrong is theirs; our own faults are logged by ourselves.
                error_log=LoggingLogAdapter(log, level=logging.DEBUG),
            )
            for listening in listen(address)
        ]
        self._path = address.path

    @property
    def addresses(self) -> list[Address]:
        """Where it listens, with the ports that the system chose."""
        if self._path is not None:
            return [Address(path=self._path)]
        return [Address(*server.socket.getsockname()[:2]) for server in self._servers]

    def start(self) -> None:
        """Serve in the background."""
        for server in self._servers:
            server.start()
        for address in self.addresses:
            log.info("metrics are on %s", address)

    def stop(self) -> None:
        """Whoever is being answered is cut off."""
        for server in self._servers:
            server.stop(timeout=0)
        if self._path is not None:
            Path(self._path).unlink(missing_ok=True)

    def _answer(self, environ: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        try:
            status, body, type = self._page(environ)
        except Exception:
            log.exception("cannot answer %s", environ["PATH_INFO"])
            status, body, type = "500 Internal Server Error", b"failed; the log says why\n", _TEXT
        respond(
            status,
            [
                ("Content-Type", type),
                ("Content-Length", str(len(body))),
                ("Cache-Control", "no-store"),
                ("Connection", "close"),
            ]
            + ([("Allow", "GET, HEAD")] if status.startswith("405") else []),
        )
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _page(self, environ: dict[str, Any]) -> tuple[str, bytes, str]:
        """Status, body and its type."""
        if environ["PATH_INFO"] not in ("/metrics", "/healthz"):
            return "404 Not Found", b"there are /metrics and /healthz\n", _TEXT
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return "405 Method Not Allowed", b"expected GET or HEAD\n", _TEXT
        if environ["PATH_INFO"] == "/metrics":
            return "200 OK", *self._metrics.render(environ.get("HTTP_ACCEPT", ""))
        if self._is_healthy():
            return "200 OK", b"ok\n", _TEXT
        return "503 Service Unavailable", b"stopping\n", _TEXT


def _hang_up(sock: GeventSocket) -> None:
    try:
        sock.shutdown(plain_socket.SHUT_RDWR)
    except OSError:
        return  # he has gone
