"""Keep contents that are too large for memory in temporary files without a name, and limit their space.

Space is reserved before the first byte of a content arrives, and given back when the last holder releases the file.
A content that may be kept beside the history arrives there, in a file with a name, so that it need not be copied.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from chat.files.private_files import private_opener
from chat.framing import MIN_RATE
from chat.process.offload import ThreadCall, run_in
from chat.server.process.log_folding import FoldingLog
from chat.sizes import byte_count

# One user may hold a quarter of the space, and of the files.
_SHARE = 4
# Each file takes a file descriptor.
MAX_FILES = 512
# Seconds after which an upload slower than MIN_RATE makes way, if its space is needed.
_GRACE = 5.0
# Seconds that a new upload waits for space. Longer than _GRACE: a slow upload that began just before can then be ended.
_PATIENCE = _GRACE + 2.0

_PIECE = 1 << 20

_FULL = "The server has no space left for this attachment; try again later."


class NoSpaceError(Exception):
    """A content cannot be kept. The text is a sentence for its sender."""


class Keeper(Protocol):
    """List what the spool needs of the part that keeps contents for long."""

    def place_for(self, size: int, part: str | None = None) -> Path | None:
        """Return the path of a file for a content; None if the content cannot be kept. ``part``: see ``reserve``."""

    def keep(self, arrived: Path, digest: bytes, size: int, owner: str) -> bool:
        """Take over a content that has arrived whole, until ``let_go``; return whether there is space. May wait."""

    def let_go(self, digest: bytes) -> None:
        """Undo the hold of ``keep``."""


class UnknownPart(Exception):
    """An upload cannot go on: the part of it that had arrived is not there, or has another size."""


class SpooledFile:
    """A content in a temporary file, made by ``Spool.reserve``.

    The upload is the first holder. Each further holder (an offer, or a user who is being sent the content) calls
    ``hold``, and later ``release``. The last release closes the file, and deletes it unless it is kept.

    ``path``: the name of the file, if the content can be kept. ``is_part``: if the upload is interrupted, the file
    stays, and a later one goes on from ``offset``.
    """

    def __init__(
        self,
        spool: Spool,
        owner: Hashable,
        size: int,
        give_up: Callable[[], object],
        path: Path | None = None,
        *,
        is_part: bool = False,
        offset: int = 0,
    ) -> None:
        self.size = size
        self.owner = owner
        self.received = offset
        self.started = time.monotonic()
        self.give_up = give_up
        self.holders = 1
        self.is_kept = False
        self._spool = spool
        self._path = path
        self._is_part = is_part
        self._hash = hashlib.sha256()
        self._whole: bytes | None = None
        # Unbuffered, since the bytes are written through the descriptor.
        self._file = (
            cast(BinaryIO, tempfile.TemporaryFile(dir=spool.directory, buffering=0))  # noqa: SIM115
            if path is None
            else _open_named(path, offset, is_part=is_part)
        )

    def fileno(self) -> int:
        return self._file.fileno()

    def hold(self) -> None:
        self.holders += 1

    def release(self) -> None:
        self.holders -= 1
        if not self.holders:
            self._file.close()
            if self.is_kept:
                self._spool.keeper.let_go(self.digest)
            if self._path is not None and not (self._is_part and 0 < self.received < self.size):
                # In a thread: the end of a large file takes a while. And in a greenlet: a busy pool makes its caller
                # wait. A content that is kept has another name now.
                gevent.spawn(run_in, gevent.get_hub().threadpool, _remove, self._path)
            self._spool.give_back(self)

    def read_back(self) -> None:
        """Read the bytes of an interrupted upload, with which this one goes on. Waits. Raises UnknownPart, OSError."""
        pool = gevent.get_hub().threadpool
        size = run_in(pool, _read_back, self._file.fileno(), self._hash)
        if size != self.received:
            self.received = size
            raise UnknownPart

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the bytes that have arrived."""
        return self._whole or self._hash.digest()

    def note_whole(self, digest: bytes) -> None:
        """Note that another process has written the whole content, and has compared it with its SHA-256."""
        self._whole, self.received = digest, self.size

    def keep(self, owner: str) -> bool:
        """Keep the content, which is whole, beyond the last release; return whether it is kept.

        ``owner`` is the id of an account in hex, empty for guests. Waits for the disk. Raises what the keeper raises.
        """
        assert self.is_complete
        if self._path is not None and not self.is_kept:
            # If this greenlet is killed while it waits, the content is kept all the same, and must be let go.
            self.is_kept = True
            try:
                keeper = self._spool.keeper
                self.is_kept = keeper.keep(self._path, self.digest, self.size, owner)
            except Exception:
                self.is_kept = False
                raise
        return self.is_kept

    def append(self, data: memoryview) -> None:
        """Write ``data`` in a thread, since a disk may make it wait. Raises NoSpaceError."""
        pool = gevent.get_hub().threadpool
        task = ThreadCall(pool, _write_all, self._file.fileno(), data, self._hash)
        try:
            task.get()
        except OSError as problem:
            self._spool.log_trouble("cannot write", problem)
            self._is_part = False  # the disk may be full
            raise NoSpaceError(_FULL) from None
        except BaseException:
            # This greenlet was killed while the thread still writes. If the file were closed now, the next file could
            # get its descriptor, and the thread would write there. So hold the file until the thread is done.
            self.hold()
            task.when_done(self.release)
            raise
        self.received += len(data)
        if self.is_complete:
            # ``give_up`` refers to the sender's connection, and an offer may keep this file for a day.
            self.give_up = _do_nothing

    @property
    def is_complete(self) -> bool:
        return self.received == self.size

    def is_slow(self, now: float, after: float = 0.0) -> bool:
        """Return whether the upload is incomplete, older than ``after`` seconds, and slower than ``MIN_RATE``."""
        age = now - self.started
        return not self.is_complete and age >= after and self.received < MIN_RATE * max(age, 1.0)


