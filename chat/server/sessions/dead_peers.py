"""Find users whose machine or network has vanished, while something is on its way to them.

TCP keepalive finds vanished users to whom nothing is on its way. The sweep asks the kernel about each connection once
in ``INTERVAL`` seconds, a few at a time: messages cost no more, and nobody waits.
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

INTERVAL = 10.0  # seconds between two looks at the same connection
_AT_ONCE = 50  # connections; then other greenlets have their turn


class DeadPeerSweep:
    """Look at all connections of a server again and again.

    ``dead_after``: see ``chat.net.dead_peer``; both times are in seconds.
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
            # Connections without a login end soon by themselves, but an attack may make many of them.
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
        """Yield the outboxes of users, and of their transfers."""
        for session in self._directory:
            yield session.send_queue
            for transfer in session.transfers:
                yield transfer.send_queue

    def _end_if_dead(self, connection: SendQueue | SlotSocket) -> None:
        if isinstance(connection, SendQueue):
            connection.fail_if_dead(self._dead_after)
        elif is_dead(connection, self._dead_after):
            with contextlib.suppress(OSError):  # closed meanwhile
                connection.shutdown(plain_socket.SHUT_RDWR)
