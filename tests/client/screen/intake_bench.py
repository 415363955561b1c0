"""A model, an intake, and what comes in."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from chat.client.connection.events import Attachment, Text, Welcome
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import (
    UiEvent,
)
from chat.client.screen.draw.bars import status_line
from chat.client.screen.draw.lines import entry_lines
from chat.client.screen.model.entries import Entry
from chat.client.screen.model.model import Model
from chat.client.screen.model.views import View
from chat.client.screen.text.spans import text_of
from chat.client.screen.updates.message_updates import Alert
from chat.client.screen.updates.model_updates import ModelUpdater
from chat.protocol.descriptor import MessageType

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)


def shown_status(model: Model) -> str:
    return text_of(status_line(model, 80)).rstrip()


class Bench:
    """A model, and what comes in."""

    def __init__(self) -> None:
        self.model = Model("chat.example:8080", "bob")
        self._intake = ModelUpdater(self.model)
        self.take(Welcome("bob", NINE, ("alice", "bob", "carol")))
        self.model.default.clear()

    def take(self, *news: UiEvent, at: float = 0) -> list[Alert | None]:
        return [self._intake.update(one, NINE + timedelta(seconds=at)) for one in news]

    def lines(self, view: View | None = None) -> list[str]:
        """Without the times."""
        return [
            text_of(line).removeprefix("<21:04:05> ")
            for entry in (view or self.model.default).entries
            for line in entry_lines(entry)
        ]

    @property
    def last(self) -> Entry:
        return self.model.default.entries[-1]


def text(words: str = "hello", to: str | None = None, sender: str = "alice") -> Text:
    return Text(sender, NINE, words, to, own=sender == "bob")


def file(to: str | None = None, sender: str = "alice") -> Attachment:
    return Attachment(MessageType.FILE, sender, NINE, "a.txt", 100, to, own=sender == "bob")


def download(state: TransferState = TransferState.RUNNING, number: int = 3) -> Transfer:
    return Transfer(number, MessageType.FILE, "a.txt", 100, peer="alice", state=state)


def upload(tag: int) -> Transfer:
    return Transfer(
        4, MessageType.FILE, "a.txt", 100, outgoing=True, state=TransferState.RUNNING, tag=tag
    )
