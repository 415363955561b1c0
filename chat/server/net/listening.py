"""Open the sockets that listen on an address."""

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

# Connections that the kernel keeps until the server accepts them. The TCP of further clients tries again by itself.
_BACKLOG = 4096
# The owner and the group may connect, so an operator chooses the users by the group of the socket file.
_SOCKET_MODE = 0o660


def listen(address: Address) -> list[GeventSocket]:
    """Return bound and listening sockets for ``address``: one for each address that a host name has.

    Raises OSError. Then no socket stays open.
    """
    if address.path is not None:
        return [_listen_unix(address.path)]
    if not address.host:
        # One IPv6 socket also takes IPv4 connections, unless the kernel has no IPv6.
        try:
            return [_bind(socket.AF_INET6, ("::", address.port), dual=True)]
        except OSError as problem:
            if problem.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                raise
        return [_bind(socket.AF_INET, ("0.0.0.0", address.port))]
    # The blocking look-up of the standard library: the server has no users yet who would wait for it, and gevent's
    # look-up would start a thread.
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


def why_not_listening(address: Address, problem: OSError) -> str:
    """Return in one line why ``listen`` raised ``problem``, and what to do."""
    reason = problem.strerror or str(problem)
    if address.path is None and problem.errno == errno.EACCES:
        reason += (
            f"; a port below {_first_free_port()} needs the capability CAP_NET_BIND_SERVICE "
            "(under systemd: AmbientCapabilities=) or authbind; or choose a higher port such as 8080"
        )
    elif problem.errno == errno.EACCES:
        reason += f"; the server must be able to write in {Path(str(address.path)).parent}"
    elif problem.errno == errno.EADDRINUSE:
        reason += "; another program listens there: stop it, or choose another address"
    elif problem.errno == errno.EADDRNOTAVAIL:
        reason += "; this machine does not have the address"
    return f"cannot listen on {address}: {reason}"


def _first_free_port() -> int:
    """Return the first port that needs no right. Linux lets an operator set it (ip(7))."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        return 1024


def _bind(family: int, where: Any, *, dual: bool = False) -> GeventSocket:
    """Return a listening TCP socket. ``dual``: an IPv6 socket takes IPv4 connections too."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Set in both cases: a host name may mean an IPv4 and an IPv6 address, and each gets a socket on the same port.
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        sock.bind(where)
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _listen_unix(path: str) -> GeventSocket:
    """Return a socket that listens on the file ``path``.

    Replaces the file of a server that has ended. Raises OSError (EADDRINUSE) if a server still answers there.
    """
    if Path(path).is_socket() and not _answers(path):
        Path(path).unlink()
    return listen_on_file(path, _SOCKET_MODE, _BACKLOG)


def listen_on_file(path: str, mode: int, backlog: int) -> GeventSocket:
    """Return a socket that listens on the new file ``path``, which has the mode ``mode``. Raises OSError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # By the umask, so that the file has its mode from the start. With chmod, others could connect in between.
        mask = os.umask(0o777 & ~mode)
        try:
            sock.bind(path)
        finally:
            os.umask(mask)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def _answers(path: str) -> bool:
    """Return whether a process listens on the socket file ``path``; True if that cannot be told."""
    with contextlib.closing(plain_socket.socket(plain_socket.AF_UNIX)) as probe:
        probe.setblocking(False)  # connect would wait for a server whose queue is full
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
        return True
