"""Write received contents to disk: under a temporary name first, under the final name once they are complete.

The name that a peer gives a file is not trusted. The file always lands in the save directory, is never hidden, and
never replaces another file. All functions here may wait for a disk.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from chat.client.errors import SaveFailed, explain
from chat.protocol.filenames import clean_filename

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# The errors of link() on file systems without hard links, and where a policy forbids hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def given_path(path: str | Path) -> Path:
    """Return the path that a caller gave. Raises ValueError if empty: pathlib would take the current directory."""
    if isinstance(path, str) and not path.strip():
        raise ValueError("empty path: expected the path of a file or a directory")
    return Path(path)


class Sink(Protocol):
    """A destination for the bytes of a content. ``size`` is the number of bytes written so far."""

    size: int

    def write(self, data: bytes | memoryview) -> None:
        """Write all of ``data``. May wait for a disk. Raises SaveFailed."""
        ...


class FileSink:
    """A sink that writes to an open file. ``filename`` is the name of the content, for messages."""

    def __init__(self, file: BinaryIO, filename: str) -> None:
        self.size = 0
        self._file = file
        self._filename = filename

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

    ``size`` is the number of bytes written so far. The constructor, ``write`` and ``finish`` raise SaveFailed, and
    then have removed the file already.
    """

    def __init__(self, directory: str | Path, filename: str) -> None:
        self.size = 0
        self._settled = False
        self._directory = Path(directory)
        self._filename = clean_filename(filename)
        try:
            self._part, self._descriptor = _create(self._directory / f"{self._filename}.part")
        except OSError as error:
            raise self._failure(error) from None

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


def _create(wanted: Path) -> tuple[Path, int]:
    """Create an empty file at ``wanted``, or at the next free name. Return its path and descriptor."""
    for path in _candidates(wanted):
        with suppress(FileExistsError):
            return path, os.open(path, _CREATE, 0o666)
    raise AssertionError("the candidates never end")


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
