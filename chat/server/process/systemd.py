"""Notify the service manager by the protocol of sd_notify(3): datagrams to the socket in ``NOTIFY_SOCKET``."""

from __future__ import annotations

import logging
import os
import time

from gevent import socket

log = logging.getLogger("chat.server")

_VARIABLE = "NOTIFY_SOCKET"
_TIMEOUT = 1.0  # seconds; the manager's queue may be full


def ready(status: str) -> None:
    """Report that the server listens, or has reloaded. ``status`` is a line for people."""
    _tell("READY=1", f"STATUS={status}")


def reloading() -> None:
    """Report that a reload has begun. ``ready`` reports its end."""
    # The manager compares this time with the time of its request, so that it does not take an older READY for the end.
    _tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping() -> None:
    """Report that the server has begun to stop."""
    _tell("STOPPING=1", "STATUS=stopping: sending queued messages")


def _tell(*assignments: str) -> None:
    name = os.environ.get(_VARIABLE, "")
    if not name:
        return  # not started by a service manager
    # A leading @ stands for the NUL byte of a name in the abstract namespace.
    address = "\0" + name[1:] if name.startswith("@") else name
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(_TIMEOUT)
            # Only a connected socket becomes writable when the manager's queue has room. Users are served meanwhile.
            manager.connect(address)
            manager.sendall("\n".join(assignments).encode())
    except (OSError, ValueError) as problem:
        log.warning("cannot tell the service manager %s: %s", assignments[0], problem)
