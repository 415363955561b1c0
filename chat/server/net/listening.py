"""Sockets that listen, on whatever an address means."""

from __future__ import annotations

import contextlib
import errno
import os
import socket as plain_socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gevent import socket

from chat.net.address import Address

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

# Connections that the kernel keeps until newcomers have a turn. Clients beyond these try again, by TCP.
_BACKLOG = 4096
_SOCKET_MODE = 0o660


def listen(address: Address) -> list[GeventSocket]:
    """Bound and listening sockets: one for each thing that the host's name means. Raises OSError."""
    if address.path is not None:
        return [_listen_unix(address.path)]
    if not address.host:
        try:
            return [_bind(socket.AF_INET6, ("::", address.port), dual=True)]
        except OSError as problem:
            if problem.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                raise
        return [_bind(socket.AF_INET, ("0.0.0.0", address.port))]
    # Nobody is served yet who would have to wait; gevent's would need a thread for it.
    found = plain_socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    with contextlib.ExitStack() as bound:
        sockets = [
            bound.enter_context(_bind(family, where))
            for family, where in dict.fromkeys((f[0], f[4]) for f in found)
        ]
        bound.pop_all()
        return sockets


def _bind(family: int, where: Any, *, dual: bool = False) -> GeventSocket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        sock.bind(where)
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _listen_unix(path: str) -> GeventSocket:
    """A socket file with its mode set before anyone can connect; a dead server's file is replaced, a live one's not."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if Path(path).is_socket() and not _answers(path):
            Path(path).unlink()
        mask = os.umask(0o777 & ~_SOCKET_MODE)
        try:
            sock.bind(path)
        finally:
            os.umask(mask)
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _answers(path: str) -> bool:
    with contextlib.closing(plain_socket.socket(plain_socket.AF_UNIX)) as probe:
        probe.setblocking(False)  # a server whose queue is full would let us wait
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
        return True
