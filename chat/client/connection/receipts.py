"""Receipts of sent messages. The server answers every frame after the login with exactly one frame.

The answer is the echo of the frame, or a notice that refuses the frame.
"""

from __future__ import annotations

import base64
import os
import warnings
from enum import Enum

from chat.client.runtime.runtime import Event
from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType

NONCE_BYTES = 12  # 96 random bits, so no two messages ever get the same nonce


class Status(Enum):
    """The status of a message. LOST: the connection ended before the answer, so the message may have arrived or not."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    LOST = "lost"


def new_nonce() -> str:
    """Make the nonce of one message: 16 characters of ``[A-Za-z0-9_-]``."""
    # ``secrets`` makes such texts too, but loads hmac, hashlib and OpenSSL.
    return base64.urlsafe_b64encode(os.urandom(NONCE_BYTES)).decode()


class Receipt:
    """The handle of one message, with its status and its answer.

    ``text`` is None for an attachment, ``filename`` is None for a text; both are None for a command. ``to`` is a user,
    ``room`` the name of a room, as the program wrote it; both are None for a message to the default room. ``refusal``
    is the server's sentence and ``code`` the notice's code, once ``status`` is REFUSED. ``answer`` is the server's
    sentence about a command that is ACCEPTED, which means executed; empty for ``join``. ``nonce`` identifies the
    message. A message that is sent again over another connection keeps its nonce. An original server never sees the
    nonce.
    """

    # Whether InFlight keeps the receipt when the answer comes, until a queue removes it.
    is_held = False
    # Whether the message is to be sent again over the next connection if this connection is lost.
    is_sent_again = False
    # Nobody can find out whether the message was said. So its content goes on only if the server has a part of it:
    # then the message was not said.
    only_goes_on = False

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
        room: str | None = None,
    ) -> None:
        self.is_ours = False  # a ping of the connection; the user does not see its answer
        self.command = command
        self.kind = kind
        self.text = text
        self.filename = filename
        self.to = to
        self.room = room
        self.nonce = nonce if nonce is not None else new_nonce()
        self.status = Status.WAITING
        self.code: str | None = None
        self.refusal: str | None = None
        self.answer: str | None = None
        self._done = done

    def __repr__(self) -> str:
        what = self.command or self.text or self.filename
        return f"<Receipt {self.kind.name} {what!r} {self.status.value}>"

    @property
    def fate(self) -> Status:
        """Return ``status``. Deprecated."""
        warnings.warn("Receipt.fate is now Receipt.status", DeprecationWarning, stacklevel=2)
        return self.status

    def wait(self, timeout: float | None = None) -> Status:
        """Wait for the final status, at most ``timeout`` seconds. Another task must be reading the connection."""
        self._done.wait(timeout)
        return self.status

    def settle(
        self,
        status: Status,
        code: str | None = None,
        refusal: str | None = None,
        answer: str | None = None,
    ) -> None:
        """Set the final status. Only the first call counts. For the connection."""
        if self.status is Status.WAITING:
            self.code, self.refusal, self.answer = code, refusal, answer
            self.status = status
            self._done.set()
