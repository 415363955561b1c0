"""From an accepted socket to a connection: whose it is, whether it may come in, and whether it speaks TLS."""

from __future__ import annotations

import socket as plain_socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from gevent import socket

from chat.address import Address
from chat.protocol.notices import Refusal
from chat.server.connection import Connection
from chat.server.limits import Network, parse_host
from chat.server.login import LoginRefused
from chat.server.newcomers import Welcome
from chat.server.services import Services

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

REFUSED_TIMEOUT = 5.0  # seconds in which one who is not let in anyway may hear why

# A vanished peer is found by the kernel in 60 + 4 * 15 seconds. TCP_USER_TIMEOUT is left alone: where it is set, it
# replaces the count of probes, and it cuts slow readers that are alive.
_KEEPALIVE = (
    (plain_socket.TCP_KEEPIDLE, 60),
    (plain_socket.TCP_KEEPINTVL, 15),
    (plain_socket.TCP_KEEPCNT, 4),
)


class Origin(NamedTuple):
    """Where a connection comes from: ``host`` is what limits count by, None for a unix socket; ``label`` is for logs.

    ``is_private``: nobody between it and us can listen.
    """

    host: str | None
    label: str
    is_private: bool


class Arrived(NamedTuple):
    """A connection, and why it is not to be let in, if so: it is told in the answer to its login."""

    connection: Connection
    refused: LoginRefused | None


@contextmanager
def arriving(sock: GeventSocket, peer: object, services: Services) -> Iterator[Arrived | None]:
    """The connection behind a socket that was accepted from ``peer``; None if it is to be closed without an answer.

    It counts as one of its address until the context is left.
    """
    origin = origin_of(peer)
    key = services.addresses.enter(origin.host)
    try:
        yield _receive(sock, origin, key, services)
    finally:
        services.addresses.leave(key)


def origin_of(peer: object) -> Origin:
    """What the socket itself tells of its ``peer``."""
    if not isinstance(peer, tuple):
        return Origin(None, "the unix socket", is_private=True)
    host = str(parse_host(peer[0]))
    return Origin(host, str(Address(host, peer[1])), ip_address(host).is_loopback)


def _receive(
    sock: GeventSocket, origin: Origin, key: Network | None, services: Services
) -> Arrived | None:
    settings = services.settings
    deadline = time.monotonic() + settings.login_timeout
    refused = None
    over = services.addresses.exceeded_by(key)
    welcome = services.newcomers.connects(origin.host)
    banned = services.moderation.refusal_for_host(origin.host)
    if banned is not None:
        refused = LoginRefused(Refusal.BANNED, banned, final=True)
    elif over:
        sentence = "There are too many connections from your address."
        refused = LoginRefused(Refusal.TOO_MANY_CONNECTIONS, sentence, final=True)
    elif welcome is not Welcome.COME_IN:
        sentence = "Your address connects too often; try again in a minute."
        refused = LoginRefused(Refusal.TOO_MANY_ATTEMPTS, sentence, final=True)
    if refused is not None:
        deadline = min(deadline, time.monotonic() + REFUSED_TIMEOUT)
        if over > settings.max_per_address or welcome is Welcome.CLOSE:
            # Not even worth an answer any more.
            services.refusals.refused(origin.host or origin.label, refused.refusal.value)
            return None
    connection = Connection(
        _prepare(sock),
        origin.host,
        origin.label,
        is_private=origin.is_private,
        login_deadline=deadline,
    )
    return Arrived(connection, refused)


def _prepare(sock: GeventSocket) -> GeventSocket:
    if sock.family != socket.AF_UNIX:
        # Without it the kernel holds back small frames for 40 ms.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
    return sock
