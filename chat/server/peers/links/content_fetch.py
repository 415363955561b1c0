"""Fetch one content from the servers that may have it, and go on with another server when one fails."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Sequence

import gevent

from chat.net.address import Address
from chat.server.peers.faults import (
    ContentDamaged,
    PeerBusy,
    PeerFault,
    PeerUnreachable,
)
from chat.server.peers.links.disk_calls import OwnDiskFault, on_disk, write_all
from chat.server.peers.links.link import LinkMaker, PeerLink

log = logging.getLogger("chat.server")

_PIECE = 1 << 20
# Stands for the servers that have sent what an earlier try has left.
_EARLIER = Address()
# The longest pause between two tries, in multiples of the first one.
_LONGEST_PAUSE = 16


class ContentFetch:
    """Fetch the content with the SHA-256 ``digest`` and ``size`` bytes into the file ``descriptor``.

    The file may have the beginning of the content already. ``on_begun`` is called when the first byte has arrived, at
    once if the file has one.
    """

    def __init__(
        self,
        links: LinkMaker,
        digest: bytes,
        size: int,
        descriptor: int,
        on_begun: Callable[[], object],
    ) -> None:
        self._links = links
        self._digest = digest
        self._size = size
        self._descriptor = descriptor
        self._on_begun = on_begun
        self._hash = hashlib.sha256()
        self._received = 0
        self._latest = time.monotonic()  # the last byte, or the beginning
        # The servers whose bytes are in the file. If bytes of several servers were not the content, from then on a
        # server that takes over begins anew, and so the damaged one is found.
        self._sources: set[Address] = set()
        self._is_alone = False

    def run(self, addresses: Sequence[Address]) -> None:
        """Ask the servers in turn, the first one first. Raises PeerFault when none can give the content."""
        self._read_beginning()
        if self._received:
            self._on_begun()
        if self._received == self._size:
            if self._is_whole():
                return
            self._begin_anew()
        left, pause = list(dict.fromkeys(addresses)), self._links.limits.retry
        fault: PeerFault = PeerUnreachable("no other server is there")
        while left:
            before = self._received
            for address in tuple(left):
                if self._is_late():
                    raise fault
                try:
                    self._ask(address)
                    return
                except OwnDiskFault:
                    raise
                except (PeerUnreachable, PeerBusy) as problem:
                    fault = _at(address, problem)
                except PeerFault as problem:
                    fault = _at(address, problem)
                    left.remove(address)
            if self._received == before:
                gevent.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE * self._links.limits.retry)
        raise fault

    def _is_late(self) -> bool:
        limits = self._links.limits
        patience = limits.silence if self._received else limits.first_byte
        return time.monotonic() - self._latest > patience

    def _ask(self, address: Address) -> None:
        """Take the rest from one server. Raises PeerFault; then the file has what arrived, if that may be right."""
        if self._is_alone and address not in self._sources:
            self._begin_anew()
        late = PeerUnreachable("nothing came in time")
        # While nothing has come, the time of all servers together counts.
        timeout = None if self._received else gevent.Timeout(self._time_left(), late)
        try:
            if timeout is not None:
                timeout.start()
            with self._links.open(address) as link:
                self._receive(link, address, timeout)
        finally:
            if timeout is not None:
                timeout.close()
        if self._is_whole():
            return
        are_several = len(self._sources) > 1
        self._begin_anew()
        if are_several and not self._is_alone:
            self._is_alone = True
            raise PeerUnreachable("the parts of several servers are not the content")
        log.error("%s has sent other bytes than those of a content", address)
        raise ContentDamaged("it has sent other bytes than those of the content")

    def _is_whole(self) -> bool:
        return self._received == self._size and self._hash.digest() == self._digest

    def _receive(self, link: PeerLink, address: Address, timeout: gevent.Timeout | None) -> None:
        def take(piece: memoryview) -> None:
            nonlocal timeout
            if timeout is not None:
                timeout.close()
                timeout = None
            is_first = not self._received
            self._sources.add(address)
            on_disk(self._write, piece)
            self._received += len(piece)
            self._latest = time.monotonic()
            if is_first:
                self._on_begun()

        link.receive_content(self._digest, self._size, self._received, take)

    def _time_left(self) -> float:
        return max(0.001, self._latest + self._links.limits.first_byte - time.monotonic())

    def _write(self, piece: memoryview) -> None:
        """Add bytes to the file; called in a thread."""
        os.lseek(self._descriptor, self._received, os.SEEK_SET)
        write_all(self._descriptor, piece)
        self._hash.update(piece)

    def _read_beginning(self) -> None:
        """Take the bytes that an earlier try has left. Raises OwnDiskFault."""
        if os.fstat(self._descriptor).st_size > self._size:
            self._begin_anew()
        while piece := on_disk(os.pread, self._descriptor, _PIECE, self._received):
            on_disk(self._hash.update, piece)
            self._received += len(piece)
            self._sources.add(_EARLIER)

    def _begin_anew(self) -> None:
        on_disk(os.ftruncate, self._descriptor, 0)
        self._hash = hashlib.sha256()
        self._received = 0
        self._sources.clear()


def _at(address: Address, problem: PeerFault) -> PeerFault:
    return type(problem)(f"{address}: {problem}")
