"""Copy kept contents from one directory to another: those that are missing there, and none that are damaged."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from chat.files.private_files import private_opener
from chat.files.syncing import GrowingFile
from chat.server.history.files.file_directory import FileDirectory

_PIECE = 1 << 20


class CopiedContents(NamedTuple):
    """Count the contents that were copied and their bytes, and name those that are damaged."""

    files: int
    bytes: int
    damaged: tuple[Path, ...]


def copy_contents(source: FileDirectory, target: FileDirectory) -> CopiedContents:
    """Copy to ``target`` what it lacks. A server may be running with ``source``. Raises OSError."""
    target.prepare()
    there = target.sizes()
    files = size = 0
    damaged: list[Path] = []
    for digest, length in source.sizes().items():
        if there.get(digest) == length:
            continue  # a content never changes under its name
        arriving = target.new_path()
        try:
            is_whole = _copy(source.open(digest), arriving) == digest
        except FileNotFoundError:
            continue  # the server has removed it meanwhile
        except BaseException:
            arriving.unlink(missing_ok=True)
            raise
        if not is_whole:
            arriving.unlink()
            damaged.append(source.path_of(digest))
            continue
        target.place(arriving, digest)
        files += 1
        size += length
    return CopiedContents(files, size, tuple(damaged))


def remove_others(source: FileDirectory, target: FileDirectory) -> None:
    """Remove from ``target`` what ``source`` does not have. Raises OSError."""
    for digest in target.sizes().keys() - source.sizes().keys():
        target.remove(digest)


def _copy(descriptor: int, target: Path) -> bytes:
    """Copy an open file, which is closed, to the new file ``target``; return its SHA-256."""
    found = hashlib.sha256()
    with (
        open(descriptor, "rb", buffering=0) as source,
        open(target, "xb", buffering=0, opener=private_opener) as copy,
    ):
        growing = GrowingFile(copy.fileno())
        while piece := source.read(_PIECE):
            found.update(piece)
            left = memoryview(piece)
            while left:
                left = left[os.write(copy.fileno(), left) :]
            growing.sync_in_time()
    return found.digest()
