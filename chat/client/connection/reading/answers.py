"""Wait for the answer to a command, and read meanwhile if no other task does."""

from __future__ import annotations

from collections.abc import Callable

from chat.client.connection.events import Event, MessagePage
from chat.client.connection.queries.pages import Pages
from chat.client.connection.reading.event_readers import EventReaders
from chat.client.connection.receipts import Receipt, Status, new_nonce
from chat.client.runtime.runtime import Runtime

# Seconds between two tries to read the answer, while another task reads.
_LOOK_EVERY = 0.05


class Answers:
    """The events that ``read`` returns one by one, for ``readers`` and for tasks that wait for an answer.

    ``read`` is called by one task at a time; it returns None at the end, or raises ConnectionLost.
    """

    def __init__(self, runtime: Runtime, read: Callable[[], Event | None]) -> None:
        self.readers: EventReaders[Event] = EventReaders(runtime, self._fetch)
        self._read = read
        self._pages = Pages()

    def wait_for_page(self, send: Callable[[str], Receipt]) -> MessagePage:
        """Send a query with a nonce by ``send``, and return its page. Raises QueryRefused, ConnectionLost."""
        nonce = new_nonce()
        self._pages.begin(nonce)
        try:
            return self._pages.page(self._wait(send(nonce)))
        finally:
            self._pages.end(nonce)

    def wait_for_answer(self, send: Callable[[str], Receipt]) -> Event:
        """Send a command with a nonce by ``send``, and return its answer. Raises QueryRefused, ConnectionLost."""
        nonce = new_nonce()
        self._pages.begin(nonce)
        try:
            return self._pages.answer(self._wait(send(nonce)))
        finally:
            self._pages.end(nonce)

    def _fetch(self) -> Event | None:
        while (event := self._read()) is not None and self._pages.take(event):
            continue
        return event

    def _wait(self, receipt: Receipt) -> Receipt:
        while receipt.status is Status.WAITING:
            if not self.readers.acquire():
                receipt.wait(_LOOK_EVERY)  # another task reads, and may stop to do so
                continue
            try:
                event = self._read()
                if event is None:
                    break
                if not self._pages.take(event):
                    self.readers.put(event)
            finally:
                self.readers.release()
        return receipt
