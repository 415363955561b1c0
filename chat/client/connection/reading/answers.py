"""Wait for the answer to a command, and read meanwhile if no other task does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from chat.client.connection.events import Event, MessagePage
from chat.client.connection.queries.pages import Pages
from chat.client.connection.reading.event_readers import EventReaders
from chat.client.connection.receipts import Receipt, Status, new_nonce
from chat.client.runtime.runtime import Runtime

T = TypeVar("T")

# Seconds between two tries to read the answer, while another task reads.
_LOOK_EVERY = 0.05


class Answers:
    """The events that ``read`` returns one by one, for ``readers`` and for tasks that wait for an answer.

    ``read`` is called by one task at a time; it returns None at the end, or raises ConnectionLost.
    """

    def __init__(self, runtime: Runtime, read: Callable[[], Event | None]) -> None:
        self.readers: EventReaders[Event] = EventReaders(runtime, self._fetch)
        self._runtime = runtime
        self._read = read
        self._pages = Pages()

    def wait_for_page(self, send: Callable[[str], Receipt]) -> MessagePage:
        """Send a query with a nonce by ``send``, and return its page. Raises QueryRefused, ConnectionLost."""
        return self._wait(send, self._pages.page)

    def wait_for_answer(self, send: Callable[[str], Receipt]) -> Event:
        """Send a command with a nonce by ``send``, and return its answer. Raises QueryRefused, ConnectionLost."""
        return self._wait(send, self._pages.answer)

    def _fetch(self) -> Event | None:
        while (event := self._read()) is not None and self._pages.take(event):
            continue
        return event

    def _wait(self, send: Callable[[str], Receipt], result: Callable[[Receipt], T]) -> T:
        nonce, answered = new_nonce(), self._runtime.event()
        self._pages.begin(nonce, answered)
        try:
            receipt = send(nonce)
            while not answered.is_set() and receipt.status is not Status.LOST:
                if not self.readers.acquire():
                    answered.wait(_LOOK_EVERY)  # another task reads, and may stop to do so
                    continue
                try:
                    # Another task may have read the answer until now.
                    if not answered.is_set() and not self._read_one():
                        break
                finally:
                    self.readers.release()
            return result(receipt)
        finally:
            self._pages.end(nonce)

    def _read_one(self) -> bool:
        """Read and deal out one event; return False at the end."""
        event = self._read()
        if event is not None and not self._pages.take(event):
            self.readers.put(event)
        return event is not None
