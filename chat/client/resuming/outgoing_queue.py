"""The queue of outgoing messages. It outlives the connection over which a message was first sent.

The queue is bounded: ``put`` waits while it is full. So a program reads its input no faster than the server takes the
messages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from threading import Lock
from typing import Any, TypeAlias, cast

from chat.client.connection.in_flight import InFlight, Place
from chat.client.connection.receipts import Receipt, Status
from chat.client.runtime.runtime import Event, Runtime
from chat.client.state.places import LogKey, log_of
from chat.client.state.unanswered_line import FirstSending, UnansweredLine
from chat.protocol.descriptor import MessageType

MAX_WAITING = 1000  # messages
MAX_WAITING_BYTES = 1024 * 1024  # of text
# Messages that are sent and not answered. After a lost connection they are in question.
MAX_IN_FLIGHT = 256
# Messages that are sent together, after one write to the state file.
_BATCH = 64
_NOT_GIVEN = "The connection was lost before the command was sent, so nothing was done."


class QueuedMessage(Receipt):
    """A message of the queue. It is also its receipt, on every connection over which it is sent.

    ``first`` is where its log was before the message was first sent; None until then.
    """

    is_held = True
    # The mark by which a frontend recognizes what becomes of the message.
    tag: str | int | None = None
    # If the answer to a command is lost, the server may have executed it. Repeating it could surprise the user.
    is_sent_again = True

    def __init__(
        self,
        done: Event,
        kind: MessageType = MessageType.UTF8,
        *,
        text: str | None = None,
        to: str | None = None,
        nonce: str | None = None,
        sent_at: datetime | None = None,
        room: str | None = None,
    ) -> None:
        super().__init__(done, kind, text=text, to=to, nonce=nonce, room=room)
        self.sent_at = sent_at or datetime.now(timezone.utc)
        self.first: FirstSending | None = None

    @property
    def log(self) -> LogKey:
        """The log that the message belongs to."""
        return log_of(self.to, self.room)

    @property
    def size(self) -> int:
        """Characters of the text, for the limit of the queue."""
        return len(self.text) if self.text is not None else 0

    @property
    def is_upload(self) -> bool:
        """Whether the content goes over a transfer connection."""
        return False

    @property
    def line(self) -> UnansweredLine | None:
        """The line to remember over a restart of the client; None for an attachment or a command."""
        if self.text is None or self.command is not None or not self.is_sent_again:
            return None
        return UnansweredLine(
            self.nonce, self.text, self.to, self.sent_at, self.first, room=self.room
        )


def message_of(line: UnansweredLine, done: Event) -> QueuedMessage:
    """Return a line that an earlier run of the client left as a message."""
    return QueuedMessage(
        done,
        text=line.text,
        to=line.to,
        nonce=line.nonce,
        sent_at=line.sent_at,
        room=line.room,
    )


# Sends one message and returns its receipt. None: the message is finished here, since it was refused or handed to a
# transfer. Raises ConnectionLost.
Send: TypeAlias = Callable[[Any], "Receipt | None"]


class OutgoingQueue:
    """The queue. ``answered`` is called with each message, in order, once its final status is known.

    ``in_flight`` is the table of these messages. Each connection of the user gets it.
    """

    def __init__(self, runtime: Runtime, answered: Callable[[Any], object]) -> None:
        self.in_flight = InFlight()
        self._runtime = runtime
        self._answered = answered
        self._counts_lock = Lock()
        self._waiting_tasks = 0
        self._waiting_bytes = 0
        self._telling = 0
        self._decided: list[QueuedMessage] = []  # whose outcome is not told yet
        self._changed = runtime.event()

    def wait_for_room(self) -> None:
        """Wait until the queue takes a further message."""
        self._wait_until(lambda: self.has_room)

    def put(
        self,
        message: QueuedMessage,
        *,
        keep: Callable[[], object] = lambda: None,
        waits: bool = True,
    ) -> None:
        """Wait for room in the queue, and append the message. ``keep`` is called before anyone can send it."""
        if waits:
            self.wait_for_room()
        keep()
        self.restore(message)

    def restore(self, message: QueuedMessage) -> None:
        """Append a message, even if the queue is full: sent ones are in question, others wait to be sent."""
        if message.first is not None:
            self.in_flight.question(message)
        else:
            self.in_flight.queue(message)
            self._count_size(message.size)
        self.wake()

    def wait_to_send(self, is_urgent: Callable[[], bool], may_speak: Callable[[], bool]) -> None:
        """Wait until there is something to do: ``is_urgent``, or a message that may be sent."""
        self._wait_until(lambda: is_urgent() or (may_speak() and self._may_send()))

    def next_batch(self) -> list[Any]:
        """Return the messages that may be sent now, in order: the first ones of the queue."""
        free = MAX_IN_FLIGHT - self.in_flight.count(Place.SENT)
        return self.in_flight.first(Place.QUEUED, max(0, min(free, _BATCH)))

    def send(self, message: QueuedMessage, send: Send) -> bool:
        """Send one message of the batch; return whether it awaits its answer in the queue. Raises ConnectionLost."""
        is_awaited = send(message) is not None
        if not is_awaited:
            self.in_flight.remove(message)
        self._count_size(-message.size)
        self.wake()
        return is_awaited

    def tell_answers(self) -> None:
        """Call ``answered`` with the newly answered and decided messages, in order."""
        while self._decided:
            decided = self._decided.pop(0)
            self._telling -= 1
            self._tell_answer(decided)
        while (message := self._first_sent()) is not None and message.status is not Status.WAITING:
            self._tell_answer(message)

    def connection_ended(self) -> None:
        """Put unanswered messages in question. Call once nothing is being sent any more.

        A command is not sent over the next connection: its status becomes LOST, or REFUSED if it was not sent at all.
        """
        self.in_flight.lose()
        for message in self.in_flight.at(Place.SENT):
            if not message.is_held:
                self.in_flight.remove(message)  # the transfer that sent it knows its status
        self.tell_answers()
        for command in self._at(Place.QUEUED):
            if not command.is_sent_again:
                # Much later, a ban or a kick would surprise everyone.
                command.settle(Status.REFUSED, "not-sent", _NOT_GIVEN)
                self._tell_answer(command)
        self._count_bytes()

    # Verdicts about messages in question

    def questioned(self) -> list[QueuedMessage]:
        """Return the messages in question, in the order of their sending."""
        return self._at(Place.IN_QUESTION)

    def say_again(self, nonces: Collection[str]) -> None:
        """Send these messages in question again, before all others: they were not said."""
        self.in_flight.say_again(nonces)
        self._count_bytes()

    def decide(self, nonce: str, status: Status, reason: str | None = None) -> QueuedMessage | None:
        """Settle a message wherever it is, without an answer of the server; return it, or None if it is unknown.

        ``tell_answers`` tells of it, so that a frontend can be shown first which line it is.
        ``reason`` is a sentence for a message that is LOST.
        """
        message = self.in_flight.find(nonce)
        if not isinstance(message, QueuedMessage):
            return None
        message.settle(status, refusal=reason)
        self.in_flight.remove(message)
        self._decided.append(message)
        self._telling += 1
        self._count_bytes()
        return message

    # Waiting

    @property
    def has_room(self) -> bool:
        """Whether ``put`` would append a message at once."""
        return self._waiting < MAX_WAITING and self._waiting_bytes < MAX_WAITING_BYTES

    @property
    def waits(self) -> bool:
        """Whether a message waits to be sent, or to be decided."""
        return self._waiting > 0

    def oldest_sent(self) -> QueuedMessage | None:
        """Return the oldest message that was sent and has no answer, or None."""
        sent = (each for each in self._at(Place.SENT) if each.is_held)
        return next((each for each in sent if each.status is Status.WAITING), None)

    def unanswered(self) -> list[QueuedMessage]:
        """Return the messages that are not answered yet: first those that were sent."""
        places = (Place.IN_QUESTION, Place.SENT, Place.QUEUED)
        return [each for place in places for each in self._at(place) if each.is_held]

    @property
    def is_empty(self) -> bool:
        """Whether every message is answered, and every answer shown.

        The table may have other messages: a packed directory that turned out small is sent by its transfer.
        """
        return not self.waits and self._first_sent() is None and not self._telling

    def __len__(self) -> int:
        sent = sum(message.is_held for message in self.in_flight.at(Place.SENT))
        return self._waiting + sent

    def wait_empty(self) -> None:
        """Wait until every message is answered, and every answer shown."""
        self._wait_until(lambda: self.is_empty)

    def wait_progress(self, timeout: float) -> bool:
        """Wait until anything changes; return False if nothing did for ``timeout`` seconds."""
        with self._as_waiting():
            return bool(self._changed.wait(timeout))

    def wake(self) -> None:
        """Let all tasks that wait look again."""
        if not self._waiting_tasks:
            return
        # A new event for each change: an event that is set and cleared before its waiters run wakes none of them.
        changed, self._changed = self._changed, self._runtime.event()
        changed.set()

    @property
    def _waiting(self) -> int:
        """The number of messages that wait to be sent, or to be decided."""
        return self.in_flight.count(Place.QUEUED) + self.in_flight.count(Place.IN_QUESTION)

    def _at(self, place: Place) -> list[QueuedMessage]:
        return cast("list[QueuedMessage]", self.in_flight.at(place))

    def _first_sent(self) -> QueuedMessage | None:
        return cast("QueuedMessage | None", self.in_flight.first_held(Place.SENT))

    def _tell_answer(self, message: QueuedMessage) -> None:
        # Showing the answer may wait. Until the answer is shown, the queue must not count as empty.
        self._telling += 1
        self.in_flight.remove(message)
        try:
            self._answered(message)
        finally:
            self._telling -= 1
            self.wake()

    def _may_send(self) -> bool:
        table = self.in_flight
        return table.count(Place.QUEUED) > 0 and table.count(Place.SENT) < MAX_IN_FLIGHT

    def _count_bytes(self) -> None:
        with self._counts_lock:
            self._waiting_bytes = sum(message.size for message in self._at(Place.QUEUED))
        self.wake()

    def _count_size(self, size: int) -> None:
        with self._counts_lock:
            self._waiting_bytes += size

    def _wait_until(self, condition: Callable[[], Any]) -> None:
        if condition():
            return
        with self._as_waiting():
            while True:
                # Taken before the look: in another thread, a change between the look and the wait must not be missed.
                changed = self._changed
                if condition():
                    return
                changed.wait()

    @contextmanager
    def _as_waiting(self) -> Iterator[None]:
        """Count this task among those that ``wake`` must wake."""
        with self._counts_lock:
            self._waiting_tasks += 1
        try:
            yield
        finally:
            with self._counts_lock:
                self._waiting_tasks -= 1
