"""A connection of a client to a server in memory: the test says when bytes arrive, and when it breaks."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, TypeAlias

from chat.client.connection.events import EnteredRoom, Event, LeftRoom, Notice, Text
from chat.client.connection.in_flight import InFlight
from chat.client.connection.receipts import Receipt, Status
from chat.client.errors import ConnectionLost
from chat.client.runtime.gevent_runtime import GEVENT
from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType


class Said(NamedTuple):
    """A text on its way to the server."""

    text: str
    to: str | None
    room: str | None


Answer: TypeAlias = Text | Notice | EnteredRoom | LeftRoom


class Wire:
    """One connection. The client's frames wait in ``up`` until the server reads them; ``down`` is the other way."""

    def __init__(self, in_flight: InFlight, rooms: tuple[str, ...] = ()) -> None:
        self.has_device = True
        self.rooms = rooms  # that the login joins
        self.in_flight = in_flight
        self.up: deque[tuple[str, Said | Command]] = deque()
        self.down: deque[Event | tuple[str, Answer]] = deque()
        self.is_cut = False
        self.is_void = False  # the server has ended its session
        self.has_joined = False
        # Raised instead of sending: the process is killed before or after the bytes have left.
        self.dies_before: BaseException | None = None
        self.dies_after: BaseException | None = None

    def send_text(
        self, text: str, to: str | None, *, room: str | None = None, nonce: str
    ) -> Receipt:
        return self._send(nonce, Said(text, to, room))

    def command(self, command: Command, *, nonce: str) -> Receipt:
        return self._send(nonce, command)

    def _send(self, nonce: str, frame: Said | Command) -> Receipt:
        if self.dies_before is not None:
            raise self.dies_before
        receipt = self.in_flight.receipt(GEVENT.event, MessageType.UTF8, nonce)
        self.in_flight.send(receipt)
        if self.is_cut:
            self.in_flight.requeue(receipt)
            raise ConnectionLost("The line broke.")
        self.up.append((nonce, frame))
        if self.dies_after is not None:
            raise self.dies_after
        return receipt

    def deliver(self, event: Event | tuple[str, Answer]) -> None:
        """Send an event to the client, or the answer to a nonce; nothing follows what a cut has lost."""
        if not self.is_cut:
            self.down.append(event)

    def receive(self) -> Event:
        """Return the next event, and settle the receipt that it answers."""
        event = self.down.popleft()
        if not isinstance(event, tuple):
            return event
        nonce, answer = event
        receipt = self.in_flight.answered(nonce)
        if receipt is None:
            return answer
        is_refused = isinstance(answer, Notice) and answer.code != "done"
        receipt.settle(Status.REFUSED if is_refused else Status.ACCEPTED)
        return type(answer)(**{**vars(answer), "receipt": receipt})
