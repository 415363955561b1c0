"""The bytes that the kernel holds for a connection, read from ``/proc/net/tcp`` of Linux."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from pathlib import Path
from typing import Any

Address = tuple[str, int]
Socket = Any  # the standard library's or gevent's

_UNACKED = 24  # where tcpi_unacked stands in struct tcp_info


def bytes_in_kernel(reader: Address, writer: Address) -> int:
    """Bytes that ``writer`` has sent and the program at ``reader`` has not taken: in both kernels' queues."""
    sent_to = _entry(writer, reader)[0]
    received_by = _entry(reader, writer)[1]
    return sent_to + received_by


def unsent_bytes(sock: Socket) -> int:
    """Count the bytes that the peer's kernel has not acknowledged: in transit, or waiting for a reader."""
    (count,) = struct.unpack("=i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))
    return int(count)


def is_in_flight(sock: Socket) -> bool:
    """Tell whether bytes are on their way to the peer's kernel: on a loaded machine for a while, even on loopback."""
    if sock.family == socket.AF_UNIX:
        return False
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKED + 4)
    return bool(struct.unpack_from("=I", info, _UNACKED)[0])


def _entry(local: Address, remote: Address) -> tuple[int, int]:
    """Bytes of the send and the receive queue of one end of a connection on IPv4."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1:3] == [_text(local), _text(remote)]:
            sending, _, receiving = fields[4].partition(":")
            return int(sending, 16), int(receiving, 16)
    raise LookupError(f"no connection from {local} to {remote}")


def _text(address: Address) -> str:
    host, port = address
    (number,) = struct.unpack("=I", socket.inet_aton(host))
    return f"{number:08X}:{port:04X}"
