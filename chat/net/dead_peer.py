"""Detect TCP peers that have vanished, by what the kernel knows of the connection.

Keepalive finds a peer that vanished while nothing was on its way to it. While data is unacknowledged the kernel sends
no keepalive probes: it retransmits for about 16 minutes before it gives up. TCP_INFO (Linux, tcp(7)) tells for how long
the peer has acknowledged nothing. A living reader acknowledges the segments that it gets and each probe of its closed
window, however slow it is. TCP_USER_TIMEOUT does not tell these two apart.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import NamedTuple, Protocol

# Seconds without any acknowledgement after which a peer that owes one is dead. The kernel sends its retransmissions and
# its probes of a closed window at most 120 seconds apart (TCP_RTO_MAX); the rest is time for the answer to the last of
# them. With the 10 seconds between two checks the sum stays under 150.
DEAD_AFTER = 135.0

# Unanswered retransmissions in a row. Fewer may be a lost packet on a connection that was idle before.
_MIN_RETRANSMITS = 3

# The fields of struct tcp_info (linux/tcp.h) that are read here. Its beginning has not changed since Linux 2.6.
_TCP_INFO = struct.Struct("=2xBB20xI28xI")
# Other systems have another structure under this name, or none.
_IS_KNOWN = sys.platform == "linux" and hasattr(socket, "TCP_INFO")


class Socket(Protocol):
    """Describe a socket, of the standard library or of gevent."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


class TcpInfo(NamedTuple):
    """Hold the state of a connection, as the kernel knows it.

    ``retransmits`` and ``probes`` count consecutive unanswered ones; ``unacknowledged`` counts segments; ``silence`` is
    the time since the last acknowledgement of any kind, in seconds.
    """

    retransmits: int
    probes: int
    unacknowledged: int
    silence: float

    def is_dead(self, dead_after: float = DEAD_AFTER) -> bool:
        """Return whether the peer owes an acknowledgement and has sent none for ``dead_after`` seconds."""
        is_asked = self.unacknowledged > 0 and self.retransmits >= _MIN_RETRANSMITS
        return (is_asked or self.probes > 0) and self.silence >= dead_after


def read_tcp_info(sock: Socket) -> TcpInfo | None:
    """Return the kernel's state of ``sock``; None on other systems, for a unix socket and for a closed socket."""
    if not _IS_KNOWN:
        return None
    try:
        data = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    except OSError:
        return None  # a unix socket, or closed meanwhile
    if len(data) < _TCP_INFO.size:
        return None
    retransmits, probes, unacknowledged, silence = _TCP_INFO.unpack(data)
    return TcpInfo(retransmits, probes, unacknowledged, silence / 1000)


def is_dead(sock: Socket, dead_after: float = DEAD_AFTER) -> bool:
    """Return whether the peer of ``sock`` has vanished, as far as the kernel can tell."""
    info = read_tcp_info(sock)
    return info is not None and info.is_dead(dead_after)
