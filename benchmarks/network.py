"""Give the benchmark a loopback of its own, the same on every machine.

The machine's settings for its real network slow down its loopback too. Firewall rules are looked through for each
packet. A congestion control that paces by timers (BBR) makes one file cost now one, now four times as much.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1  # linux/sockios.h, linux/if.h
_CONGESTION_CONTROL = Path("/proc/sys/net/ipv4/tcp_congestion_control")
_PLAIN = "reno"  # does not pace, and is allowed in every network of every kernel


@contextmanager
def own_network() -> Iterator[str]:
    """Give this thread, and what it starts meanwhile, a loopback of its own if the system allows it.

    Returns a description in words.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as former:
        if libc.unshare(_CLONE_NEWNET):
            why = os.strerror(ctypes.get_errno())
            yield f"the machine's own loopback ({why}), TCP {congestion_control()}"
            return
        try:
            _raise_loopback()
            _CONGESTION_CONTROL.write_text(_PLAIN)
            yield f"a loopback of its own, TCP {congestion_control()}"
        finally:
            libc.setns(former.fileno(), _CLONE_NEWNET)


def congestion_control() -> str:
    """Return the name of the congestion control that TCP connections of this network use."""
    return _CONGESTION_CONTROL.read_text().strip()


def _raise_loopback() -> None:
    """Bring the loopback up: in a new network it is down."""
    request = struct.pack("16sh14x", b"lo", _IFF_UP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any:
        fcntl.ioctl(any, _SIOCSIFFLAGS, request)
