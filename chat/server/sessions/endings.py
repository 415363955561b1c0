"""Name what ends a session that waits, and what ends with a session."""

from __future__ import annotations

from typing import Protocol

import gevent

from chat.framing import IncompleteFrame, StalledFrame
from chat.protocol.notices import LeaveReason
from chat.server.delivery.send_queue import SendQueue, reason_of


class ServerStopping(gevent.GreenletExit):
    """End the wait of a session because the server stops. Not an Exception, so that no handler swallows it."""


class Ejected(gevent.GreenletExit):
    """End the wait of a session that another greenlet has ended. The session has left the room by then."""


def why_ended(problem: StalledFrame | IncompleteFrame | OSError) -> LeaveReason:
    """Return why a user leaves from whom nothing more can be read."""
    if isinstance(problem, OSError):
        return reason_of(problem)
    stalled = isinstance(problem, StalledFrame)
    return LeaveReason.TIMED_OUT if stalled else LeaveReason.DISCONNECTED


class Transferring(Protocol):
    """Describe a transfer connection for its session, so that this module need not import ``transfer``."""

    @property
    def send_queue(self) -> SendQueue: ...

    def end(self) -> None: ...


class OpenTransfers(list[Transferring]):
    """The transfer connections of a session. A transfer adds and removes itself."""

    __slots__ = ()  # each session has one

    def end_all(self) -> None:
        """End all transfers, in both directions."""
        for transfer in tuple(self):
            transfer.end()
