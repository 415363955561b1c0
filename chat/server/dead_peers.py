"""Find users whose machine or network has vanished, while something is on its way to them.

Keepalive finds the others. The sweep asks the kernel about each connection once in ``INTERVAL`` seconds, a few at a
time, so it costs no message anything and holds up nobody.
"""

from __future__ import annotations

import contextlib
import socket as plain_socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import gevent

from chat.dead_peer import DEAD_AFTER, is_dead

if TYPE_CHECKING:
    from chat.server.outbox import Outbox
    from chat.server.services import Services

INTERVAL = 10.0  # seconds between two looks at the same connection
_AT_ONCE = 50  # connections; then others have their turn


class DeadPeerSweep:
    """Look at all connections of a server again and again.

    ``dead_after``: see ``chat.dead_peer``; both times are in seconds.
    """

    def __init__(
        self, services: Services, *, interval: float = INTERVAL, dead_after: float = DEAD_AFTER
    ) -> None:
        self._services = services
        self._interval = interval
        self._dead_after = dead_after

    def run(self) -> None:
        """Sweep until killed."""
        while True:
            self._close_strangers()
            outboxes = list(self._outboxes())
            pause = self._interval / (len(outboxes) // _AT_ONCE + 1)
            for start in range(0, len(outboxes), _AT_ONCE):
                for outbox in outboxes[start : start + _AT_ONCE]:
                    outbox.fail_if_dead(self._dead_after)
                if start + _AT_ONCE < len(outboxes):
                    gevent.sleep(pause)
            del outboxes  # users who leave now are not kept until the next sweep
            gevent.sleep(pause)

    def _outboxes(self) -> Iterator[Outbox]:
        """Yield those of users, and of their transfers."""
        yield from self._services.delivery
        for session in self._services.sessions.values():
            for transfer in session.transfers:
                yield transfer.outbox

    def _close_strangers(self) -> None:
        """Close connections that have not logged in: few, and there only until their time for that is over."""
        for sock in self._services.lobby.waiting():
            if is_dead(sock, self._dead_after):
                with contextlib.suppress(OSError):  # it has ended by itself
                    sock.shutdown(plain_socket.SHUT_RDWR)
