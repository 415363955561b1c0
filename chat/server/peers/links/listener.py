"""Take connections of other servers, and keep strangers out.

A stranger costs a greenlet and a descriptor for ten seconds at most. When there are too many, the oldest goes: a peer
needs milliseconds to prove that it knows the secret. A peer that has done so never makes way for a stranger.
"""

from __future__ import annotations

import logging
import ssl as standard_ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import gevent
from gevent.lock import BoundedSemaphore

from chat.server.net.visitors import VisitListener
from chat.server.peers.faults import PeerBusy, PeerFault, PeerUntrusted
from chat.server.peers.links.answering import PeerAnswers, PeerSource
from chat.server.peers.links.encryption import ListenerTls
from chat.server.peers.links.greeting import accept_caller, greet_caller
from chat.server.peers.links.link_limits import DEFAULT_LIMITS, LinkLimits
from chat.server.peers.links.peer_stream import PeerStream
from chat.server.process.log_folding import FoldingLog

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812
    from gevent.ssl import SSLSocket

log = logging.getLogger("chat.server")


class _TooSlow(Exception):
    """The stranger has not proved in time that it knows the secret."""


class LinkListener:
    """Answer other servers that know ``secret``, from ``source``."""

    def __init__(
        self,
        secret: bytes,
        tls: ListenerTls,
        source: PeerSource,
        limits: LinkLimits = DEFAULT_LIMITS,
        troubles: FoldingLog | None = None,
    ) -> None:
        self._secret = secret
        self._tls = tls
        self._source = source
        self._limits = limits
        self._troubles = troubles if troubles is not None else FoldingLog()
        self._copying = BoundedSemaphore(1)
        self._servers: list[VisitListener] = []
        # Dicts keep the order of arrival and remove an entry in constant time.
        self._strangers: dict[gevent.Greenlet[..., Any], None] = {}
        self._peers: dict[gevent.Greenlet[..., Any], None] = {}

    def listen(self, sockets: Iterable[GeventSocket]) -> None:
        """Take connections from sockets that listen, which ``stop`` closes."""
        for sock in sockets:
            server = VisitListener(sock, self._visit, self._end_oldest_stranger)
            server.start()
            self._servers.append(server)

    def stop(self) -> None:
        """Close the sockets, and end all connections."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        gevent.killall([*self._strangers, *self._peers])

    def _visit(self, sock: GeventSocket, address: Any) -> None:
        visitor: gevent.Greenlet[..., Any] = gevent.getcurrent()  # type: ignore[assignment]
        if len(self._strangers) >= self._limits.strangers:
            self._troubles.refused("connections to the port for peers", "too many at once")
            self._end_oldest_stranger()
        self._strangers[visitor] = None
        tls: SSLSocket | None = None
        try:
            # The socket belongs to ``tls`` from here on, whatever becomes of the handshake.
            tls = self._tls.context.wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False
            )
            self._serve(visitor, tls)
        except _TooSlow:
            self._refuse(address, "it did not prove in time that it knows the secret")
        except PeerFault as fault:
            if visitor in self._strangers:
                self._refuse(address, str(fault))
            else:
                self._troubles.log_event_of(f"peer {_host(address)}", str(fault), logging.WARNING)
        except standard_ssl.SSLError as problem:
            reason = (problem.reason or "no handshake").replace("_", " ").lower()
            self._refuse(address, f"no TLS between servers ({reason})")
        except OSError as problem:
            self._refuse(address, problem.strerror or "the connection was cut")
        except Exception as problem:  # noqa: BLE001 - logged, within bounds
            self._troubles.failed(problem, "a connection of a peer failed")
        finally:
            self._strangers.pop(visitor, None)
            self._peers.pop(visitor, None)
            if tls is not None:
                tls.close()

    def _serve(self, visitor: gevent.Greenlet[..., Any], tls: SSLSocket) -> None:
        """Let a stranger prove that it knows the secret, and answer its requests then."""
        with gevent.Timeout(self._limits.greeting, _TooSlow()):
            tls.do_handshake()
            stream = PeerStream(tls, self._limits)
            try:
                caller = greet_caller(stream, self._secret, self._tls.digest)
                if len(self._peers) >= self._limits.peers:
                    raise PeerBusy("too many connections of peers")
            except (PeerBusy, PeerUntrusted) as fault:
                with suppress(PeerFault):  # the stranger is told, if it listens
                    stream.send_line({"fault": fault.code, "why": str(fault)})
                raise
            accept_caller(stream, caller, self._source.facts.node)
        del self._strangers[visitor]
        self._peers[visitor] = None
        PeerAnswers(stream, caller.node, self._source, self._limits, self._copying).serve()

    def _refuse(self, address: Any, reason: str) -> None:
        self._troubles.refused(f"{_host(address)} at the port for peers", reason)

    def _end_oldest_stranger(self) -> None:
        oldest = next(iter(self._strangers), None)
        if oldest is not None:
            del self._strangers[oldest]
            oldest.kill(block=False)


def _host(address: Any) -> str:
    return str(address[0]) if isinstance(address, tuple) else "a local program"
