"""Write received contents to disk: under a temporary name first, under the final name once they are complete.

The name that a peer gives a file is not trusted. The file always lands in the save directory, is never hidden, and
never replaces another file. All functions here may wait for a disk.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from chat.client.errors import SaveFailed, explain
from chat.protocol.filenames import clean_filename

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# The errors of link() on file systems without hard links, and where a policy forbids hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


_PIECE = 1 << 20
_MARK = 16  # digits of the SHA-256 in the name of a file that is received


def given_path(path: str | Path) -> Path:
    """Return the path that a caller gave. Raises ValueError if empty: pathlib would take the current directory."""
    if isinstance(path, str) and not path.strip():
        raise ValueError("empty path: expected the path of a file or a directory")
    return Path(path)


class Sink(Protocol):
    """A destination for the bytes of a content. ``size`` is the number of bytes that it has."""

    size: int

    def read_back(self, take: Callable[[bytes], object]) -> None:
        """Give the bytes that it has to ``take``. May wait for a disk. Raises SaveFailed."""
        ...

    def begin_anew(self) -> None:
        """Drop the bytes that it has. May wait for a disk. Raises SaveFailed."""
        ...

    def write(self, data: bytes | memoryview) -> None:
        """Write all of ``data``. May wait for a disk. Raises SaveFailed."""
        ...


class CheckedSink:
    """Write a content to ``sink``, and compute its SHA-256, which must be ``expected``, in hex; None: it is not known.

    ``began_earlier``: the sink had bytes of an earlier run. Waits for a disk. Raises SaveFailed.
    """

    def __init__(self, sink: Sink, expected: str | None) -> None:
        self.began_earlier = sink.size > 0
        self._sink = sink
        self._expected = expected
        self._hash = None
        if expected is not None:
            from hashlib import sha256  # takes a while to load

            self._hash = sha256()
            if self.began_earlier:
                sink.read_back(self._hash.update)

    def write(self, data: bytes | memoryview) -> None:
        """Write all of ``data``. Raises SaveFailed."""
        self._sink.write(data)
        if self._hash is not None:
            self._hash.update(data)

    def is_passed(self) -> bool:
        """Return whether the content is the expected one."""
        return self._hash is None or self._hash.hexdigest() == self._expected


class FileSink:
    """A sink that writes to an open file. ``filename`` is the name of the content, for messages."""

    def __init__(self, file: BinaryIO, filename: str) -> None:
        self.size = 0
        self._file = file
        self._filename = filename

    def read_back(self, take: Callable[[bytes], object]) -> None:
        """Give nothing: a new sink has nothing."""
        assert not self.size

    def begin_anew(self) -> None:
        """Do nothing: only a sink with bytes of an earlier run is begun anew."""
        assert not self.size

    def write(self, data: bytes | memoryview) -> None:
        """Write all of ``data``. Raises SaveFailed."""
        rest = memoryview(data)
        try:
            while rest:
                written = self._file.write(rest)
                self.size += written
                rest = rest[written:]
        except OSError as error:
            raise SaveFailed(f"Can't keep {self._filename!r}: {explain(error)}") from None


class PartialFile:
    """A content that is being received, in ``NAME.part``: ``write`` its bytes, then ``finish`` or ``discard`` it.

    ``size`` is the number of bytes that the file has. The constructor, ``write`` and ``finish`` raise SaveFailed, and
    then have removed the file already.

    With the ``sha256`` of the content, in hex, the name is ``NAME.SHA256.part``, with its first digits. Then
    ``put_down`` leaves the file, and a later run goes on with it, unless another program does so now. A file with more
    than ``most`` bytes is begun anew.
    """

    def __init__(
        self, directory: str | Path, filename: str, sha256: str | None = None, most: int = 0
    ) -> None:
        self.size = 0
        self._settled = False
        self._directory = Path(directory)
        self._filename = clean_filename(filename)
        self._is_lasting = sha256 is not None
        path = part_path(self._directory, self._filename, sha256)
        try:
            descriptor = _reopen(path) if self._is_lasting else None
            if descriptor is not None:
                self._part, self._descriptor = path, descriptor
                self.size = os.lseek(descriptor, 0, os.SEEK_END)
                if self.size > most:
                    self.begin_anew()
            else:
                self._part, self._descriptor = _create(path)
        except OSError as error:
            raise self._failure(error) from None

    def read_back(self, take: Callable[[bytes], object]) -> None:
        """Give the bytes that the file has to ``take``. Raises SaveFailed."""
        offset = 0
        try:
            while piece := os.pread(self._descriptor, _PIECE, offset):
                take(piece)
                offset += len(piece)
        except OSError as error:
            raise self._failure(error) from None

    def begin_anew(self) -> None:
        """Drop the bytes that the file has. Raises SaveFailed."""
        try:
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            self.size = 0
        except OSError as error:
            self.discard()
            raise self._failure(error) from None

    def put_down(self) -> None:
        """Close the file, which stays for a later run if it has a SHA-256; remove it otherwise. May be called twice."""
        if self._settled or not self._is_lasting or not self.size:
            self.discard()
            return
        self._settled = True
        with suppress(OSError):
            self._close()

    def write(self, data: bytes | memoryview) -> None:
        """Write all of ``data``. Raises SaveFailed."""
        rest = memoryview(data)
        try:
            while rest:
                written = os.write(self._descriptor, rest)
                self.size += written
                rest = rest[written:]
        except OSError as error:
            self.discard()
            raise self._failure(error) from None

    def finish(self) -> Path:
        """Rename the file to its final name, or to the next free name: ``name (1).ext``. Return its path."""
        try:
            self._close()  # some file systems, such as NFS, report a full disk only at close
            for path in _candidates(self._directory / self._filename):
                if self._rename(path):
                    self._settled = True
                    return path
            raise AssertionError("the candidates never end")
        except OSError as error:
            self.discard()
            raise self._failure(error) from None

    def discard(self) -> None:
        """Remove the file. May be called at any time, and twice. Does nothing once the file is finished."""
        if self._settled:
            return
        self._settled = True
        # The caller already has a reason to give the file up, which matters more than an error here.
        with suppress(OSError):
            self._close()
        with suppress(OSError):
            self._part.unlink()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor != -1:
            os.close(descriptor)

    def _rename(self, path: Path) -> bool:
        """Rename the file to ``path``; return False if that name is taken."""
        # rename() would replace a file of this name; link() never does.
        try:
            os.link(self._part, path, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return self._rename_without_links(path)
        self._part.unlink()
        return True

    def _rename_without_links(self, path: Path) -> bool:
        """Reserve the name with an empty file, which never replaces another file, and rename over it."""
        try:
            os.close(os.open(path, _CREATE, 0o666))
        except FileExistsError:
            return False
        self._part.replace(path)
        return True

    def _failure(self, error: OSError) -> SaveFailed:
        return SaveFailed(f"Can't save {self._filename!r} in {self._directory}: {explain(error)}")


def part_path(directory: Path, filename: str, sha256: str | None) -> Path:
    """Return the path of a content that is being received."""
    mark = "" if sha256 is None else f".{sha256[:_MARK]}"
    return directory / f"{filename}{mark}.part"


def is_unfinished(directory: Path, filename: str, sha256: str) -> bool:
    """Return whether an earlier run has begun to receive a content, and nobody goes on with it now."""
    try:
        descriptor = _reopen(part_path(directory, clean_filename(filename), sha256))
    except OSError:
        return False
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


def _reopen(path: Path) -> int | None:
    """Return the descriptor of a file of ours that an earlier run has left; None if there is none."""
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EACCES, errno.EISDIR, errno.ENXIO):
            return None
        raise
    status = os.fstat(descriptor)
    is_ours = status.st_uid == os.geteuid() and status.st_nlink == 1
    if stat.S_ISREG(status.st_mode) and is_ours and _lock(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _create(wanted: Path) -> tuple[Path, int]:
    """Create an empty file at ``wanted``, or at the next free name. Return its path and descriptor."""
    for path in _candidates(wanted):
        with suppress(FileExistsError):
            descriptor = os.open(path, _CREATE, 0o666)
            _lock(descriptor)
            return path, descriptor
    raise AssertionError("the candidates never end")


def _lock(descriptor: int) -> bool:
    """Lock a file until it is closed, so that no other client goes on with it; return whether that is possible."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


def _candidates(path: Path) -> Iterator[Path]:
    """Yield ``name.ext``, then a free ``name (N).ext`` each time the previous name turned out to be taken.

    No state is kept between calls, so files that other programs add or remove make no difference.
    """
    yield path
    # As text: making a Path takes longer than checking the file system.
    start, end = f"{path.parent / path.stem} (", f"){path.suffix}"
    number = 0
    while True:
        number = _free_number(start, end, number)
        yield Path(f"{start}{number}{end}")


def _free_number(start: str, end: str, taken: int) -> int:
    """Return a free number above ``taken`` whose predecessor is taken; names are ``start``, the number, ``end``.

    The search doubles its step and then halves it: with 5,000 files of one name, 25 checks instead of 5,000.
    """
    step = 1
    while os.path.lexists(f"{start}{taken + step}{end}"):
        taken += step
        step *= 2
    free = taken + step
    while free - taken > 1:
        middle = (taken + free) // 2
        if os.path.lexists(f"{start}{middle}{end}"):
            taken = middle
        else:
            free = middle
    return free
