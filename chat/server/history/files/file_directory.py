"""The directory of kept contents: ``files/ab/abcd…``, named by the SHA-256 of the content.

Contents arrive under other names in ``files/incoming``, and are renamed when they are whole. Those of interrupted
uploads that may go on are in ``files/parts``. All functions wait for the
disk, so the server calls them in threads. They raise OSError.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from chat.files.private_files import make_private_directory
from chat.files.syncing import sync_path

NAME = "files"
_PIECE = 1 << 20
_NAME_LENGTH = 2 * hashlib.sha256().digest_size


class FileDirectory:
    """The directory of kept contents in the data directory ``parent``. ``durable``: ``place`` waits for the disk."""

    def __init__(self, parent: Path, *, durable: bool = False) -> None:
        self.path = parent / NAME
        self.incoming = self.path / "incoming"
        self.parts = self.path / "parts"
        self.damaged = self.path / "damaged"
        self._durable = durable

    def prepare(self) -> None:
        """Make the directory, and remove contents that did not arrive whole."""
        make_private_directory(self.incoming)
        make_private_directory(self.parts)
        for path in list(self.incoming.iterdir()):
            if not path.is_dir():
                path.unlink()

    def new_path(self) -> Path:
        """Return a path in ``incoming`` for a content that arrives."""
        return self.incoming / secrets.token_hex(16)

    def path_of(self, digest: bytes) -> Path:
        """Return where the content with this SHA-256 is kept."""
        name = digest.hex()
        return self.path / name[:2] / name

    def place(self, arrived: Path, digest: bytes) -> None:
        """Rename a whole content to its place. It replaces an older copy, which a disk may have damaged."""
        target = self.path_of(digest)
        if self._durable:
            sync_path(arrived)
        is_new = not target.parent.is_dir()
        if is_new:
            make_private_directory(target.parent)
        arrived.replace(target)
        if self._durable:
            sync_path(target.parent)
            if is_new:
                sync_path(self.path)

    def remove(self, digest: bytes) -> None:
        """Remove a content, if it is there."""
        self.path_of(digest).unlink(missing_ok=True)

    def set_aside(self, digest: bytes) -> Path:
        """Move a damaged content out of the way; return its new path."""
        make_private_directory(self.damaged)
        aside = self.damaged / digest.hex()
        self.path_of(digest).replace(aside)
        return aside

    def open(self, digest: bytes) -> int:
        """Return a descriptor of a content, for reading."""
        return os.open(self.path_of(digest), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)

    def is_whole(self, digest: bytes) -> bool:
        """Return whether the content has its SHA-256."""
        # Unbuffered: the pieces are large.
        with open(self.path_of(digest), "rb", buffering=0) as file:
            found = hashlib.sha256()
            while piece := file.read(_PIECE):
                found.update(piece)
        return found.digest() == digest

    def sizes(self) -> dict[bytes, int]:
        """Return the sizes of all contents in bytes, by SHA-256. Other files are left alone."""
        return dict(self._scan())

    def _scan(self) -> Iterator[tuple[bytes, int]]:
        with suppress(FileNotFoundError):
            for folder in os.scandir(self.path):
                if len(folder.name) != 2 or not folder.is_dir(follow_symlinks=False):
                    continue
                for entry in os.scandir(folder.path):
                    if len(entry.name) == _NAME_LENGTH and entry.name.startswith(folder.name):
                        with suppress(ValueError, FileNotFoundError):
                            status = entry.stat(follow_symlinks=False)
                            if stat.S_ISREG(status.st_mode):
                                yield bytes.fromhex(entry.name), status.st_size
