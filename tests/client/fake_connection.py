"""A connection without a server, and a frontend without a screen, for tests of the modules between the two."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import gevent
from gevent.queue import Queue

from chat.client.connection.connection import Connection
from chat.client.connection.events import Attachment, Event, Limits
from chat.client.connection.in_flight import InFlight, Place
from chat.client.connection.receipts import Receipt, Status
from chat.client.connection.session.known_rooms import KnownRoom
from chat.client.conversation.ui_events import UiEvent
from chat.client.errors import ConnectionLost, TransferFailed
from chat.client.runtime.cancellation import Cancellation
from chat.client.runtime.gevent_runtime import GEVENT
from chat.net.address import Address
from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType

T = TypeVar("T")

NINE = datetime(2026, 1, 2, 21, 4, 5, tzinfo=timezone.utc)


class FakeConnection:
    """Answers nothing by itself: the test says what comes in, and what becomes of what is sent."""

    def __init__(self, *, original: bool = False, inline: int = 100) -> None:
        self.username = "bob"
        self.users = ["alice", "bob"]
        self.registered: list[str] = []
        self.moderators: list[str] = []
        self.rooms: dict[str, KnownRoom] = {}
        self.original = original
        self.is_private = True
        self.has_ended = False
        self.has_device = True
        self.encrypted = False
        self.lag = self.silence = 0.0
        self.address: Address | None = Address("a.example", 8080)
        self.node: str | None = None
        self.server: str | None = "chat/1"
        self.servers: tuple[Address, ...] = ()
        self.session: str | None = "token"
        self.limits = Limits(max_text=100, max_file=1000, inline=inline)
        self.most_inline = inline
        # Of a conversation, if the connection is one of a conversation's.
        self.in_flight = InFlight()
        self.sent: list[Receipt] = []
        self.told: list[Command] = []
        self.contents: list[bytes] = []  # of the files among them
        self.fetched: list[str] = []
        self.closed = False
        self.refuse_with: Exception | None = None
        self.transfers_wait = gevent.event.Event()
        self.transfers_wait.set()
        self.at_once = 0  # transfers under way
        self.most_at_once = 0
        self._incoming: Queue[Event | Exception | None] = Queue()

    @property
    def as_connection(self) -> Connection:
        return cast(Connection, self)

    # For tests

    def receive(self, event: Event) -> None:
        self._incoming.put(event)

    def lose(self, reason: str | ConnectionLost = "The line broke.") -> None:
        self.in_flight.lose()
        self.has_ended = True
        self._incoming.put(ConnectionLost(reason) if isinstance(reason, str) else reason)

    def answer(self, status: Status = Status.ACCEPTED, code: str = "", sentence: str = "") -> None:
        """Answer all messages that were sent so far."""
        for receipt in self.sent:
            receipt.settle(status, code or None, sentence or None)

    # The interface of a connection

    def __iter__(self) -> Iterator[Event]:
        while (event := self._incoming.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event

    def close(self, timeout: float = 5.0) -> None:
        if not self.closed:
            self.closed = True
            self._incoming.put(None)

    def drop(self) -> None:
        self.has_ended = True
        self.lose("The session goes on at another server.")

    def wait_ended(self, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while not self.has_ended and time.monotonic() < end:
            gevent.sleep(0.001)
        return self.has_ended

    def known_room(self, name: str | None) -> KnownRoom | None:
        room = KnownRoom(name)
        if name is None:
            room.is_listed = True
            room.users.update(dict.fromkeys(self.users))
        return room if name is None else self.rooms.get(name)

    def join(self, name: str) -> None:
        """Join a room, as a server that allows it would answer."""
        self.rooms[name] = KnownRoom(name)

    def send_text(
        self,
        text: str,
        to: str | None = None,
        *,
        room: str | None = None,
        nonce: str | None = None,
    ) -> Receipt:
        if self.refuse_with is not None:
            raise self.refuse_with
        receipt = self._receipt(MessageType.UTF8, nonce)
        receipt.text, receipt.to, receipt.room = text, to, room
        return self._send(receipt)

    def command(self, command: Command, *, nonce: str | None = None) -> Receipt:
        if self.refuse_with is not None:
            raise self.refuse_with
        receipt = self._receipt(MessageType.UTF8, nonce)
        receipt.command = command
        return self._send(receipt)

    def tell(self, command: Command) -> None:
        if self.refuse_with is not None:
            raise self.refuse_with
        self.told.append(command)

    def send_file(
        self,
        source: Any,
        *,
        kind: MessageType = MessageType.FILE,
        filename: str | None = None,
        to: str | None = None,
        room: str | None = None,
        progress: Callable[[int, int], object] | None = None,
        cancel: Cancellation | None = None,
        nonce: str | None = None,
    ) -> Receipt:
        content = source.read_bytes() if isinstance(source, Path) else source.read()
        receipt = self._receipt(kind, nonce)
        receipt.filename, receipt.to, receipt.room = filename, to, room
        is_upload = len(content) > self.limits.inline
        self._send(receipt, Place.UPLOADING if is_upload else Place.SENT)
        self.contents.append(content)
        if is_upload:
            try:
                self._transfer(cancel)
            finally:
                self.in_flight.remove(receipt)
            receipt.settle(Status.ACCEPTED)
        return receipt

    def _receipt(self, kind: MessageType, nonce: str | None) -> Receipt:
        queued = None if nonce is None else self.in_flight.find(nonce)
        return queued or Receipt(GEVENT.event(), kind, nonce=nonce)

    def _send(self, receipt: Receipt, place: Place = Place.SENT) -> Receipt:
        self.in_flight.send(receipt, place)
        self.sent.append(receipt)
        return receipt

    def fetch(
        self,
        offer: Attachment,
        *,
        directory: Path,
        progress: Callable[[int, int], object] | None = None,
        cancel: Cancellation | None = None,
    ) -> Path:
        assert offer.offer is not None
        self.fetched.append(offer.offer)
        self._transfer(cancel)
        return directory / offer.filename

    def fetch_into(self, offer: Attachment, file: BinaryIO) -> None:
        assert offer.offer is not None
        self.fetched.append(offer.offer)
        self._transfer(Cancellation())
        file.write(b"picture")

    def _transfer(self, cancel: Cancellation | None) -> None:
        assert cancel is not None
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            with cancel.calls(self.transfers_wait.set):
                self.transfers_wait.wait()
            cancel.check()
            if self.refuse_with is not None:
                raise TransferFailed(str(self.refuse_with))
        finally:
            self.at_once -= 1


class Audience:
    """A frontend that remembers the events that it was given to show."""

    def __init__(self) -> None:
        self.news: list[UiEvent] = []

    def show(self, news: UiEvent) -> None:
        self.news.append(news)

    def of(self, kind: type[T]) -> list[T]:
        return [news for news in self.news if isinstance(news, kind)]


def run_until_idle() -> None:
    """Let every greenlet that can run do so."""
    for _ in range(20):
        gevent.sleep(0)


def spawn(function: Callable[..., Any], *arguments: Any) -> gevent.Greenlet[..., Any]:
    return gevent.spawn(function, *arguments)
