"""What the kernel holds of a connection, as Linux tells it in ``/proc/net/tcp``."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

Address = tuple[str, int]


def bytes_in_kernel(reader: Address, writer: Address) -> int:
    """Bytes that ``writer`` has sent and the program at ``reader`` has not taken: in both kernels' queues."""
    sent_to = _entry(writer, reader)[0]
    received_by = _entry(reader, writer)[1]
    return sent_to + received_by


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
