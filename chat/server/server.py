"""The listening side: accepts, handles each connection in a greenlet of its own, and stops in good order."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import resource
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gevent
from gevent.pool import Pool
from gevent.server import StreamServer

from chat.address import Address
from chat.framing import IncompleteFrame
from chat.protocol.errors import RemoteProtocolError
from chat.protocol.names import name_key
from chat.server.arrival import arrive, origin_of
from chat.server.certificates import CertificateFault
from chat.server.connection import Connection
from chat.server.dead_peers import DeadPeerSweep
from chat.server.limits import parse_host
from chat.server.listening import listen
from chat.server.login import Login
from chat.server.memory import give_back_memory
from chat.server.services import Services, make_services
from chat.server.session import ServerStopping, Session
from chat.server.settings import DRAIN_TIMEOUT, Settings, TlsMode
from chat.server.transfer import Transfer

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

log = logging.getLogger("chat.server")

_HOUSEKEEPING = 10.0  # seconds between two looks at what has grown old
_WORTH_GIVING_BACK = 1024**2  # bytes of backlog
_GONE_BEFORE_ACCEPTED = (errno.ECONNABORTED, errno.EPROTO, errno.EPERM)
_ACCEPTED_AT_ONCE = 20
_CROWDED_PAUSE = 0.02  # seconds until newcomers are accepted again
_REFUSAL_LINGER = 2.0  # seconds for a refused client to read why


class _Listener(StreamServer):
    """A StreamServer that survives running out of descriptors: it keeps one spare to turn newcomers away with."""

    def __init__(self, listener: GeventSocket, server: ChatServer) -> None:
        self._chat = server
        super().__init__(listener, server.handle)
        self._spare = _open_spare()

    @property
    def max_accept(self) -> int:  # type: ignore[override]
        """The number of connections to accept in one turn: as many as there is room for.

        Without room, one at a time, so that the connection that makes way is closed before the next is accepted.
        """
        return max(1, min(_ACCEPTED_AT_ONCE, self._chat.services.lobby.room))

    def _do_read(self) -> None:
        """Accept when newcomers have a turn; until then the kernel keeps new connections."""
        cast(Any, self)._watcher.stop()
        self._chat.services.share.call(self._accept)

    def _accept(self) -> None:
        base: Any = super()
        if cast(Any, self)._watcher is None:
            return  # closed meanwhile
        if self._chat.is_crowded:
            self._pause()
            return
        base._do_read()
        watcher: Any = cast(Any, self)._watcher
        if watcher is not None:  # after a fault, a timer makes another watcher
            watcher.start(self._do_read)

    def _pause(self) -> None:
        """Stop accepting for a while, as the base class does after a fault."""
        self.stop_accepting()
        base: Any = self
        base._timer = base.loop.timer(_CROWDED_PAUSE)
        base._timer.start(base._start_accepting_if_started)

    def do_handle(self, *accepted: Any) -> None:
        # Not by way of the base class, which puts one more call of C at the bottom of each greenlet's stack: most of a
        # kilobyte for everyone who is here.
        self._chat.connections.spawn(self._chat.handle, *accepted)

    def do_read(self) -> Any:
        try:
            return super().do_read()
        except OSError as problem:
            if problem.errno in _GONE_BEFORE_ACCEPTED:
                log.debug("a newcomer was gone before he was accepted: %s", problem.strerror)
                return None
            if problem.errno not in (errno.EMFILE, errno.ENFILE):
                raise
        self._spare.close()
        try:
            os.close(cast(Any, self.socket)._accept()[0])
        except OSError:
            log.debug("nobody was waiting to be turned away")
        finally:
            self._spare = _open_spare()
        self._chat.services.refusals.refused("newcomers", "out of file descriptors")
        return None

    def close(self) -> None:
        super().close()
        self._spare.close()


class ChatServer:
    """One room on one address. ``start`` returns when it listens; ``stop`` when all is flushed and closed."""

    def __init__(self, settings: Settings) -> None:
        self.services = make_services(settings)
        self.connections = Pool()
        self._listeners: list[_Listener] = []
        self._housekeepers: list[gevent.Greenlet[[], None]] = []
        self._path: Path | None = None

    @property
    def addresses(self) -> list[Address]:
        """Where it listens, with the ports that the system chose."""
        if self._path is not None:
            return [Address(path=str(self._path))]
        return [Address(*listener.socket.getsockname()[:2]) for listener in self._listeners]

    @property
    def is_crowded(self) -> bool:
        """Return whether accepted connections wait so long already that no more should be accepted."""
        handshakes = self.services.handshakes
        return handshakes is not None and handshakes.is_crowded

    def start(self) -> None:
        """Listen, and serve in the background.

        Raises OSError if the address cannot be had, CertificateFault if TLS is to be spoken and cannot.
        """
        address = self.services.settings.address
        if self.services.certificates is not None:
            self.services.certificates.load()
        self.services.accounts.start()
        self.services.moderation.start()
        sockets = listen(address)
        if address.path is not None:
            self._path = Path(address.path)
        # The first look at a name loads tables meanwhile nobody else would be served.
        name_key("first")
        self.services.delivery.start()
        for listening in sockets:
            listener = _Listener(listening, self)
            self._listeners.append(listener)
            listener.start()
        sweep = DeadPeerSweep(self.services)
        self._housekeepers = [gevent.spawn(self._keep_house), gevent.spawn(sweep.run)]
        for address in self.addresses:
            log.info("listening on %s", address)
        self._tell_of_encryption()

    def reload(self) -> None:
        """Read the certificate again, for those who come from now on; a bad one is logged, and the old one stays."""
        certificates = self.services.certificates
        if certificates is None:
            return
        try:
            certificates.load()
        except CertificateFault as problem:
            log.error("the certificate stays as it was: %s", problem)
        else:
            log.info("read the certificate again: %s", certificates.fingerprint)

    def stop(self, timeout: float = DRAIN_TIMEOUT) -> None:
        """Accept and take nothing more, tell everyone, and let what is queued go out, for ``timeout`` seconds."""
        for listener in self._listeners:
            listener.close()
        if self._path is not None:
            # Now, not at the end: by then the next server may listen there.
            self._path.unlink(missing_ok=True)
        log.info("stopping, with %d users here", len(self.services.room.members))
        # Up to here for all of them, before any greenlet runs again.
        for session in self.services.sessions.values():
            session.end_transfers()
        self.services.room.close()
        for greenlet in list(self.connections):
            greenlet.kill(ServerStopping, block=False)
        self.connections.join(timeout)
        self.connections.kill()
        self.services.delivery.stop()
        gevent.killall(self._housekeepers)
        self.services.shelf.clear()
        self.services.moderation.stop()
        self.services.passwords.close()
        if self.services.handshakes is not None:
            self.services.handshakes.close()
        if self.services.database is not None:
            self.services.database.close()
        self.services.refusals.tell_unwritten()
        log.info("stopped")

    def handle(self, sock: GeventSocket, peer: object) -> None:
        """Serve one connection, and close it.

        What waits in here, for as long as a user is idle, is what he costs: few frames with few locals.
        """
        services = self.services
        services.lobby.enter(sock)
        connection = None
        try:
            services.share.wait()
            connection = arrive(sock, peer, services)
            admitted = _let_in(sock, connection, services) if connection is not None else None
            if admitted is not None:
                admitted.run()
        except ServerStopping:
            log.debug("%s was still to log in", origin_of(peer).label)
        except Exception as problem:  # noqa: BLE001 - logged, within the limit for strangers
            # Ours, not the peer's: it costs this connection alone.
            services.refusals.failed(problem, "serving %s failed", origin_of(peer).label)
        finally:
            if connection is not None:
                services.addresses.leave(connection.host)
            services.lobby.leave(sock)
            sock.close()

    def _tell_of_encryption(self) -> None:
        certificates, settings = self.services.certificates, self.services.settings
        if certificates is not None:
            log.info("TLS is %s; our key is %s", settings.tls.value, certificates.fingerprint)
        if settings.tls is not TlsMode.REQUIRED and not all(map(_is_here, self.addresses)):
            log.warning(
                "clients may come in without TLS, from other machines too; --tls=required refuses them"
            )

    def _keep_house(self) -> None:
        while True:
            gevent.sleep(_HOUSEKEEPING)
            self.services.shelf.drop_old()
            self.services.password_guard.forget_old()
            if self.services.backlogs.take_released() >= _WORTH_GIVING_BACK:
                give_back_memory()
            self.services.refusals.flush_if_due()
            self.services.newcomers.forget_old()


def _let_in(
    sock: GeventSocket, connection: Connection, services: Services
) -> Session | Transfer | None:
    """Whoever has logged in; None if the connection has had its answer, or was closed without one."""
    try:
        admitted = Login(connection, services).run()
    except (OSError, IncompleteFrame):
        services.share.wait()
        return None  # gone before it had a name: nobody was told of it
    except RemoteProtocolError as problem:
        services.share.wait()
        services.refusals.refused(connection.host or connection.label, str(problem))
        return None
    if admitted is not None:
        services.lobby.let_in(sock)
    else:
        services.share.wait()
        connection.transport.finish(_REFUSAL_LINGER)
    return admitted


def _open_spare() -> BufferedReader:
    return open(os.devnull, "rb")


def raise_descriptor_limit() -> None:
    """As many descriptors as the system lets us have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _is_here(address: Address) -> bool:
    """Whether only this machine can connect to it."""
    return address.path is not None or parse_host(address.host).is_loopback
