"""The state file: locked for one client, private, and complete at any moment.

Changes are appended as records, one write each, and a new file replaces the old one when it has grown long. Records
survive the end of the process at any moment. They are not forced to the disk one by one: after a power failure of the
user's machine the last ones may be missing.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from chat.client.state.contents import (
    Contents,
    DamagedState,
    StateOwner,
    encode_whole,
    is_of_this_version,
    parse_whole,
)
from chat.client.state.errors import StateFileError, StateInUse
from chat.files.home import NoHome
from chat.files.opening import NotAFile
from chat.files.private_files import FILE_MODE, make_private_directory

# Bytes of records after which a new file replaces the old one, and of the largest file that is read.
_LONG = 4 * 1024**2
_MAX_SIZE = 256 * 1024**2
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class StateFile:
    """An open state file, made by ``open_state``. ``close`` lets other clients have it."""

    def __init__(self, path: Path, descriptor: int, owner: StateOwner, size: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._owner = owner
        self._size = size

    @property
    def is_long(self) -> bool:
        """Whether ``replace`` should make the file short again."""
        return self._size > _LONG

    def append(self, record: bytes) -> None:
        """Append a record. Raises StateFileError."""
        try:
            written = os.write(self._descriptor, record)
            if written < len(
                record
            ):  # a full disk: remove the part, so that later records can be read
                os.ftruncate(self._descriptor, self._size)
                raise OSError(28, os.strerror(28))
        except OSError as error:
            raise StateFileError(f"{self.path} can't be written: {error.strerror}.") from None
        self._size += len(record)

    def replace(self, contents: Contents) -> None:
        """Replace the file by a new one with ``contents``, which is locked from its first moment on.

        Raises StateFileError.
        """
        data = encode_whole(self._owner, contents)
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            with suppress(FileNotFoundError):  # of a client with this process id that was killed
                beside.unlink()
            descriptor = os.open(beside, _FLAGS | os.O_CREAT | os.O_EXCL, FILE_MODE)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                beside.replace(self.path)
            except BaseException:
                os.close(descriptor)
                with suppress(OSError):
                    beside.unlink()
                raise
        except OSError as error:
            raise StateFileError(f"{self.path} can't be written: {error.strerror}.") from None
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, len(data)

    def close(self) -> None:
        """Close the file, and release its lock. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def open_state(
    path: Path, owner: StateOwner, new: Contents
) -> tuple[StateFile, Contents, str | None]:
    """Open or create the file of ``owner``; return it, its contents, and a warning. ``new`` is for a file without any.

    The warning says that a damaged file was renamed. Raises StateInUse if another client has the file, and
    StateFileError if it can't be used or belongs to another server or user.
    """
    try:
        path = path.resolve()  # a symbolic link stays one
        make_private_directory(path.parent)
        warning = None
        while True:
            descriptor = _open_locked(path)
            try:
                opened = _read(path, descriptor, owner, new)
            except DamagedState as damage:
                aside = _set_aside(path)
                os.close(descriptor)
                warning = (
                    f"The state file {path} is damaged ({damage}). It is now {aside.name}; the client begins anew, so "
                    "it does not know what you have read, nor which lines had no answer."
                )
            except BaseException:
                os.close(descriptor)
                raise
            else:
                return *opened, warning
    except NoHome:
        raise
    except OSError as error:
        raise StateFileError(f"{path} can't be used: {error.strerror}.") from None


def _open_locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, _FLAGS | os.O_CREAT, FILE_MODE)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise NotAFile(path)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StateInUse(f"{path} is in use by another client.") from None
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) and status.st_uid == os.geteuid():
                os.fchmod(descriptor, FILE_MODE)  # the file has a secret
            # Another client may have replaced the file after we had opened it. Then we have locked the old one.
            with suppress(FileNotFoundError):
                if os.path.samestat(status, path.stat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _read(
    path: Path, descriptor: int, owner: StateOwner, new: Contents
) -> tuple[StateFile, Contents]:
    size = os.fstat(descriptor).st_size
    if size > _MAX_SIZE:
        raise DamagedState("it is too large")
    data = b"".join(iter(lambda: os.read(descriptor, 1024**2), b""))
    file = StateFile(path, descriptor, owner, len(data))
    if not data:
        file.replace(new)
        return file, new
    found, contents = parse_whole(data)
    if found != owner:
        raise StateFileError(
            f"{path} is the state of {found.user!r} at {found.server}, not of {owner.user!r} at {owner.server}. "
            "Give another file."
        )
    if data.count(b"\n") > 2 or not data.endswith(b"\n") or not is_of_this_version(data):
        file.replace(contents)
    return file, contents


def _set_aside(path: Path) -> Path:
    """Rename a damaged file, and return its new path. No other file is overwritten."""
    number = 1
    while True:
        aside = path.with_name(f"{path.name}.damaged-{number}")
        with suppress(FileExistsError):
            os.link(path, aside)  # unlike a rename, it fails if there is a file
            path.unlink()
            return aside
        number += 1
