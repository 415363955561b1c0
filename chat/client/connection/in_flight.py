"""The one table of messages that are not answered yet, by nonce.

A library connection has a table of its own. The program's queue of outgoing messages hands its table to each of its
connections in turn: so a message keeps its receipt, and with it its nonce, when it is sent again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from threading import Lock

from chat.client.connection.receipts import Receipt, Status
from chat.client.runtime.runtime import Event
from chat.protocol.descriptor import MessageType
from chat.protocol.headers import NONCE


class Place(Enum):
    """Where a message of the table is."""

    QUEUED = auto()  # it waits to be sent
    SENT = auto()  # on the connection, in the order of sending
    UPLOADING = (
        auto()
    )  # on a connection of its own, which answers it; its echo may come first, or never
    PING = auto()  # sent on the connection by the connection itself


_ON_THE_WIRE = (Place.SENT, Place.UPLOADING, Place.PING)


class InFlight:
    """Receipts by nonce, in order.

    A sender and a reader may call the methods from two threads. The lock is one of threads also under gevent: no
    greenlet switches while one holds it.
    """

    def __init__(self) -> None:
        # Ordered, as the first one of a plain dict takes longer to find the more have been removed before it.
        self._places: dict[Place, OrderedDict[str, Receipt]] = {
            place: OrderedDict() for place in Place
        }
        self._lock = Lock()

    # Sending

    def queue(self, receipt: Receipt) -> None:
        """Append a message to those that wait to be sent. Raises ValueError if its nonce is in use."""
        with self._lock:
            self._enter(receipt, Place.QUEUED)

    def find(self, nonce: str) -> Receipt | None:
        """Return the message with this nonce."""
        with self._lock:
            place = self._place_of(nonce)
            return None if place is None else self._places[place][nonce]

    def receipt(
        self, event: Callable[[], Event], kind: MessageType, nonce: str | None = None
    ) -> Receipt:
        """Return the receipt of the queued message with this nonce, or make one, on an event from ``event``.

        Raises ValueError for a nonce that no server takes.
        """
        if nonce is None:
            return Receipt(event(), kind)
        if not NONCE.fullmatch(nonce):
            raise ValueError(f"{nonce!r} is not a nonce: 1 to 64 of A-Z, a-z, 0-9, '_' and '-'")
        queued = self.find(nonce)
        return (
            queued if queued is not None and queued.is_held else Receipt(event(), kind, nonce=nonce)
        )

    def first(self, place: Place) -> Receipt | None:
        """Return the oldest message at ``place``."""
        with self._lock:
            return next(iter(self._places[place].values()), None)

    def send(self, receipt: Receipt, place: Place = Place.SENT) -> None:
        """Note that a message is about to be sent. Call in the order of sending.

        Raises ValueError if another message has its nonce.
        """
        with self._lock:
            if self._places[Place.QUEUED].get(receipt.nonce) is receipt:
                del self._places[Place.QUEUED][receipt.nonce]
            self._enter(receipt, place)

    def requeue(self, receipt: Receipt) -> None:
        """Note that a message could not be sent: back to the head of the queue if it was there, else away with it."""
        with self._lock:
            place = self._place_of(receipt.nonce)
            if place is None or place is Place.QUEUED or not _is_waiting(receipt):
                return
            del self._places[place][receipt.nonce]
            if receipt.is_held:
                self._put_first(receipt)

    def remove(self, receipt: Receipt) -> None:
        """Remove a message, wherever it is."""
        with self._lock:
            place = self._place_of(receipt.nonce)
            if place is not None and self._places[place][receipt.nonce] is receipt:
                del self._places[place][receipt.nonce]

    # Answers

    def answered(self, nonce: str) -> Receipt | None:
        """Return the receipt that an answer with this nonce settles; None if no message waits for it."""
        with self._lock:
            for place in _ON_THE_WIRE:
                receipt = self._places[place].get(nonce)
                # The echo of an upload may come after the answer to the upload.
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
        """The connection has ended: messages that were sent wait again, before the others, or are LOST.

        Uploads report for themselves.
        """
        with self._lock:
            sent = self._places[Place.SENT]
            waiting = [one for one in sent.values() if _is_waiting(one)]
            for receipt in reversed(waiting):
                if receipt.is_sent_again:
                    del sent[receipt.nonce]
                    self._put_first(receipt)
            lost = [receipt for receipt in waiting if not receipt.is_sent_again]
            lost += self._places[Place.PING].values()
            self._places[Place.PING].clear()
            uploads = self._places[Place.UPLOADING]
            for receipt in [upload for upload in uploads.values() if not _is_waiting(upload)]:
                del uploads[receipt.nonce]  # its echo can't come any more
        for receipt in lost:
            receipt.settle(Status.LOST)

    # What there is

    def count(self, place: Place) -> int:
        return len(self._places[place])

    def at(self, place: Place) -> list[Receipt]:
        """Return the messages at ``place``, oldest first. After ``lose``, those SENT are those that are LOST."""
        with self._lock:
            return list(self._places[place].values())

    def is_owed(self) -> bool:
        """Return whether the connection owes an answer to any frame."""
        with self._lock:
            sent = self._places[Place.SENT].values()
            return bool(self._places[Place.PING]) or any(map(_is_waiting, sent))

    # With the lock held

    def _place_of(self, nonce: str) -> Place | None:
        return next((place for place, there in self._places.items() if nonce in there), None)

    def _enter(self, receipt: Receipt, place: Place) -> None:
        if self._place_of(receipt.nonce) is not None:
            raise ValueError(f"the nonce {receipt.nonce!r} is that of a message not answered yet")
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
