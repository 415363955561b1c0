"""The one table of messages without an answer, by nonce.

Each connection of the library has its own table. The program's queue of outgoing messages instead hands one table to
each of its connections in turn. So a message that is sent again keeps its receipt and its nonce.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from enum import Enum, auto
from itertools import islice
from threading import Lock

from chat.client.connection.receipts import Receipt, Status
from chat.client.runtime.runtime import Event
from chat.protocol.descriptor import MessageType
from chat.protocol.headers import NONCE


class Place(Enum):
    """Where a message is."""

    QUEUED = auto()  # waits to be sent
    SENT = auto()  # sent on the connection, in this order
    # Sent on a transfer connection, which brings the answer. The echo comes on the room's connection: sooner, later, or
    # never.
    UPLOADING = auto()
    PING = auto()  # a ping that the connection itself sent
    # Sent on a connection that was lost before the answer: nobody knows yet whether it was said.
    IN_QUESTION = auto()


_ON_THE_WIRE = (Place.SENT, Place.UPLOADING, Place.PING)
# Nonces of given up messages that are remembered: their echo may still come, soon.
_MAX_GIVEN_UP = 256


class InFlight:
    """Receipts by nonce, in order.

    A sender and a reader may call the methods from two threads. The lock is a thread lock, also under gevent: no
    greenlet switches while it holds the lock.
    """

    def __init__(self) -> None:
        # Not plain dicts: after many removals at its head, a dict takes long to find its first entry.
        self._places: dict[Place, OrderedDict[str, Receipt]] = {
            place: OrderedDict() for place in Place
        }
        self._given_up: deque[str] = deque(maxlen=_MAX_GIVEN_UP)
        self._lock = Lock()

    # Sending

    def queue(self, receipt: Receipt) -> None:
        """Append a message to the queue. Raises ValueError if its nonce is in use."""
        with self._lock:
            self._enter(receipt, Place.QUEUED)

    def find(self, nonce: str) -> Receipt | None:
        """Return the message with this nonce, or None."""
        with self._lock:
            place = self._place_of(nonce)
            return None if place is None else self._places[place][nonce]

    def receipt(
        self, event: Callable[[], Event], kind: MessageType, nonce: str | None = None
    ) -> Receipt:
        """Return the receipt of the queued message with this nonce, or make one with an event from ``event``.

        Raises ValueError for a nonce that a server would refuse.
        """
        if nonce is None:
            return Receipt(event(), kind)
        if not NONCE.fullmatch(nonce):
            raise ValueError(
                f"invalid nonce {nonce!r}: expected 1 to 64 of A-Z, a-z, 0-9, '_' and '-'"
            )
        queued = self.find(nonce)
        return (
            queued if queued is not None and queued.is_held else Receipt(event(), kind, nonce=nonce)
        )

    def first_held(self, place: Place) -> Receipt | None:
        """Return the oldest message at ``place`` that a queue holds, or None."""
        if not self._places[place]:
            return None  # as nearly always when others talk
        with self._lock:
            return next((one for one in self._places[place].values() if one.is_held), None)

    def first(self, place: Place, count: int) -> list[Receipt]:
        """Return the ``count`` oldest messages at ``place``, or fewer."""
        with self._lock:
            return list(islice(self._places[place].values(), count))

    def send(self, receipt: Receipt, place: Place = Place.SENT) -> None:
        """Record that a message is about to be sent. Call in the order of sending.

        Raises ValueError if another message has its nonce.
        """
        with self._lock:
            if self._places[Place.QUEUED].get(receipt.nonce) is receipt:
                del self._places[Place.QUEUED][receipt.nonce]
            self._enter(receipt, place)

    def requeue(self, receipt: Receipt) -> None:
        """Return an unsent message to the head of the queue; drop a message that no queue holds."""
        with self._lock:
            place = self._place_of(receipt.nonce)
            if place is None or place is Place.QUEUED or not _is_waiting(receipt):
                return
            del self._places[place][receipt.nonce]
            if receipt.is_held:
                self._put_first(receipt)
            else:
                self._given_up.append(receipt.nonce)

    def remove(self, receipt: Receipt) -> None:
        """Remove a message from any place."""
        with self._lock:
            place = self._place_of(receipt.nonce)
            if place is not None and self._places[place][receipt.nonce] is receipt:
                del self._places[place][receipt.nonce]
                if _is_waiting(receipt):
                    self._given_up.append(receipt.nonce)

    # Answers

    def answered(self, nonce: str) -> Receipt | None:
        """Return the receipt that an answer with this nonce settles; None if no message waits for this answer."""
        with self._lock:
            for place in _ON_THE_WIRE:
                receipt = self._places[place].get(nonce)
                # The echo of an upload may come after the answer on the transfer connection has settled the receipt.
                is_expected = place is Place.UPLOADING or _is_waiting(receipt)
                if receipt is not None and is_expected:
                    return self._let_go(receipt, place)
            return None

    def oldest_answered(self) -> Receipt | None:
        """Return the receipt that an answer without a nonce settles: an original server answers in order."""
        with self._lock:
            for receipt in self._places[Place.SENT].values():
                if _is_waiting(receipt):
                    return self._let_go(receipt, Place.SENT)
            return None

    def lose(self) -> None:
        """Record the end of the connection: sent messages are in question, or become LOST.

        Uploads stay: their transfer connections may still answer.
        """
        with self._lock:
            sent = self._places[Place.SENT]
            waiting = [one for one in sent.values() if _is_waiting(one)]
            for receipt in waiting:
                if receipt.is_sent_again:
                    del sent[receipt.nonce]
                    self._places[Place.IN_QUESTION][receipt.nonce] = receipt
            lost = [receipt for receipt in waiting if not receipt.is_sent_again]
            lost += self._places[Place.PING].values()
            self._places[Place.PING].clear()
            uploads = self._places[Place.UPLOADING]
            for receipt in [upload for upload in uploads.values() if not _is_waiting(upload)]:
                del uploads[receipt.nonce]  # settled, and its echo can't come any more
        for receipt in lost:
            receipt.settle(Status.LOST)

    def question(self, receipt: Receipt) -> None:
        """Add a message that was sent earlier, so nobody knows whether it was said. Raises ValueError as ``queue``."""
        with self._lock:
            self._enter(receipt, Place.IN_QUESTION)

    def say_again(self, nonces: Collection[str]) -> None:
        """Put messages in question that were not said at the head of the queue, in their order."""
        with self._lock:
            questioned = self._places[Place.IN_QUESTION]
            for nonce in reversed([nonce for nonce in questioned if nonce in nonces]):
                self._put_first(questioned.pop(nonce))

    # Questions

    def count(self, place: Place) -> int:
        """Return the number of messages at ``place``."""
        return len(self._places[place])

    def at(self, place: Place) -> list[Receipt]:
        """Return the messages at ``place``, oldest first. After ``lose``, the messages at SENT have the status LOST."""
        with self._lock:
            return list(self._places[place].values())

    def was_given_up(self, nonce: str | None) -> bool:
        """Return whether the message with this nonce left the table without an answer, such as a cancelled upload."""
        with self._lock:
            return nonce in self._given_up

    def is_owed(self) -> bool:
        """Return whether the server owes an answer on the connection."""
        with self._lock:
            sent = self._places[Place.SENT].values()
            return bool(self._places[Place.PING]) or any(map(_is_waiting, sent))

    # With the lock held

    def _place_of(self, nonce: str) -> Place | None:
        return next((place for place, there in self._places.items() if nonce in there), None)

    def _enter(self, receipt: Receipt, place: Place) -> None:
        if self._place_of(receipt.nonce) is not None:
            raise ValueError(
                f"the nonce {receipt.nonce!r} belongs to a message that is not answered yet"
            )
        self._places[place][receipt.nonce] = receipt

    def _put_first(self, receipt: Receipt) -> None:
        queued = self._places[Place.QUEUED]
        queued[receipt.nonce] = receipt
        queued.move_to_end(receipt.nonce, last=False)

    def _let_go(self, receipt: Receipt, place: Place) -> Receipt:
        if not receipt.is_held:
            del self._places[place][receipt.nonce]
        return receipt


def _is_waiting(receipt: Receipt | None) -> bool:
    return receipt is not None and receipt.status is Status.WAITING
