"""Start a server, do its periodic work, and stop it in good order."""

from __future__ import annotations

import contextlib
import logging
import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import gevent

from chat.net.address import Address
from chat.protocol.names import name_key
from chat.server.directory.directory import Directory
from chat.server.limits.limits import parse_host
from chat.server.listener import Listener
from chat.server.net.certificates import Certificates
from chat.server.net.listening import listen
from chat.server.sessions.connection_handler import ConnectionHandler
from chat.server.sessions.session import Session
from chat.server.settings import DRAIN_TIMEOUT, Settings, TlsMode
from chat.sizes import counted

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

log = logging.getLogger("chat.server")

_HOUSEKEEPING = 10.0  # seconds between two rounds of periodic work


class Stages(NamedTuple):
    """The functions of the parts to call at each stage of a server's life, in order."""

    # Before the server listens. These may raise what ``ChatServer.start`` raises.
    prepare: Sequence[Callable[[], object]]
    # While the server runs: each in a greenlet.
    background: Sequence[Callable[[], None]]
    # While the server runs: every 10 seconds.
    housekeeping: Sequence[Callable[[], object]]
    # When the server stops, before the connections end. No new connection is accepted any more.
    farewell: Sequence[Callable[[], object]]
    # When all connections have ended.
    close: Sequence[Callable[[], object]]


class ChatServer:
    """A chat server on one address.

    ``start`` returns when the server listens, and ``stop`` when all messages are flushed and all connections closed.
    ``certificates`` is None for a server without TLS.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        directory: Directory[Session],
        handler: ConnectionHandler,
        make_listener: Callable[[GeventSocket], Listener],
        certificates: Certificates | None,
        stages: Stages,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._handler = handler
        self._make_listener = make_listener
        self._certificates = certificates
        self._stages = stages
        self._listeners: list[Listener] = []
        self._background: list[gevent.Greenlet[[], None]] = []
        self._path: Path | None = None

    @property
    def addresses(self) -> list[Address]:
        """The addresses on which the server listens, with the ports that the system chose."""
        if self._path is not None:
            return [Address(path=str(self._path))]
        return [Address(*listener.socket.getsockname()[:2]) for listener in self._listeners]

    def start(self) -> None:
        """Listen, and serve in the background.

        Raises OSError if the server cannot listen on the address. Raises CertificateFault if TLS is wanted but the
        certificate is unusable, and DatabaseFault if the database cannot be read.
        """
        for prepare in self._stages.prepare:
            prepare()
        address = self._settings.address
        try:
            sockets = listen(address)
        except OSError:
            # Without a clean end, the next start would take the messages before it for lost in a crash, and other
            # servers of a cluster would take this one for alive.
            self._say_farewell()
            self._close_parts()
            raise
        if address.path is not None:
            self._path = Path(address.path)
        # The first check of a name loads tables. Load them now, since later all users would wait for that.
        name_key("first")
        for listening in sockets:
            listener = self._make_listener(listening)
            self._listeners.append(listener)
            listener.start()
        self._background = [gevent.spawn(run) for run in self._stages.background]
        self._background.append(gevent.spawn(self._do_periodic_work))
        for address in self.addresses:
            log.info("listening on %s", address)
        self._log_encryption()

    def stop(self, timeout: float = DRAIN_TIMEOUT) -> None:
        """Stop accepting and reading, tell all users, and send queued messages for at most ``timeout`` seconds."""
        for listener in self._listeners:
            listener.close()
        if self._path is not None:
            # Not at the end: by then another server may listen on the path.
            self._path.unlink(missing_ok=True)
        log.info("stopping, with %s here", counted(self._directory.users_here, "user"))
        self._say_farewell()
        self._handler.end_all(timeout)
        gevent.killall(self._background)
        self._close_parts()
        log.info("stopped")

    def _say_farewell(self) -> None:
        for say_farewell in self._stages.farewell:
            say_farewell()

    def _close_parts(self) -> None:
        for close in self._stages.close:
            close()

    def _log_encryption(self) -> None:
        certificates, tls = self._certificates, self._settings.tls
        if certificates is not None:
            log.info(
                "TLS is %s; the fingerprint of the key is %s", tls.value, certificates.fingerprint
            )
        if tls is not TlsMode.REQUIRED and not all(map(_is_here, self.addresses)):
            log.warning(
                "clients on other machines can log in without TLS; --tls=required refuses plain connections"
            )

    def _do_periodic_work(self) -> None:
        while True:
            gevent.sleep(_HOUSEKEEPING)
            for look_after in self._stages.housekeeping:
                look_after()


def raise_descriptor_limit() -> None:
    """Raise the limit of file descriptors as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _is_here(address: Address) -> bool:
    """Return whether only this machine can connect to ``address``."""
    return address.path is not None or parse_host(address.host).is_loopback
