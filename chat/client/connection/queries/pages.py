"""Collect the answers and pages of earlier messages that a program asked for, while other events go on."""

from __future__ import annotations

from chat.client.connection.events import (
    Attachment,
    Event,
    MessagePage,
    Notice,
    Text,
)
from chat.client.connection.receipts import Receipt, Status
from chat.client.errors import ConnectionLost, QueryRefused
from chat.client.runtime.runtime import Event as Signal

# Messages of one page, and characters or bytes of their contents. Our server sends less; another one must not fill the
# memory.
MAX_MESSAGES = 1000
MAX_SIZE = 32 * 1024 * 1024


class Pages:
    """Answers and pages of earlier messages that the program asked for, by the nonces of their commands."""

    def __init__(self) -> None:
        self._messages: dict[str, list[Text | Attachment]] = {}
        self._sizes: dict[str, int] = {}
        self._answers: dict[str, Event] = {}
        self._signals: dict[str, Signal] = {}

    def begin(self, nonce: str, signal: Signal) -> None:
        """Expect the answer to the command with this nonce, and perhaps a page, until ``end``.

        ``signal`` is set when the answer is there: a moment after its receipt is settled.
        """
        self._messages[nonce], self._sizes[nonce], self._signals[nonce] = [], 0, signal

    def take(self, event: Event) -> bool:
        """Return whether ``event`` belongs to a page, and is no event for the program."""
        if not self._messages:
            return False
        if isinstance(event, Text | Attachment) and event.answers in self._messages:
            nonce = event.answers
            page = self._messages[nonce]
            self._sizes[nonce] += _size(event)
            if len(page) <= MAX_MESSAGES and self._sizes[nonce] <= MAX_SIZE:
                page.append(event)
            return True
        receipt = getattr(event, "receipt", None)
        if receipt is None or receipt.nonce not in self._messages:
            return False
        self._answers[receipt.nonce] = event
        self._signals[receipt.nonce].set()
        # Who iterates over the rooms must see that one came or went.
        return isinstance(event, Notice)

    def answer(self, receipt: Receipt) -> Event:
        """Return the event that answered the command with this receipt. Raises QueryRefused, ConnectionLost."""
        if receipt.status is Status.REFUSED:
            raise QueryRefused(
                receipt.code or "refused", receipt.refusal or "The server refused it."
            )
        answer = self._answers.get(receipt.nonce)
        if receipt.status is not Status.ACCEPTED or answer is None:
            raise ConnectionLost("The connection ended before the answer.")
        return answer

    def page(self, receipt: Receipt) -> MessagePage:
        """Return the page for the query with this receipt. Raises QueryRefused, ConnectionLost."""
        answer = self.answer(receipt)
        if not isinstance(answer, Notice):
            raise ConnectionLost("The server answered the query with something else.")
        page = self._messages[receipt.nonce]
        if len(page) > MAX_MESSAGES or self._sizes[receipt.nonce] > MAX_SIZE:
            raise QueryRefused("too-large", "The server sent more than belongs in an answer.")
        messages = sorted(page, key=lambda message: message.seq or 0)
        return MessagePage(
            tuple(messages), answer.more, answer.lost, answer.epoch, answer.goes_on_before
        )

    def end(self, nonce: str) -> None:
        """Expect nothing more for this query, with or without an answer."""
        self._messages.pop(nonce, None)
        self._sizes.pop(nonce, None)
        self._answers.pop(nonce, None)
        self._signals.pop(nonce, None)


def _size(message: Text | Attachment) -> int:
    return len(message.text) if isinstance(message, Text) else len(message.content or b"")
