"""Open kept contents for users who fetch them, and make sure that each is whole.

The disk may damage a file. So each content is compared with its SHA-256 before it is served for the first time, and
again when the file has changed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import NamedTuple

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from chat.process.offload import ThreadCall, run_in
from chat.server.history.files.file_directory import FileDirectory

log = logging.getLogger("chat.server")

# Seconds that a user waits for the check of a large file. The client gives up a download after 60 seconds of silence;
# the check goes on, and counts for the next user.
PATIENCE = 15.0


class FileGone(Exception):
    """The content is not kept any more."""


class FileDamaged(Exception):
    """The content was damaged on the disk, and is set aside."""


class _Stamp(NamedTuple):
    """Tell two states of a file apart."""

    inode: int
    size: int
    modified: int
    changed: int


class OpenedFile:
    """A kept content that users are being sent. The last ``release`` closes it."""

    def __init__(self, descriptor: int, size: int, on_closed: Callable[[], object]) -> None:
        self.size = size
        self._descriptor = descriptor
        self._on_closed = on_closed
        self._holders = 1

    def fileno(self) -> int:
        return self._descriptor

    def hold(self) -> None:
        self._holders += 1

    def release(self) -> None:
        self._holders -= 1
        if not self._holders:
            self._on_closed()
            os.close(self._descriptor)


class OpenedFiles:
    """The contents in ``directory`` that are open, each once for all users.

    ``on_lost`` is called with the SHA-256 of a content that is missing or damaged.
    """

    def __init__(self, directory: FileDirectory, on_lost: Callable[[bytes], object]) -> None:
        self.damaged = 0  # how many were found
        self._directory = directory
        self._on_lost = on_lost
        # Not more: a check reads as fast as the disk can.
        self._pool = ThreadPool(2)
        self._opened: dict[bytes, OpenedFile] = {}
        self._opening: dict[bytes, Event] = {}
        self._checked: dict[bytes, _Stamp] = {}

    def open(self, digest: bytes, size: int) -> OpenedFile:
        """Return the content with this SHA-256, held for the caller. Waits for the disk.

        Raises FileGone, FileDamaged, OSError.
        """
        while (event := self._opening.get(digest)) is not None:
            event.wait()
        opened = self._opened.get(digest)
        if opened is not None:
            opened.hold()
            return opened
        event = self._opening[digest] = Event()
        try:
            descriptor = self._open(digest, size)
        finally:
            del self._opening[digest]
            event.set()
        opened = OpenedFile(descriptor, size, lambda: self._opened.pop(digest, None))
        self._opened[digest] = opened
        return opened

    def close(self) -> None:
        """End the threads."""
        self._pool.kill()

    def _open(self, digest: bytes, size: int) -> int:
        try:
            descriptor, stamp = run_in(self._pool, _open_in_thread, self._directory, digest)
        except FileNotFoundError:
            self._checked.pop(digest, None)
            self._on_lost(digest)
            raise FileGone from None
        try:
            if self._checked.get(digest) != stamp:
                self._check(digest, size, stamp)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _check(self, digest: bytes, size: int, stamp: _Stamp) -> None:
        call = ThreadCall(self._pool, self._directory.is_whole, digest)
        if not call.wait(PATIENCE):
            gevent.spawn(self._note_later, call, digest, stamp)
            return
        is_whole = call.get() and stamp.size == size
        self._note_checked(digest, stamp, is_whole=is_whole)
        if not is_whole:
            raise FileDamaged

    def _note_later(self, call: ThreadCall[bool], digest: bytes, stamp: _Stamp) -> None:
        self._note_checked(digest, stamp, is_whole=_succeeded(call))

    def _note_checked(self, digest: bytes, stamp: _Stamp, *, is_whole: bool) -> None:
        """Note the result of a check, and set a damaged file aside. Waits."""
        if is_whole:
            self._checked[digest] = stamp
            return
        self._checked.pop(digest, None)
        self.damaged += 1
        self._on_lost(digest)
        run_in(self._pool, _set_aside, self._directory, digest)


def _open_in_thread(directory: FileDirectory, digest: bytes) -> tuple[int, _Stamp]:
    descriptor = directory.open(digest)
    status = os.fstat(descriptor)
    stamp = _Stamp(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return descriptor, stamp


def _set_aside(directory: FileDirectory, digest: bytes) -> None:
    try:
        log.error("a kept file is damaged: it is now %s", directory.set_aside(digest))
    except OSError as problem:
        log.error("a kept file is damaged, and cannot be set aside: %s", problem)


def _succeeded(call: ThreadCall[bool]) -> bool:
    try:
        return call.get()
    except OSError:
        return False
