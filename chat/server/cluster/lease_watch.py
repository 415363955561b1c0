"""Look at the lease of this server as the first thing whenever the event loop wakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent


class LeaseWatch:
    """Call ``check`` in each turn of the event loop, after its wait and before anything that it reports.

    A process may be stopped for minutes, or the machine may sleep. Then the server must not begin with a frame to a
    user: the other servers may have gone on without this one. A timer would come too late, and a greenlet too.
    """

    def __init__(self, check: Callable[[], object]) -> None:
        loop: Any = gevent.get_hub().loop
        self._watcher: Any = loop.check(ref=False, priority=loop.MAXPRI)
        self._watcher.start(check)

    def stop(self) -> None:
        """Look no more."""
        self._watcher.stop()
        self._watcher.close()
