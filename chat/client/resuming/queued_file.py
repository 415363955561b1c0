"""A file of the library's queue, which may be sent more than once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chat.client.connection.connection import Connection
from chat.client.connection.receipts import Receipt
from chat.client.errors import NotSent, explain
from chat.client.resuming.outgoing_queue import QueuedMessage
from chat.protocol.descriptor import MessageType


class QueuedFile(QueuedMessage):
    """A file of the queue. ``start`` is the position at which an open file stood."""

    def __init__(
        self,
        done: Any,
        kind: MessageType,
        source: Any,
        name: str | None,
        to: str | None,
        room: str | None,
        start: int,
    ) -> None:
        super().__init__(done, kind, to=to, room=room)
        self.source, self.filename = source, name
        self.start = start

    def rewind(self) -> None:
        """Let an open file be read from where it stood when it was given: it may have been sent before.

        Raises NotSent.
        """
        if isinstance(self.source, str | Path):
            return
        try:
            self.source.seek(self.start)
        except (OSError, ValueError) as error:
            raise NotSent(f"Can't read {self.filename!r} again: {explain(error)}") from None

    def send(self, connection: Connection) -> Receipt:
        """Send the file over ``connection``. Raises NotSent, TransferFailed, ConnectionLost."""
        return connection.send_file(
            self.source,
            kind=self.kind,
            filename=self.filename,
            to=self.to,
            room=self.room,
            nonce=self.nonce,
        )
