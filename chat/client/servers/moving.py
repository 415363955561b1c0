"""Go to another server while the connection to the present one goes on, so that others see nobody leave.

The new session takes the place of the old one. Until then, and for what the old server has already sent, the old
connection is read on: nothing of it is lost, and nothing comes twice.
"""

from __future__ import annotations

from collections.abc import Callable

from chat.client.connection.connection import Connection
from chat.client.errors import ChatError, Dismissed
from chat.client.runtime.runtime import Runtime
from chat.client.servers.retrying import Pauses, RetryPolicy, is_final
from chat.protocol.notices import NoticeCode

# Seconds that the old server has to send what is left, and to end the old session, once the new one has begun.
_LAST_WORDS = 2.0
_PAUSES = RetryPolicy(first=0.5, longest=5.0)


class Move:
    """One move away from ``old``, begun after ``delay`` seconds. ``connect`` logs in elsewhere; it raises ChatError.

    While it fails, it is called again, until the old connection ends by itself. Once it has succeeded, the old
    connection ends within some seconds, and its reader calls ``outcome``.
    """

    def __init__(
        self,
        runtime: Runtime,
        old: Connection,
        connect: Callable[[], Connection],
        delay: float = 0.0,
    ) -> None:
        self._runtime = runtime
        self._old = old
        self._connect = connect
        self._delay = delay
        self._new: Connection | None = None
        self._is_cancelled = False
        self._tried = runtime.event()  # nothing is being tried any more
        runtime.spawn(self._run)

    @property
    def is_under_way(self) -> bool:
        """Whether a login at another server has succeeded, or may still do."""
        return self._new is not None or not self._tried.is_set()

    def outcome(self, end: ChatError | None) -> Connection | None:
        """Return the new connection after the ``end`` of the old one; None if there is none. Waits for a running login.

        A user who was removed from the chat does not come back by a move.
        """
        if end is None or (isinstance(end, Dismissed) and end.code != NoticeCode.REPLACED.value):
            self.cancel()
        self._tried.wait()
        return None if self._is_cancelled else self._new

    def cancel(self) -> None:
        """Stay where the user is, or leave. A login that succeeds later is given up."""
        self._is_cancelled = True
        if self._new is not None:
            self._new.close(timeout=0)

    def _run(self) -> None:
        try:
            self._new = self._log_in()
        finally:
            self._tried.set()
        if self._new is None:
            return
        if self._is_cancelled:
            self._new.close(timeout=0)
        elif not self._old.wait_ended(_LAST_WORDS):
            self._old.drop()

    def _log_in(self) -> Connection | None:
        pauses = Pauses(_PAUSES)
        if self._delay:
            self._old.wait_ended(self._delay)
        while not (self._is_cancelled or self._old.has_ended):
            try:
                return self._connect()
            except ChatError as problem:
                if is_final(problem):
                    return None
            self._old.wait_ended(pauses.next())
        return None
