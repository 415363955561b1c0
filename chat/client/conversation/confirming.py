"""Notice that the server cannot confirm messages now, although it is alive, and when that is over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from chat.client.connection.liveness import uptime
from chat.client.connection.receipts import Status
from chat.client.conversation.ui_events import Unconfirmed
from chat.client.resuming.outgoing_queue import OutgoingQueue, QueuedMessage

# The server repeats its notice every 5 seconds. After so many without one, nothing waits there any more.
_REPEATED = 12.0
# For how long a message waits when the first notice comes, if nobody knows which message it is.
_FIRST = timedelta(seconds=5)


class Confirming:
    """Whether messages of ``queue`` wait at the server. ``show`` is called with each change."""

    def __init__(self, queue: OutgoingQueue, show: Callable[[Unconfirmed], object]) -> None:
        self._queue = queue
        self._show = show
        self._heard_at: float | None = None
        self._message: QueuedMessage | None = None  # the oldest that waits

    def waits(self) -> None:
        """Take the notice that a message waits at the server."""
        is_new, self._heard_at = self._heard_at is None, uptime()
        # Those that wait for an answer know that the server is alive.
        self._queue.wake()
        if is_new:
            self._message = self._queue.oldest_sent()
            now = datetime.now(timezone.utc)
            self._show(Unconfirmed(self._message.sent_at if self._message else now - _FIRST))

    def look(self) -> None:
        """Find out whether the wait is over. Called now and then."""
        if self._heard_at is None:
            return
        is_answered = self._message is not None and self._message.status is not Status.WAITING
        if is_answered or uptime() - self._heard_at > _REPEATED:
            self.end()

    def end(self) -> None:
        """End the wait, if there is one: also because the connection has ended."""
        if self._heard_at is not None:
            self._heard_at = self._message = None
            self._show(Unconfirmed(None))
