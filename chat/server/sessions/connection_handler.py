"""Serve each accepted socket in one greenlet, from its first byte until it is closed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gevent.pool import Pool

from chat.framing import IncompleteFrame
from chat.protocol.errors import RemoteProtocolError
from chat.server.net.connection_slots import ConnectionSlots
from chat.server.process.log_folding import FoldingLog
from chat.server.process.loop_share import LoopShare
from chat.server.sessions.accept import Acceptor, origin_of
from chat.server.sessions.connection import AcceptedConnection
from chat.server.sessions.endings import ServerStopping
from chat.server.sessions.login import Login
from chat.server.sessions.session import Session
from chat.server.sessions.transfer import TransferConnection

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

log = logging.getLogger("chat.server")

_REFUSAL_LINGER = 2.0  # seconds for a refused client to read the reason


class ConnectionHandler:
    """Accept, log in and run each connection. ``connections`` is the pool of their greenlets."""

    def __init__(
        self,
        *,
        acceptor: Acceptor,
        login: Login,
        connection_slots: ConnectionSlots,
        share: LoopShare,
        folding_log: FoldingLog,
    ) -> None:
        self.connections = Pool()
        self._acceptor = acceptor
        self._login = login
        self._connection_slots = connection_slots
        self._share = share
        self._folding_log = folding_log

    def handle(self, sock: GeventSocket, peer: object) -> None:
        """Serve one connection, and close it. ``peer`` is the address as the socket reports it."""
        # An idle user waits inside this call, and the memory of a waiting greenlet is its stack. So there are few calls
        # with few local variables on the way to the wait.
        self._connection_slots.enter(sock)
        connection = None
        try:
            # Everything before the login is done in turns, so that thousands of connections do not delay the users.
            self._share.wait()
            connection = self._acceptor.accept(sock, peer)
            admitted = self._let_in(sock, connection) if connection is not None else None
            if admitted is not None:
                admitted.run()
        except ServerStopping:
            log.debug("%s had not logged in when the server stopped", origin_of(peer).label)
        except Exception as problem:  # noqa: BLE001 - logged, within the limits of the folding log
            # A fault of the server, not of the peer. It ends this connection, and no other.
            self._folding_log.failed(problem, "serving %s failed", origin_of(peer).label)
        finally:
            if connection is not None:
                self._acceptor.release(connection)
            self._connection_slots.leave(sock)
            sock.close()

    def end_all(self, timeout: float) -> None:
        """End all connections because the server stops. After ``timeout`` seconds, kill the greenlets that are left."""
        # Without blocking, so that all sessions empty their send queues at the same time.
        for greenlet in list(self.connections):
            greenlet.kill(ServerStopping, block=False)
        self.connections.join(timeout)
        self.connections.kill()

    def _let_in(
        self, sock: GeventSocket, connection: AcceptedConnection
    ) -> Session | TransferConnection | None:
        """Return the session or transfer that has logged in; None if the login failed.

        A refused client has had its answer then.
        """
        try:
            admitted = self._login.run(connection)
        except (OSError, IncompleteFrame):
            self._share.wait()
            return None  # disconnected before the login: no user has heard of the connection
        except RemoteProtocolError as problem:
            self._share.wait()
            self._folding_log.refused(connection.source, str(problem))
            return None
        if admitted is not None:
            self._connection_slots.logged_in(sock)
        else:
            self._share.wait()
            # Closed at once, the connection could be reset, and the client would lose the answer.
            connection.transport.finish(_REFUSAL_LINGER)
        return admitted
