"""Pack a directory into one file: a tar archive, which every system can unpack."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from chat.client.errors import NotSent
from chat.client.runtime.cancellation import Cancellation
from chat.sizes import byte_count

if TYPE_CHECKING:
    import tarfile

# Not /tmp, which is in memory on many systems: directories may be large.
_TEMPORARY = Path("/var/tmp")
_LONGEST_PATH = 100  # characters of a path in an error message


def archive(directory: Path, limit: int, cancel: Cancellation) -> IO[bytes]:
    """Write ``directory`` as a tar archive to a nameless temporary file; return the file at position 0.

    The archive has files, directories, and symbolic links (not their targets), below the name of the directory. It
    leaves out the owners, which are private. Blocks while it writes.
    Raises NotSent if the files have more than ``limit`` bytes or can't be read, TransferCancelled.
    """
    # Both take a while to import, and users rarely send a directory.
    import tarfile
    import tempfile

    total = 0

    def only_contents(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        nonlocal total
        cancel.check()
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            return None  # sockets, devices and named pipes have no content to send
        total += member.size
        # Checked while packing, so that a huge directory does not fill the disk first.
        if total > limit:
            raise NotSent(f"{directory.name} is too large: the limit is {byte_count(limit)}.")
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    folder = _TEMPORARY if _TEMPORARY.is_dir() else None
    try:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the caller closes it
        try:
            with tarfile.open(fileobj=file, mode="w") as tar:
                for path, name in _walk(directory):
                    tar.add(path, name, recursive=False, filter=only_contents)
            file.seek(0)
        except BaseException:
            file.close()
            raise
    except OSError as problem:
        raise NotSent(f"{_where(problem, directory)}{problem.strerror or problem}.") from None
    return file


def _walk(directory: Path) -> Iterator[tuple[str, str]]:
    """Yield each path below ``directory`` and its name in the archive, a directory before its entries.

    Uses a list instead of recursion: Python stops a recursion at a depth of a thousand.
    """
    waiting = [(os.fspath(directory), directory.name, True)]
    while waiting:
        path, name, is_directory = waiting.pop()
        yield path, name
        if is_directory:
            with os.scandir(path) as entries:
                found = sorted(entries, key=lambda entry: entry.name, reverse=True)
            waiting += [
                (each.path, f"{name}/{each.name}", each.is_dir(follow_symlinks=False))
                for each in found
            ]


def _where(problem: OSError, directory: Path) -> str:
    """Return the path of ``problem``, shortened to fit in a line, and a colon; nothing if there is no path."""
    path = problem.filename
    if not isinstance(path, str):
        return ""
    if len(path) > _LONGEST_PATH:
        return f"{directory}/…/{Path(path).name[-_LONGEST_PATH:]}: "
    return f"{path}: "
