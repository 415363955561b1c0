"""Find the contents of attachments for an export: in the history file, and in the directory of kept files beside it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from chat.server.history.exchange.attachment_files import (
    ContentSource,
    DamagedContent,
    content_in_record,
)
from chat.server.history.files.file_directory import FileDirectory
from chat.server.history.stored import StoredRun

_PIECE = 1 << 20


def kept_contents(parent: Path) -> ContentSource:
    """Return the source of all contents that the data directory ``parent`` has. A server may be running."""
    directory = FileDirectory(parent)

    def content_of(message: StoredRun) -> Iterable[bytes] | None:
        digest = message.digest
        if digest is None:
            return content_in_record(message)
        try:
            descriptor = directory.open(digest)
        except FileNotFoundError:
            # It was removed for want of space.
            return None
        return _pieces(descriptor, digest)

    return content_of


def _pieces(descriptor: int, digest: bytes) -> Iterator[bytes]:
    found = hashlib.sha256()
    # Unbuffered: the pieces are large.
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            found.update(piece)
            yield piece
    if found.digest() != digest:
        raise DamagedContent
