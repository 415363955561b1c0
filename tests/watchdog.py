"""One thread that watches how long the tests take.

pytest-timeout would start and join a thread for each test, which takes a thirtieth of the time of all tests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_LOOKS = 0.5  # seconds between two looks at the clock


class Watchdog:
    """Calls a function if nobody says in time that a test has ended."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._watched: tuple[float, Callable[[], object]] | None = None

    def watch(self, seconds: float, too_late: Callable[[], object]) -> None:
        """Call ``too_late`` in another thread after ``seconds`` or a little later, unless ``rest`` comes before."""
        self._watched = (time.monotonic() + seconds, too_late)
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="watchdog", daemon=True)
            self._thread.start()

    def rest(self) -> None:
        self._watched = None

    def _look(self) -> None:
        while True:
            time.sleep(_LOOKS)
            watched = self._watched
            if watched is not None and time.monotonic() > watched[0]:
                self._watched = None
                watched[1]()
