"""Copy kept contents from one directory to another: those that are missing there, and none that are damaged."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
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


class ContentCopy:
    """Copy from ``source`` to ``target`` what it lacks. A server may be running with ``source``.

    ``has`` returns whether ``target`` need not get a content again, whose size there is right.
    """

    def __init__(
        self,
        source: FileDirectory,
        target: FileDirectory,
        has: Callable[[bytes], bool] = lambda digest: True,
    ) -> None:
        self._source = source
        self._target = target
        self._has = has
        self._placed: list[bytes] = []

    def run(self) -> CopiedContents:
        """Copy. Raises OSError."""
        self._target.prepare()
        there = self._target.sizes()
        size = 0
        damaged: list[Path] = []
        for digest, length in self._source.sizes().items():
            # A content never changes under its name.
            if there.get(digest) == length and self._has(digest):
                continue
            try:
                if not self._place(digest):
                    damaged.append(self._source.path_of(digest))
                    continue
            except FileNotFoundError:
                continue  # the server has removed it meanwhile
            size += length
        return CopiedContents(len(self._placed), size, tuple(damaged))

    def undo(self) -> None:
        """Remove what was copied. Raises OSError."""
        for digest in self._placed:
            self._target.remove(digest)

    def _place(self, digest: bytes) -> bool:
        """Copy a content; return False if it is damaged."""
        descriptor = self._source.open(digest)
        arriving = self._target.new_path()
        try:
            if _copy(descriptor, arriving) != digest:
                return False
            self._target.place(arriving, digest)
        finally:
            arriving.unlink(missing_ok=True)
        self._placed.append(digest)
        return True


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
