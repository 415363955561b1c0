"""A directory as one file: a tar archive, which every system can unpack."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from chat.client.cancellation import Cancellation
from chat.client.errors import NotSent

if TYPE_CHECKING:
    import tarfile

# Not /tmp: that is memory on many systems, and directories may be large.
_TEMPORARY = Path("/var/tmp")


def archive(directory: Path, limit: int, cancel: Cancellation) -> IO[bytes]:
    """A nameless temporary file with ``directory`` as a tar archive in it, at its beginning.

    Files, directories and symbolic links (as such, not what they point to) go in, under the name of the directory;
    who owns them does not, that is nobody's business. Blocks while it writes.
    Raises NotSent if the files have more than ``limit`` bytes or can't be read, TransferCancelled.
    """
    import tarfile  # takes a while to import, for something rare

    total = 0

    def only_contents(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        nonlocal total
        cancel.check()
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            return None
        total += member.size
        if total > limit:
            raise NotSent(
                f"{directory.name} is larger than the {limit} bytes that the server takes."
            )
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    folder = _TEMPORARY if _TEMPORARY.is_dir() else None
    try:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it is given to the caller
        try:
            with tarfile.open(fileobj=file, mode="w") as tar:
                tar.add(directory, arcname=directory.name, filter=only_contents)
            file.seek(0)
        except BaseException:
            file.close()
            raise
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        raise NotSent(f"{where}{problem.strerror or problem}.") from None
    return file
