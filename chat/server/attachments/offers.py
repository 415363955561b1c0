"""Contents that were offered and may be fetched: kept as long as space allows, oldest dropped first, at most a day."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Hashable
from typing import NamedTuple

from chat.protocol.frames import LargeContent
from chat.protocol.headers import ServerHeader
from chat.server.attachments.spool import Spool, SpooledFile

MAX_AGE = 24 * 3600.0
# Small contents are offered to those who ask for it, and are not worth a file.
MAX_MEMORY = 64 * 1024 * 1024
# What an offer costs beside its content; contents of a byte would else be kept without bound.
_OVERHEAD = 1024


class Offer(NamedTuple):
    """An offered content.

    ``header`` is the one of the message. ``serials`` are the members who were offered it, or, for a public one,
    None: then it is those whose serial is at most ``latest``.
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
    """The offers, oldest first."""

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
        """The id under which ``content`` can be fetched from now on."""
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
        """What is offered under ``id`` to the member with ``serial``."""
        offer = self._offers.get(id)
        return offer if offer is not None and offer.is_for(serial) else None

    def drop_old(self) -> None:
        """Forget what is older than a day."""
        limit = self._clock() - MAX_AGE
        while self._offers:
            offer = next(iter(self._offers.values()))
            if offer.since > limit:
                return
            self._drop(offer)

    def clear(self) -> None:
        """Forget everything."""
        for offer in list(self._offers.values()):
            self._drop(offer)

    def _drop(self, offer: Offer) -> None:
        del self._offers[offer.id]
        if isinstance(offer.content, bytes):
            self._in_memory -= offer.size + _OVERHEAD
        else:
            offer.content.release()

    def _drop_oldest(self, owner: Hashable | None) -> bool:
        """Give back the space of the oldest content that nobody is being sent, of ``owner`` or of anyone."""
        for offer in self._offers.values():
            content = offer.content
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
