"""What the service manager is told: the protocol of sd_notify(3), a datagram to the socket that it names."""

from __future__ import annotations

import logging
import os
import time

from gevent import socket

log = logging.getLogger("chat.server")

_VARIABLE = "NOTIFY_SOCKET"
_TIMEOUT = 1.0  # seconds; the manager's queue may be full


def ready(status: str) -> None:
    """It listens, or has done what it was reloaded for. ``status`` is a line for people."""
    _tell("READY=1", f"STATUS={status}")


def reloading() -> None:
    """It reads again what can be read again; ``ready`` ends that."""
    # The manager compares it with when it asked, so as not to take an older READY for the answer.
    _tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping() -> None:
    """It has begun to stop."""
    _tell("STOPPING=1", "STATUS=telling everyone, sending what is queued")


def _tell(*assignments: str) -> None:
    name = os.environ.get(_VARIABLE, "")
    if not name:
        return  # nobody asked
    # An @ stands for the NUL that names in the abstract namespace begin with.
    address = "\0" + name[1:] if name.startswith("@") else name
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(_TIMEOUT)
            # Only a connected socket becomes writable when the manager's queue has room. Users are served meanwhile.
            manager.connect(address)
            manager.sendall("\n".join(assignments).encode())
    except (OSError, ValueError) as problem:
        log.warning("cannot tell the service manager %s: %s", assignments[0], problem)
