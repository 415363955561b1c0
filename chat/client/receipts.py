"""What became of what we sent: every frame after login is answered by exactly one frame, in order.

The answer is the frame's own echo, or a notice that refuses it.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from enum import Enum

from chat.client.runtime import Event
from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType


class Fate(Enum):
    """Of something sent. LOST: the connection ended first; it may or may not have arrived."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    LOST = "lost"


class Receipt:
    """For one message sent: what it was, and what became of it.

    ``text`` is None for an attachment, ``filename`` is None for a text; both are for a command. ``refusal`` is the
    server's sentence, ``code`` the notice's, once ``fate`` is REFUSED; ``answer`` is its sentence about a command that
    is ACCEPTED, which means done. ``is_ours``: nobody asked for it but the connection itself, and nobody is told.
    """

    def __init__(
        self,
        done: Event,
        kind: MessageType,
        *,
        text: str | None = None,
        filename: str | None = None,
        to: str | None = None,
        nonce: str | None = None,
        command: Command | None = None,
    ) -> None:
        self.is_ours = False
        self.command = command
        self.kind = kind
        self.text = text
        self.filename = filename
        self.to = to
        self.nonce = nonce
        self.fate = Fate.WAITING
        self.code: str | None = None
        self.refusal: str | None = None
        self.answer: str | None = None
        self._done = done

    def __repr__(self) -> str:
        what = self.command or self.text or self.filename
        return f"<Receipt {self.kind.name} {what!r} {self.fate.value}>"

    def wait(self, timeout: float | None = None) -> Fate:
        """Wait until its fate is known, or ``timeout`` seconds. Somebody else must be reading the connection."""
        self._done.wait(timeout)
        return self.fate

    def settle(
        self,
        fate: Fate,
        code: str | None = None,
        refusal: str | None = None,
        answer: str | None = None,
    ) -> None:
        """For the connection: the first answer counts."""
        if self.fate is Fate.WAITING:
            self.code, self.refusal, self.answer = code, refusal, answer
            self.fate = fate
            self._done.set()


class Ledger:
    """The receipts of one connection that wait for their answers.

    With nonces (``uses_nonces``, JSON logins) the answer says what it answers; without, the oldest one is meant. Its
    methods may be called by a sender and a reader at once: each does one thing that no thread can interrupt.
    """

    def __init__(self, *, uses_nonces: bool) -> None:
        self._by_nonce: dict[str, Receipt] = {}
        self._in_order: deque[Receipt] = deque()
        self._uploads: dict[str, Receipt] = {}
        self._uses_nonces = uses_nonces
        self._prefix = os.urandom(4).hex()
        self._count = itertools.count(1)

    def next_nonce(self) -> str | None:
        return f"{self._prefix}-{next(self._count)}" if self._uses_nonces else None

    def expect(self, receipt: Receipt) -> None:
        """Its frame is about to be sent. Call in the order of sending."""
        if receipt.nonce is None:
            self._in_order.append(receipt)
        else:
            self._by_nonce[receipt.nonce] = receipt

    def expect_upload(self, receipt: Receipt) -> None:
        """It is sent on another connection, which is answered too; its echo may come here at any time, or not."""
        assert receipt.nonce is not None, "there are no uploads without nonces"
        self._uploads[receipt.nonce] = receipt

    def forget(self, receipt: Receipt) -> None:
        """It could not be sent."""
        if receipt.nonce is not None:
            self._by_nonce.pop(receipt.nonce, None)
            self._uploads.pop(receipt.nonce, None)
        elif receipt in self._in_order:
            self._in_order.remove(receipt)

    def take(self, nonce: str | None) -> Receipt | None:
        """The receipt that an answer with this nonce settles."""
        if nonce is not None:
            return self._by_nonce.pop(nonce, None) or self._uploads.pop(nonce, None)
        if self._uses_nonces or not self._in_order:
            return None
        return self._in_order.popleft()

    def unanswered(self) -> list[Receipt]:
        """Oldest first: what waits for an answer, or lost it with the connection. Uploads report for themselves."""
        waiting = [*self._in_order, *self._by_nonce.values()]
        return [receipt for receipt in waiting if not receipt.is_ours]

    def is_owed(self) -> bool:
        """Return whether any frame waits for an answer."""
        return bool(self._in_order or self._by_nonce)

    def lose(self) -> None:
        """The connection has ended."""
        for receipt in self.unanswered():
            receipt.settle(Fate.LOST)
