"""Downloads at work, over a connection that the test holds the other end of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent

from chat.client.connection.events import Attachment
from chat.client.conversation.downloads import Downloads
from chat.client.conversation.inbox import Inbox
from chat.client.conversation.transfer_list import Transfer, TransferList, TransferState
from chat.protocol.descriptor import MessageType
from tests.client.fake_connection import NINE, Audience, FakeConnection, spawn

MAX_SAVE = 500
FILE, IMAGE = MessageType.FILE, MessageType.IMAGE
RUNNING, FAILED, DONE = TransferState.RUNNING, TransferState.FAILED, TransferState.DONE
OFFERED = TransferState.OFFERED


class Desk:
    """Downloads at work. ``named`` is the directory that the user named."""

    def __init__(self, named: Path | None = Path("in")) -> None:
        self.audience = Audience()
        self.connection = FakeConnection()
        self.transfers = TransferList()
        self.told: list[tuple[int, TransferState]] = []
        self.inbox = Inbox(named, MAX_SAVE)
        self.downloads = Downloads(
            self.transfers,
            self.audience,
            self._tell,
            self.inbox,
            spawn,
            is_wanted=lambda sender: sender != "mallory",
            is_looked_at=lambda image: True,
        )

    def _tell(self, transfer: Transfer) -> None:
        self.told.append((transfer.number, transfer.state))

    def take(self, kind: MessageType = FILE, **values: Any) -> None:
        fields = {"filename": "a.txt", "size": 10, **values}
        sender = fields.pop("sender", "alice")
        attachment = Attachment(kind, sender, NINE, **fields)
        self.downloads.add_attachment(attachment, self.connection.as_connection)

    def take_content(self, content: bytes, kind: MessageType = FILE, **values: Any) -> None:
        """Take a content that came with its message."""
        assert self.inbox.saver is not None
        saving = self.inbox.saver.save("a.txt", content)
        self.take(kind, size=len(content), content=content, saving=saving, **values)

    def get(self, number: int, tag: str | None = None) -> None:
        self.downloads.get(number, self.connection.as_connection, tag)


def wait_until(condition: Callable[[], object]) -> None:
    """Disks are waited for in threads, which take what they take."""
    with gevent.Timeout(20):
        while not condition():
            gevent.sleep(0.001)
