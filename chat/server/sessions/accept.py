"""Turn an accepted socket into a connection: find its origin, check the limits of the address, and agree on TLS."""

from __future__ import annotations

import logging
import socket as plain_socket
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from gevent import socket

from chat.framing import DeadlineExceeded
from chat.net.address import Address
from chat.protocol.notices import Refusal
from chat.server.entrance.login_rejected import LoginRejected
from chat.server.limits.address_limits import AddressLimits, Verdict
from chat.server.limits.limits import ConnectionsPerAddress, parse_host
from chat.server.moderation.moderation import Moderation
from chat.server.net.handshakes import Handshakes
from chat.server.net.proxy_protocol import Proxied, ProxyProtocolError, read_header
from chat.server.net.tls import HandshakeFailed
from chat.server.process.log_folding import FoldingLog
from chat.server.process.loop_share import LoopShare
from chat.server.sessions.connection import AcceptedConnection
from chat.server.settings import Settings, TlsMode

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

log = logging.getLogger("chat.server")

# Seconds for a client that must not log in. It still sends its login, and reads the reason in the answer.
REFUSED_TIMEOUT = 5.0

_TLS_HANDSHAKE = b"\x16"  # RFC 8446, section 5.1; a frame of the chat begins with 0 or 1

# With these, the kernel detects an idle peer that has vanished within 60 + 4 * 15 seconds. TCP_USER_TIMEOUT is not set:
# it would replace the count of probes, and it disconnects slow readers that are alive.
_KEEPALIVE = (
    (plain_socket.TCP_KEEPIDLE, 60),
    (plain_socket.TCP_KEEPINTVL, 15),
    (plain_socket.TCP_KEEPCNT, 4),
)


class Origin(NamedTuple):
    """Say where a connection comes from.

    ``host`` is the address that limits count by; None for a unix socket. ``label`` names the connection in logs.
    ``is_private``: nobody between the client and this server can listen. ``is_encrypted``: the client speaks TLS to a
    proxy, which connects to this server.
    """

    host: str | None
    label: str
    is_private: bool
    is_encrypted: bool = False


class _SilentClose(Exception):
    """Report that the connection must be closed without an answer. The text is a phrase for the log."""