class Spool:
    """The temporary space: ``max_size`` bytes and ``max_files`` files in ``directory``.

    One owner may hold at most a quarter of both.
    """

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
        self._keeper: Keeper | None = None
        self._reading_back = BoundedSemaphore(1)

    def keep_in(self, keeper: Keeper) -> None:
        """Let contents that ``keeper`` can keep arrive there."""
        self._keeper = keeper

    @property
    def keeper(self) -> Keeper:
        """The part that keeps contents."""
        assert self._keeper is not None, "only a keeper gives a place"
        return self._keeper

    def adapt(self, max_size: int) -> None:
        """Go on with another limit. Contents that are kept already stay."""
        self.max_size = max_size

    def when_short(self, drop_oldest: Callable[[Hashable | None], bool]) -> None:
        """Let ``drop_oldest`` make room when a content does not fit.

        ``drop_oldest(owner)`` drops the oldest content of one owner, or with None of all, that nobody needs now. It
        returns whether there was one.
        """
        self._drop_oldest = drop_oldest

    @property
    def files(self) -> int:
        """The number of contents that are kept or arrive now."""
        return len(self._files)

    def reserve(
        self,
        owner: Hashable,
        size: int,
        give_up: Callable[[], object],
        part: str | None = None,
        offset: int = 0,
    ) -> SpooledFile:
        """Reserve ``size`` bytes, and return an empty file for them. Wait a few seconds if slow uploads can make way.

        ``give_up`` ends this upload if it turns out to be slow itself. ``part`` is the name of the file if an
        interrupted upload may go on; the file has ``offset`` bytes then. Raises NoSpaceError, UnknownPart.
        """
        share = self.max_size // _SHARE
        if size > share:
            raise NoSpaceError(
                f"The server keeps at most {byte_count(share)} for one user; this attachment is larger."
            )
        deadline = time.monotonic() + _PATIENCE
        # After each wait, check both the share and the total again: other uploads began or ended meanwhile.
        while True:
            if self._exceeds_share(owner, size):
                if not self._drop_oldest(owner):
                    raise NoSpaceError(
                        "Too many of your attachments are in transfer; try again when they have arrived."
                    )
            elif self._fits(size):
                file = self._open(owner, size, give_up, part, offset)
                return self._read_back(file) if offset else file
            elif not self._drop_oldest(None) and not self._displace_slow(deadline):
                raise NoSpaceError(_FULL)

    def give_back(self, file: SpooledFile) -> None:
        """Free the space of ``file``, which nobody holds any more."""
        self._files.discard(file)
        self.used -= file.size
        self._used_by[file.owner] -= file.size
        self._files_of[file.owner] -= 1
        if not self._files_of[file.owner]:
            del self._used_by[file.owner], self._files_of[file.owner]
        self._given_back.set()

    def log_trouble(self, what: str, problem: OSError) -> None:
        """Log a problem of the disk for the operator. Repetitions are folded, since a full disk fails each upload."""
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
        # Other programs write to the disk too. So ask for the free space, less the bytes that uploads will still write.
        promised = sum(file.size - file.received for file in self._files)
        try:
            return shutil.disk_usage(self.directory).free - promised >= size
        except OSError as problem:
            self.log_trouble("cannot read its free space", problem)
            raise NoSpaceError(_FULL) from None

    def _open(
        self,
        owner: Hashable,
        size: int,
        give_up: Callable[[], object],
        part: str | None,
        offset: int,
    ) -> SpooledFile:
        path = self._keeper.place_for(size, part) if self._keeper is not None else None
        if offset and (path is None or part is None):
            raise UnknownPart
        try:
            file = SpooledFile(
                self, owner, size, give_up, path, is_part=part is not None, offset=offset
            )
        except OSError as problem:
            if offset and isinstance(problem, FileNotFoundError):
                raise UnknownPart from None
            self.log_trouble("cannot create a file", problem)
            raise NoSpaceError(_FULL) from None
        self._files.add(file)
        self.used += size
        self._used_by[owner] += size
        self._files_of[owner] += 1
        return file

    def _read_back(self, file: SpooledFile) -> SpooledFile:
        try:
            # One after the other: users who go on again and again take one thread, not all.
            with self._reading_back:
                file.read_back()
        except OSError as problem:
            file.release()
            self.log_trouble("cannot read a part", problem)
            raise NoSpaceError(_FULL) from None
        except BaseException:
            file.release()
            raise
        return file

    def _displace_slow(self, deadline: float) -> bool:
        """End uploads that have been slow for ``_GRACE`` seconds, and wait 0.2 s for space.

        Return False if there is no slow upload to wait for, or ``deadline`` has passed.
        """
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
    """Ignore the call: the content is complete."""


def _remove(path: Path) -> None:
    # If that fails, the next start of the server removes it.
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _open_named(path: Path, offset: int, *, is_part: bool) -> BinaryIO:
    """Open the file of an upload; with an ``offset``, one that an interrupted upload has left."""
    # The part that an earlier upload has left is begun anew with offset 0.
    mode = "rb+" if offset else "wb+" if is_part else "xb+"
    return cast(BinaryIO, open(path, mode, buffering=0, opener=private_opener))


def _read_back(fd: int, digest: hashlib._Hash) -> int:
    """Add all bytes of a file to ``digest``, and return their number. The position is at the end then."""
    size = 0
    while piece := os.read(fd, _PIECE):
        digest.update(piece)
        size += len(piece)
    return size


def _write_all(fd: int, data: memoryview, digest: hashlib._Hash) -> None:
    rest = data
    while rest:
        rest = rest[os.write(fd, rest) :]
    digest.update(data)
