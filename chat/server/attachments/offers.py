"""Store offered contents until users fetch them: for a day at most, and the oldest is dropped when space is short."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Hashable
from typing import NamedTuple

from chat.protocol.frames import LargeContent
from chat.protocol.headers import ServerHeader
from chat.server.attachments.spool import Spool, SpooledFile

MAX_AGE = 24 * 3600.0  # seconds
# The bound for small contents, in bytes. Some clients want offers for these too, and a file for each would cost a
# descriptor.
MAX_MEMORY = 64 * 1024 * 1024
# The memory of an offer beside its content, in bytes. Without it, contents of one byte would be kept without bound.
_OVERHEAD = 1024


class Offer(NamedTuple):
    """An offered content, and the members who may fetch it.

    ``header`` is the header of the message, with its number if the offer is public. ``serials`` are the members who
    got a private offer. For a public offer ``serials`` is None, and the members are those with a serial of at most
    ``latest``. Serials grow, so a user who came later has a greater one, and did not get the message. ``since`` is in
    seconds of the store's clock.
    """

    id: str
    content: bytes | LargeContent
    header: ServerHeader
    latest: int
    serials: Collection[int] | None
    since: float

    @property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.size

    def is_for(self, serial: int) -> bool:
        return serial <= self.latest if self.serials is None else serial in self.serials


class OfferStore:
    """The store of offers, oldest first."""

    def __init__(self, spool: Spool, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._offers: dict[str, Offer] = {}
        self._in_memory = 0
        spool.when_short(self._drop_oldest)

    def __len__(self) -> int:
        return len(self._offers)

    def keep(
        self,
        content: bytes | LargeContent,
        header: ServerHeader,
        *,
        latest: int,
        serials: Collection[int] | None,
    ) -> str:
        """Store an offer, and return the id by which members fetch it."""
        self.drop_old()
        offer = Offer(secrets.token_urlsafe(12), content, header, latest, serials, self._clock())
        self._offers[offer.id] = offer
        if isinstance(content, bytes):
            self._in_memory += offer.size + _OVERHEAD
            self._trim_memory()
        else:
            content.hold()
        return offer.id

    def find(self, id: str, serial: int) -> Offer | None:
        """Return the offer ``id`` if it is for the member with ``serial``, or else None."""
        offer = self._offers.get(id)
        return offer if offer is not None and offer.is_for(serial) else None

    def drop_old(self) -> None:
        """Drop the offers that are older than ``MAX_AGE``."""
        limit = self._clock() - MAX_AGE
        while self._offers:
            offer = next(iter(self._offers.values()))
            if offer.since > limit:
                return
            self._drop(offer)

    def drop_message(self, number: int, room: str | None = None) -> None:
        """Drop the offer of the message with ``number`` in ``room`` (None: the default room).

        A user who is fetching the content still gets it.
        """
        for offer in list(self._offers.values()):
            is_public = offer.serials is None or room is not None
            if is_public and offer.header.seq == number and offer.header.room == room:
                self._drop(offer)

    def clear(self) -> None:
        """Drop all offers."""
        for offer in list(self._offers.values()):
            self._drop(offer)

    def _drop(self, offer: Offer) -> None:
        del self._offers[offer.id]
        if isinstance(offer.content, bytes):
            self._in_memory -= offer.size + _OVERHEAD
        else:
            offer.content.release()

    def _drop_oldest(self, owner: Hashable | None) -> bool:
        """Drop the oldest offer of ``owner`` (None: of all) with a file that nobody is fetching.

        Return whether there was one.
        """
        for offer in self._offers.values():
            content = offer.content
            # More than one holder: a user is fetching the content, so its space would not become free.
            if not isinstance(content, SpooledFile) or content.holders > 1:
                continue
            if owner is None or content.owner == owner:
                self._drop(offer)
                return True
        return False

    def _trim_memory(self) -> None:
        while self._in_memory > MAX_MEMORY:
            in_memory = (o for o in self._offers.values() if isinstance(o.content, bytes))
            self._drop(next(in_memory))
