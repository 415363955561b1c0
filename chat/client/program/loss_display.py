"""Show to people that the client goes to another server, as little as possible.

A user who is back within a moment sees no outage, only a line about the other server. Programs are told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent

from chat.client.connection.liveness import uptime
from chat.client.errors import ChatError
from chat.client.program.catching_up import CatchingUp
from chat.client.resuming.events import Disconnected

# Seconds for another server to take the user before people see the loss.
_MOMENT = 3.0
# Seconds without a word of the server, before and after the loss. After more, the user has missed something.
_SHORT = 10.0


class LossDisplay:
    """Show losses by ``show``, and tell ``catching_up`` whether the user was away for a moment only."""

    def __init__(self, show: Callable[[Disconnected], object], catching_up: CatchingUp) -> None:
        self._show = show
        self._catching_up = catching_up
        self._lost_at = 0.0
        self._is_quiet = False  # whether people have not seen the last loss

    def lost(self, silence: float) -> None:
        """Note that the connection was lost, after so many seconds without a word of the server."""
        self._lost_at = uptime() - silence

    def is_back(self) -> None:
        """Note that the user is back after a loss."""
        is_short = uptime() - self._lost_at < _SHORT
        self._catching_up.begin(quietly=self._is_quiet and is_short)

    def has_moved(self) -> None:
        """Note that the user is at another server, and was not away."""
        self._catching_up.begin(quietly=True)

    @contextmanager
    def during_try(self, problem: ChatError, delay: float, *, elsewhere: bool) -> Iterator[None]:
        """Show why there is no connection, during the next try, which begins in ``delay`` seconds.

        If the try is at other servers, people see the reason only when it takes longer than a moment.
        """
        self._is_quiet = elsewhere
        self._show(Disconnected(str(problem), delay, elsewhere))
        if not elsewhere:
            yield
            return
        late = gevent.spawn_later(_MOMENT, self._show_late, problem, delay)
        try:
            yield
        finally:
            late.kill()

    def _show_late(self, problem: ChatError, delay: float) -> None:
        self._is_quiet = False
        if self._catching_up.is_for_people:
            self._show(Disconnected(str(problem), delay))
