"""Disconnect users whose machine or network has vanished while bytes are on the way to them.

TCP keepalive detects vanished users if no bytes are on the way. For the others, the sweep asks the kernel about each
connection once in ``INTERVAL`` seconds, a few at a time. So a message costs nothing extra, and no user waits.
"""

from __future__ import annotations

import contextlib
import socket as plain_socket
from collections.abc import Iterator

import gevent

from chat.net.dead_peer import DEAD_AFTER, is_dead
from chat.server.delivery.send_queue import SendQueue
from chat.server.directory.directory import Directory
from chat.server.net.connection_slots import ConnectionSlots, SlotSocket
from chat.server.sessions.session import Session

INTERVAL = 10.0  # seconds between two checks of the same connection
_AT_ONCE = 50  # connections to check in a row; then other greenlets have their turn


class DeadPeerSweep:
    """Check all connections of a server again and again.

    ``interval`` is in seconds, and so is ``dead_after``, which ``chat.net.dead_peer`` explains.
    """

    def __init__(
        self,
        directory: Directory[Session],
        connection_slots: ConnectionSlots,
        *,
        interval: float = INTERVAL,
        dead_after: float = DEAD_AFTER,
    ) -> None:
        self._directory = directory
        self._connection_slots = connection_slots
        self._interval = interval
        self._dead_after = dead_after

    def run(self) -> None:
        """Sweep until killed."""
        while True:
            # Connections without a login have a deadline anyway. But an attack may open many, and each takes a slot.
            connections: list[SendQueue | SlotSocket] = [
                *self._send_queues(),
                *self._connection_slots.waiting(),
            ]
            pause = self._interval / (len(connections) // _AT_ONCE + 1)
            for start in range(0, len(connections), _AT_ONCE):
                for connection in connections[start : start + _AT_ONCE]:
                    self._end_if_dead(connection)
                if start + _AT_ONCE < len(connections):
                    gevent.sleep(pause)
            del connections  # so that closed connections are freed before the next sweep
            gevent.sleep(pause)

    def _send_queues(self) -> Iterator[SendQueue]:
        """Yield the send queues of all users and of their transfer connections."""
        for session in self._directory.here:
            yield session.send_queue
            for transfer in tuple(session.transfers):
                yield transfer.send_queue

    def _end_if_dead(self, connection: SendQueue | SlotSocket) -> None:
        # A user's send queue ends the session with the right reason. A connection without a login has no queue.
        if isinstance(connection, SendQueue):
            connection.fail_if_dead(self._dead_after)
        elif is_dead(connection, self._dead_after):
            with contextlib.suppress(OSError):  # the connection was closed meanwhile
                connection.shutdown(plain_socket.SHUT_RDWR)
