"""A program with the library that keeps what it hears, beside the programs under test."""

from __future__ import annotations

import threading

from chat.client import Connection, ReconnectingRoom


class Listening:
    """Keep the events of ``room`` in ``events``, in a thread."""

    def __init__(self, room: Connection | ReconnectingRoom) -> None:
        self.room = room
        self.events: list[object] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        for event in self.room:
            self.events.append(event)

    def close(self) -> None:
        self.room.close()
        self._thread.join(30)
