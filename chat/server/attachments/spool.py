"""Contents too large for memory: nameless temporary files, and the space that they may take.

Space is reserved before the first byte comes and given back when nobody holds the file any more.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Hashable
from pathlib import Path

import gevent
from gevent.event import Event

from chat.framing import MIN_RATE
from chat.process.offload import ThreadCall
from chat.server.process.log_folding import FoldingLog

# One user may hold this part of the space, and of the files.
_SHARE = 4
# Each file is an open descriptor.
MAX_FILES = 512
# An upload that is slower than MIN_RATE after so many seconds gives way when its space is needed.
_GRACE = 5.0
_PATIENCE = _GRACE + 2.0

_FULL = "The server has no space left for it."


class NoSpaceError(Exception):
    """A content cannot be kept; the text is a sentence for its sender."""


class SpooledFile:
    """A content on its way in, then held by whoever sends it on. Made by :meth:`Spool.reserve`."""

    def __init__(
        self, spool: Spool, owner: Hashable, size: int, give_up: Callable[[], object]
    ) -> None:
        self.size = size
        self.owner = owner
        self.received = 0
        self.started = time.monotonic()
        self.give_up = give_up
        self.holders = 1
        self._spool = spool
        self._file = tempfile.TemporaryFile(dir=spool.directory, buffering=0)  # noqa: SIM115

    def fileno(self) -> int:
        return self._file.fileno()

    def hold(self) -> None:
        self.holders += 1

    def release(self) -> None:
        self.holders -= 1
        if not self.holders:
            self._file.close()
            self._spool.give_back(self)

    def append(self, data: memoryview) -> None:
        """Write, in a thread since it may wait for the disk. Raises NoSpaceError."""
        task = ThreadCall(gevent.get_hub().threadpool, _write_all, self._file.fileno(), data)
        try:
            task.get()
        except OSError as problem:
            self._spool.log_trouble("cannot write", problem)
            raise NoSpaceError(_FULL) from None
        except BaseException:
            # This greenlet was ended, and lets go of the file; the thread must not write to what is opened next.
            self.hold()
            task.when_done(self.release)
            raise
        self.received += len(data)
        if self.is_complete:
            # Else it would keep the connection that it came by in memory for as long as it is offered.
            self.give_up = _do_nothing

    @property
    def is_complete(self) -> bool:
        return self.received == self.size

    def is_slow(self, now: float, after: float = 0.0) -> bool:
        """Whether it is on its way, for ``after`` seconds at least, and slower than ``MIN_RATE``."""
        age = now - self.started
        return not self.is_complete and age >= after and self.received < MIN_RATE * max(age, 1.0)


class Spool:
    """The temporary space: ``max_size`` bytes in ``directory``, a quarter of them for any one owner."""

    def __init__(
        self,
        directory: Path,
        max_size: int,
        max_files: int = MAX_FILES,
        troubles: FoldingLog | None = None,
    ) -> None:
        self.directory = directory
        self.max_size = max_size
        self.max_files = max_files
        self.used = 0
        self._drop_oldest: Callable[[Hashable | None], bool] = lambda owner: False
        self._used_by: Counter[Hashable] = Counter()  # bytes
        self._files_of: Counter[Hashable] = Counter()
        self._files: set[SpooledFile] = set()
        self._given_back = Event()
        self._troubles = troubles if troubles is not None else FoldingLog()

    def when_short(self, drop_oldest: Callable[[Hashable | None], bool]) -> None:
        """Ask ``drop_oldest`` to make room when a content does not fit.

        It drops the oldest content that can be spared, of one owner if their share is used up, and returns whether it
        found any.
        """
        self._drop_oldest = drop_oldest

    @property
    def files(self) -> int:
        """How many contents are kept or on their way in."""
        return len(self._files)

    def reserve(self, owner: Hashable, size: int, give_up: Callable[[], object]) -> SpooledFile:
        """Space for ``size`` bytes, or NoSpaceError. May wait a few seconds for a slow upload to make way.

        ``give_up`` ends the upload from outside, if it turns out to be such a slow one.
        """
        share = self.max_size // _SHARE
        if size > share:
            raise NoSpaceError(f"The server keeps at most {share} bytes for one user.")
        deadline = time.monotonic() + _PATIENCE
        # What fitted before a wait may not do so after it: both are looked at again.
        while True:
            if self._exceeds_share(owner, size):
                if not self._drop_oldest(owner):
                    raise NoSpaceError(
                        "Too much of yours is on its way; try again when it has arrived."
                    )
            elif self._fits(size):
                return self._open(owner, size, give_up)
            elif not self._drop_oldest(None) and not self._displace_slow(deadline):
                raise NoSpaceError(_FULL)

    def give_back(self, file: SpooledFile) -> None:
        """Nobody holds ``file`` any more."""
        self._files.discard(file)
        self.used -= file.size
        self._used_by[file.owner] -= file.size
        self._files_of[file.owner] -= 1
        if not self._files_of[file.owner]:
            del self._used_by[file.owner], self._files_of[file.owner]
        self._given_back.set()

    def log_trouble(self, what: str, problem: OSError) -> None:
        """What the operator must know; once in a while, since a disk that is full is so for each upload."""
        subject = f"spool directory {self.directory}"
        self._troubles.log_event_of(subject, f"{what}: {problem.strerror}", logging.WARNING)

    def _exceeds_share(self, owner: Hashable, size: int) -> bool:
        return (
            self._used_by[owner] + size > self.max_size // _SHARE
            or self._files_of[owner] >= self.max_files // _SHARE
        )

    def _fits(self, size: int) -> bool:
        if self.used + size > self.max_size or len(self._files) >= self.max_files:
            return False
        promised = sum(file.size - file.received for file in self._files)
        try:
            return shutil.disk_usage(self.directory).free - promised >= size
        except OSError as problem:
            self.log_trouble("cannot look at it", problem)
            raise NoSpaceError(_FULL) from None

    def _open(self, owner: Hashable, size: int, give_up: Callable[[], object]) -> SpooledFile:
        try:
            file = SpooledFile(self, owner, size, give_up)
        except OSError as problem:
            self.log_trouble("cannot make a file", problem)
            raise NoSpaceError(_FULL) from None
        self._files.add(file)
        self.used += size
        self._used_by[owner] += size
        self._files_of[owner] += 1
        return file

    def _displace_slow(self, deadline: float) -> bool:
        """End the uploads that are too slow, and wait a little for those that look it; whether that may help."""
        now = time.monotonic()
        suspects = [file for file in self._files if file.is_slow(now)]
        if not suspects or now >= deadline:
            return False
        for file in suspects:
            if file.is_slow(now, _GRACE):
                file.give_up()
        self._given_back.clear()
        self._given_back.wait(0.2)
        return True


def _do_nothing() -> None:
    """There is nothing more to be given up."""


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]
