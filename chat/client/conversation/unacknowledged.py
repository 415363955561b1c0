"""The program's queue of outgoing messages. The queue outlives the connection over which a message was first sent.

The queue is bounded: ``put`` waits while the queue is full. So the client reads its input no faster than the server
takes the messages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

from gevent.event import Event

from chat.client.connection.in_flight import InFlight, Place
from chat.client.connection.receipts import Receipt, Status
from chat.client.conversation.requests import AskServer, Say, SendFile
from chat.client.conversation.ui_events import Tag
from chat.client.runtime.gevent_runtime import GEVENT
from chat.protocol.descriptor import MessageType

MAX_WAITING = 1000  # messages
MAX_WAITING_BYTES = 1024 * 1024  # of text
_NOT_GIVEN = "The connection was lost before the command was sent, so nothing was done."
# Messages that are sent and not answered. After a lost connection they are sent again.
MAX_IN_FLIGHT = 256


class Outgoing(Receipt):
    """A message of the queue. It is also its receipt, on every connection over which it is sent."""

    is_held = True

    def __init__(self, request: Say | SendFile | AskServer, tag: Tag = None) -> None:
        kind = request.kind if isinstance(request, SendFile) else MessageType.UTF8
        super().__init__(GEVENT.event(), kind)
        self.request = request
        self.tag = tag
        # If the answer to a command is lost, the server may have executed it. Repeating it could surprise the user.
        self.is_sent_again = not isinstance(request, AskServer)

    @property
    def size(self) -> int:
        """Characters of the text, for the limit of the queue."""
        return len(self.request.text) if isinstance(self.request, Say) else 0


# Sends one message and returns its receipt. None: the message is finished here, since it was refused or handed to a
# transfer. Raises ConnectionLost.
Send: TypeAlias = Callable[[Outgoing], "Receipt | None"]


class Unacknowledged:
    """The queue. ``answered`` is called with each message, in order, once its final status is known.

    ``in_flight`` is the table of these messages. Each connection of the program gets it.
    """

    def __init__(self, answered: Callable[[Outgoing], object]) -> None:
        self.in_flight = InFlight()
        self._answered = answered
        self._waiting_bytes = 0
        self._telling = 0
        self._changed = Event()

    def put(self, message: Outgoing) -> None:
        """Wait for room in the queue, and append the message."""
        self._wait_until(self._has_room)
        self.in_flight.queue(message)
        self._waiting_bytes += message.size
        self._tell()

    def send_all(self, send: Send) -> None:
        """Send the queued messages and those that follow, in order, until killed. Raises ConnectionLost."""
        table = self.in_flight
        while True:
            self._wait_until(self._may_send)
            message = cast(Outgoing, table.first_held(Place.QUEUED))
            if send(message) is None:
                table.remove(message)
            self._waiting_bytes -= message.size
            self._tell()

    def tell_answers(self) -> None:
        """Call ``answered`` with the newly answered messages, in order."""
        while (message := self._first_sent()) is not None and message.status is not Status.WAITING:
            self._tell_answer(message)

    def connection_ended(self) -> None:
        """Queue unanswered messages again, before the others. Call once nothing is being sent any more.

        A command is not sent over the next connection: its status becomes LOST, or REFUSED if it was not sent at all.
        """
        self.in_flight.lose()
        for message in self.in_flight.at(Place.SENT):
            if not message.is_held:
                self.in_flight.remove(message)  # the transfer that sent it knows its status
        self.tell_answers()
        for command in cast("list[Outgoing]", self.in_flight.at(Place.QUEUED)):
            if not command.is_sent_again:
                # Much later, a ban or a kick would surprise everyone.
                command.settle(Status.REFUSED, "not-sent", _NOT_GIVEN)
                self._tell_answer(command)
        queued = cast("list[Outgoing]", self.in_flight.at(Place.QUEUED))
        self._waiting_bytes = sum(message.size for message in queued)
        self._tell()

    def _first_sent(self) -> Outgoing | None:
        return cast("Outgoing | None", self.in_flight.first_held(Place.SENT))

    def _tell_answer(self, message: Outgoing) -> None:
        # Showing the answer may wait. Until the answer is shown, the queue must not count as empty.
        self._telling += 1
        self.in_flight.remove(message)
        try:
            self._answered(message)
        finally:
            self._telling -= 1
            self._tell()

    @property
    def is_empty(self) -> bool:
        """Whether every message is answered, and every answer shown.

        The table may have other messages: a packed directory that turned out small is sent by its transfer.
        """
        is_queued = self.in_flight.count(Place.QUEUED) > 0
        return not is_queued and self._first_sent() is None and not self._telling

    def __len__(self) -> int:
        sent = sum(message.is_held for message in self.in_flight.at(Place.SENT))
        return self.in_flight.count(Place.QUEUED) + sent

    def wait_empty(self) -> None:
        """Wait until every message is answered, and every answer shown."""
        self._wait_until(lambda: self.is_empty)

    def wait_progress(self, timeout: float) -> bool:
        """Wait until anything changes; return False if nothing did for ``timeout`` seconds."""
        return bool(self._changed.wait(timeout))

    def _has_room(self) -> bool:
        waiting = self.in_flight.count(Place.QUEUED)
        return waiting < MAX_WAITING and self._waiting_bytes < MAX_WAITING_BYTES

    def _may_send(self) -> bool:
        table = self.in_flight
        return table.count(Place.QUEUED) > 0 and table.count(Place.SENT) < MAX_IN_FLIGHT

    def _tell(self) -> None:
        # A new event for each change: an event that is set and cleared before its waiters run wakes none of them.
        changed, self._changed = self._changed, Event()
        changed.set()

    def _wait_until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            self._changed.wait()
