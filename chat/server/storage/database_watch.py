"""Notice that another process, such as the command line, has changed the database."""

from __future__ import annotations

from collections.abc import Callable

import gevent
from gevent.lock import BoundedSemaphore

LOOK_INTERVAL = 1.0  # seconds between two looks


class DatabaseWatch:
    """Call the functions ``looks`` once a second, and at once when somebody asks.

    Each function compares the stamp of the file with the stamp that it remembers, which costs a system call, and reads
    the file only if it differs. So messages pay nothing, and neither do users who are silent.
    """

    def __init__(self, *looks: Callable[[], object]) -> None:
        self._looks = looks
        self._looking = BoundedSemaphore(1)

    def run(self) -> None:
        """Look for ever. Runs in a greenlet of its own."""
        while True:
            gevent.sleep(LOOK_INTERVAL)
            self.look()

    def look(self) -> None:
        """Apply the changes that have been made so far; return when they are in effect."""
        with self._looking:
            for look in self._looks:
                look()