class Acceptor:
    """Turn accepted sockets into connections. ``handshakes`` is None for a server without TLS."""

    def __init__(
        self,
        *,
        settings: Settings,
        share: LoopShare,
        folding_log: FoldingLog,
        addresses: ConnectionsPerAddress,
        address_limits: AddressLimits,
        moderation: Moderation,
        handshakes: Handshakes | None,
    ) -> None:
        self._settings = settings
        self._share = share
        self._folding_log = folding_log
        self._addresses = addresses
        self._address_limits = address_limits
        self._moderation = moderation
        self._handshakes = handshakes

    def accept(self, sock: GeventSocket, peer: object) -> AcceptedConnection | None:
        """Return the connection of a socket; None if the caller must close the socket without an answer.

        ``peer`` is the address as the socket reports it. The connection counts towards the limit of its address until
        ``release`` is called.
        """
        # One deadline for everything up to the login: proxy header, handshake, and all tries.
        deadline = time.monotonic() + self._settings.login_timeout
        origin = origin_of(peer)
        try:
            if self._is_proxy(origin):
                origin = _client_behind(origin, self._read_proxy_header(sock, deadline))
            return self._accept_from(origin, sock, deadline)
        except (_SilentClose, ProxyProtocolError, HandshakeFailed) as problem:
            # A refusal costs the event loop time as a login does, so it waits for its turn too.
            self._share.wait()
            self._folding_log.refused(origin.host or origin.label, str(problem))
        except DeadlineExceeded:
            self._share.wait()
            self._folding_log.refused(origin.host or origin.label, "took too long to log in")
        except (OSError, EOFError):
            self._share.wait()
            log.debug("%s disconnected before the login", origin.label)
        return None

    def release(self, connection: AcceptedConnection) -> None:
        """Stop counting ``connection`` towards the limit of its address: the connection ends."""
        self._addresses.leave(connection.host)

    def _is_proxy(self, origin: Origin) -> bool:
        proxies = self._settings.proxies
        if origin.host is None or not proxies:
            return False
        address = parse_host(origin.host)
        return any(address in network for network in proxies)

    def _read_proxy_header(self, sock: GeventSocket, deadline: float) -> Proxied:
        proxied = read_header(lambda size: self._receive_some(sock, size, deadline))
        if proxied is None:
            raise EOFError
        return proxied

    def _accept_from(
        self, origin: Origin, sock: GeventSocket, deadline: float
    ) -> AcceptedConnection:
        """Count the connection, check the limits, and agree on TLS.

        Raises _SilentClose, and the exceptions of ``_agree_on_tls``.
        """
        self._addresses.enter(origin.host)
        try:
            refused = self._judge(origin)
            # A refused client gets its answer after its login, not now: only the login tells which byte order, and
            # whether the client reads sentences.
            if refused is not None:
                deadline = min(deadline, time.monotonic() + REFUSED_TIMEOUT)
            return self._agree_on_tls(sock, origin, refused, deadline)
        except BaseException:
            # Also GreenletExit, when the server stops: the caller has no connection to release.
            self._addresses.leave(origin.host)
            raise

    def _judge(self, origin: Origin) -> LoginRejected | None:
        """Return why the connection must not log in; None if it may. Raises _SilentClose.

        An answer costs a handshake and a login. So beyond twice the limit, the server closes without an answer.
        """
        limit = self._settings.max_per_address
        over = self._addresses.exceeded_by(origin.host)
        welcome = self._address_limits.count_connection(origin.host)
        banned = self._moderation.refusal_for_host(origin.host)
        if banned is not None:
            refused = LoginRejected(Refusal.BANNED, banned, final=True)
        elif over:
            sentence = "Too many connections from your address; close one and try again."
            refused = LoginRejected(Refusal.TOO_MANY_CONNECTIONS, sentence, final=True)
        elif welcome is not Verdict.ADMIT:
            sentence = "Too many new connections from your address; try again in a minute."
            refused = LoginRejected(Refusal.TOO_MANY_ATTEMPTS, sentence, final=True)
        else:
            return None
        if over > limit or welcome is Verdict.CLOSE:
            raise _SilentClose(refused.refusal.value)
        return refused

    def _agree_on_tls(
        self,
        sock: GeventSocket,
        origin: Origin,
        refused: LoginRejected | None,
        deadline: float,
    ) -> AcceptedConnection:
        """Do a TLS handshake if the client begins one.

        Raises EOFError, DeadlineExceeded, HandshakeFailed, and OSError as the socket does.
        """
        _prepare(sock)
        tls = None
        if self._handshakes is not None:
            # Only a look at the byte: it belongs to OpenSSL or to the first frame.
            first = self._receive_some(sock, 1, deadline, plain_socket.MSG_PEEK)
            if not first:
                raise EOFError
            if first == _TLS_HANDSHAKE:
                tls = self._handshakes.shake(sock, deadline)
            elif self._settings.tls is TlsMode.REQUIRED and not origin.is_encrypted:
                sentence = "This server requires TLS; connect again over TLS."
                refused = LoginRejected(Refusal.ENCRYPTION_NEEDED, sentence, final=True)
                deadline = min(deadline, time.monotonic() + REFUSED_TIMEOUT)
        return AcceptedConnection(
            sock,
            origin.host,
            origin.label,
            tls=tls,
            is_private=origin.is_private,
            refused=refused,
            login_deadline=deadline,
        )

    def _receive_some(
        self, sock: GeventSocket, size: int, deadline: float, flags: int = 0
    ) -> bytes:
        """Wait for bytes; return at most ``size`` of them, none at the end of the stream.

        Raises DeadlineExceeded, and OSError as the socket does.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded("The deadline has passed.")
        sock.settimeout(left)
        try:
            received = sock.recv(size, flags)
        except TimeoutError as problem:
            if problem.errno is not None:
                raise  # ETIMEDOUT from the kernel, not our time limit: the peer has vanished
            raise DeadlineExceeded("The deadline has passed.") from None
        sock.settimeout(None)
        self._share.wait()
        return received


def origin_of(peer: object) -> Origin:
    """Return the origin for ``peer``, the address as the socket reports it."""
    if not isinstance(peer, tuple):
        return Origin(None, "the unix socket", is_private=True)
    host = str(parse_host(peer[0]))
    return Origin(host, str(Address(host, peer[1])), ip_address(host).is_loopback)


def _client_behind(proxy: Origin, proxied: Proxied) -> Origin:
    """Return the origin of the client that ``proxy`` names in its header; that of the proxy if it names none."""
    if proxied.is_local:
        return proxy
    is_encrypted = proxied.is_encrypted
    if proxied.address is None:
        return proxy._replace(is_private=is_encrypted, is_encrypted=is_encrypted)
    client = origin_of(proxied.address)
    # A client on the proxy's machine reaches the proxy in private. But others may listen on the way from the proxy to
    # this server.
    is_private = is_encrypted or (client.is_private and proxy.is_private)
    label = f"{client.label} through {proxy.host}"
    return Origin(client.host, label, is_private, is_encrypted)


def _prepare(sock: GeventSocket) -> GeventSocket:
    if sock.family != socket.AF_UNIX:
        # Without TCP_NODELAY the kernel holds back small frames for 40 ms.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
    return sock
