"""Uploads that were interrupted: the part that has arrived stays for a day, and its uploader may go on with it.

A part is named by its uploader, the nonce of the message, and the size of the whole content. Only one connection at a
time writes to a part.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from chat.process.offload import run_in

log = logging.getLogger("chat.server")

MAX_AGE = 24 * 3600.0  # seconds
_MAX_PARTS = 256
_PIECE = 1 << 20
# Seconds until the connection that writes to a part has ended, and a message is said or refused.
_PATIENCE = 30.0


class PartsPlace(Protocol):
    """List what this module needs of the part that keeps contents."""

    @property
    def parts(self) -> Path:
        """The directory of parts."""

    @property
    def most_in_parts(self) -> int:
        """The bytes that all parts may have together."""


class Settling(Protocol):
    """List what this module needs of a message that is being said."""

    @property
    def is_settled(self) -> bool: ...


class Arrived(NamedTuple):
    """Tell how much of a content has arrived: ``size`` bytes, and their SHA-256 in hex."""

    size: int
    sha256: str | None


# The inode, the size and the time of a file.
_Stamp = tuple[int, int, int]


class PartBusy(Exception):
    """Report that another connection still writes to the part, or that its message is being said."""


class Parts:
    """The parts in the directory of ``place``."""

    def __init__(self, place: PartsPlace, clock: Callable[[], float] = time.time) -> None:
        self._place = place
        self._clock = clock
        self._active: dict[str, tuple[Callable[[], object], Event]] = {}
        self._said: dict[str, Settling] = {}
        self._measuring = BoundedSemaphore(1)
        # What was measured last, by part: a user who asks again and again costs nothing more.
        self._measured: OrderedDict[str, tuple[_Stamp, Arrived]] = OrderedDict()

    @contextmanager
    def writing(self, name: str, give_up: Callable[[], object]) -> Iterator[None]:
        """Hold a part for an upload. ``give_up`` ends the upload, because a newer connection wants to go on.

        Raises PartBusy.
        """
        self._take_over(name)
        ended = Event()
        self._active[name] = (give_up, ended)
        try:
            yield
        finally:
            del self._active[name]
            ended.set()
            self.trim()

    def saying(self, name: str, record: Settling) -> None:
        """Note that the message of an upload is being said: until that is settled, nobody goes on with its part."""
        if not record.is_settled:
            self._said[name] = record

    def arrived(self, name: str) -> Arrived:
        """Return what has arrived, and end the connection over which it came. Waits. Raises PartBusy, OSError."""
        self._take_over(name)
        known = self._measured.pop(name, None)
        # One after the other: users who ask again and again take one thread, not all.
        with self._measuring:
            pool, path = gevent.get_hub().threadpool, self._place.parts / name
            measured = run_in(pool, _measure, path, known)
        if measured is None:
            return Arrived(0, None)
        self._measured[name] = measured
        if len(self._measured) > _MAX_PARTS:
            self._measured.popitem(last=False)
        return measured[1]

    def trim(self) -> None:
        """Remove parts that are too old, or too many. Does not wait."""
        self._said = {name: each for name, each in self._said.items() if not each.is_settled}
        # In a greenlet: a busy pool makes its caller wait.
        gevent.spawn(
            run_in,
            gevent.get_hub().threadpool,
            _trim,
            self._place.parts,
            frozenset(self._active),
            self._place.most_in_parts,
            self._clock() - MAX_AGE,
        )

    def _take_over(self, name: str) -> None:
        """End the upload that writes to a part, and wait until its message, if it is said, is settled."""
        active = self._active.get(name)
        if active is not None:
            give_up, ended = active
            give_up()
            if not ended.wait(_PATIENCE) or name in self._active:
                raise PartBusy
        deadline = time.monotonic() + _PATIENCE
        while (record := self._said.get(name)) is not None and not record.is_settled:
            if time.monotonic() > deadline:
                raise PartBusy
            gevent.sleep(0.05)


def part_name(uploader: bytes, nonce: str, size: int) -> str:
    """Return the name of the part of a content with ``size`` bytes. ``uploader`` identifies the user and the device."""
    digest = hashlib.sha256(b"%b\0%b" % (uploader, nonce.encode())).hexdigest()
    return f"{digest[:40]}.{size}"


def _measure(path: Path, known: tuple[_Stamp, Arrived] | None) -> tuple[_Stamp, Arrived] | None:
    """Return how much has arrived, and the state of the file; None if there is none.

    If the state is ``known``, nothing is read.
    """
    found, size = hashlib.sha256(), 0
    try:
        with path.open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            if known is not None and known[0] == stamp:
                return known
            while piece := file.read(_PIECE):
                found.update(piece)
                size += len(piece)
    except FileNotFoundError:
        return None
    return stamp, Arrived(size, found.hexdigest())


def _trim(directory: Path, active: frozenset[str], most: int, oldest: float) -> None:
    try:
        _remove_some(directory, active, most, oldest)
    except OSError as problem:
        log.warning("cannot remove interrupted uploads in %s: %s", directory, problem.strerror)


def _remove_some(directory: Path, active: frozenset[str], most: int, oldest: float) -> None:
    """Remove old parts, and the oldest while there are too many."""
    found = []
    for path in directory.iterdir():
        with suppress(FileNotFoundError):  # kept or removed meanwhile
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    found.sort(reverse=True)
    size = 0
    for number, (modified, own, path) in enumerate(found):
        size += own
        if path.name not in active and (modified < oldest or size > most or number >= _MAX_PARTS):
            path.unlink(missing_ok=True)
            size -= own
