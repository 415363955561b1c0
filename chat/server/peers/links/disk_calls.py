"""Wait for the disk in a thread, and never leave a thread behind that uses a descriptor."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import gevent

from chat.process.offload import ThreadCall
from chat.server.peers.faults import DiskFault

Result = TypeVar("Result")


class OwnDiskFault(DiskFault):
    """Not the disk of a peer, but that of this server: another peer would not help."""


def on_disk(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call ``function`` in a thread, and return its result. Raises OwnDiskFault for an OSError.

    If this greenlet is killed meanwhile, the thread ends first: the caller closes descriptors then, and the next file
    or socket could get the descriptor that the thread writes to.
    """
    call = ThreadCall(gevent.get_hub().threadpool, function, *arguments)
    try:
        return call.get()
    except OSError as problem:
        raise OwnDiskFault(f"the disk fails: {problem.strerror or problem}") from None
    except gevent.GreenletExit:
        call.wait(None)
        raise


def write_all(descriptor: int, piece: memoryview) -> None:
    """Write all bytes at the position of ``descriptor``. Waits for the disk. Raises OSError."""
    while piece:
        piece = piece[os.write(descriptor, piece) :]
