"""What is to be said and not answered yet: it survives the connection over which it was first said.

Bounded: whoever puts something in waits while it is full, so a fast input is read no faster than the server takes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from gevent.event import Event

from chat.client.news import Tag
from chat.client.receipts import Fate, Receipt
from chat.client.requests import AskServer, Say, SendFile

MAX_WAITING = 1000  # items
MAX_WAITING_BYTES = 1024 * 1024  # of text
# Sent and unanswered: what may have to be said again after a lost connection.
MAX_IN_FLIGHT = 256


@dataclass(frozen=True, eq=False)
class Outgoing:
    """Something on its way to the server."""

    request: Say | SendFile | AskServer
    tag: Tag = None

    @property
    def is_said_again(self) -> bool:
        """After a lost connection. To have something done twice is not to be risked, least of all by surprise."""
        return not isinstance(self.request, AskServer)

    @property
    def size(self) -> int:
        return len(self.request.text) if isinstance(self.request, Say) else 0


# Sends one item and returns its receipt; None if it is done with (refused on this side, or handed to a transfer).
# Raises ConnectionLost.
Send: TypeAlias = Callable[[Outgoing], "Receipt | None"]


class Outbox:
    """``answered`` is called with every item and its receipt, in order, once its fate is known."""

    def __init__(self, answered: Callable[[Outgoing, Receipt], object]) -> None:
        self._answered = answered
        self._waiting: deque[Outgoing] = deque()
        self._waiting_bytes = 0
        self._in_flight: deque[tuple[Outgoing, Receipt]] = deque()
        self._answering = 0
        self._changed = Event()

    def put(self, item: Outgoing) -> None:
        """Wait until there is room, and append it."""
        self._wait_until(self._has_room)
        self._waiting.append(item)
        self._waiting_bytes += item.size
        self._tell()

    def send_all(self, send: Send) -> None:
        """Send what is there and what comes, in order, until killed. Raises ConnectionLost."""
        while True:
            self._wait_until(lambda: self._waiting and len(self._in_flight) < MAX_IN_FLIGHT)
            item = self._waiting[0]
            receipt = send(item)
            # Only now: if sending fails it is still the first of those that wait.
            self._waiting.popleft()
            self._waiting_bytes -= item.size
            if receipt is not None:
                self._in_flight.append((item, receipt))
                self.settle()
            self._tell()

    def settle(self) -> None:
        """Look at what has been answered since."""
        while self._in_flight and self._in_flight[0][1].fate in (Fate.ACCEPTED, Fate.REFUSED):
            self._answer(*self._in_flight.popleft())
            self._tell()

    def _answer(self, item: Outgoing, receipt: Receipt) -> None:
        # Showing it may wait, and until it is shown we must not seem to be done with it.
        self._answering += 1
        try:
            self._answered(item, receipt)
        finally:
            self._answering -= 1

    def take_back(self) -> None:
        """The connection is lost and nothing is being sent: what was not answered waits again, before the rest.

        What is not to be said again is answered, with a receipt whose fate is LOST.
        """
        self.settle()
        in_flight, self._in_flight = self._in_flight, deque()
        lost = [entry for entry in in_flight if not entry[0].is_said_again]
        for item, _ in reversed(in_flight):
            if item.is_said_again:
                self._waiting.appendleft(item)
                self._waiting_bytes += item.size
        for item, receipt in lost:
            self._answer(item, receipt)
        self._tell()

    @property
    def is_empty(self) -> bool:
        """Whether everything has been answered, and the answers told."""
        return not self._waiting and not self._in_flight and not self._answering

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    def wait_empty(self) -> None:
        self._wait_until(lambda: self.is_empty)

    def wait_progress(self, timeout: float) -> bool:
        """Wait until anything changes; False if nothing did for ``timeout`` seconds."""
        return bool(self._changed.wait(timeout))

    def _has_room(self) -> bool:
        return len(self._waiting) < MAX_WAITING and self._waiting_bytes < MAX_WAITING_BYTES

    def _tell(self) -> None:
        # One event for each change: an event that is set and cleared again before its waiters run wakes nobody.
        changed, self._changed = self._changed, Event()
        changed.set()

    def _wait_until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            self._changed.wait()
