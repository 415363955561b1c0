"""Compare all kept contents with their SHA-256, also while a server runs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from chat.server.history.faults import faults
from chat.server.history.files.file_directory import FileDirectory


class Checked(NamedTuple):
    """Tell how many contents were checked, their bytes, and where the damaged ones are now."""

    files: int
    bytes: int
    damaged: tuple[Path, ...]


def check_files(parent: Path) -> Checked:
    """Check the contents in the data directory ``parent``, and set the damaged ones aside. Raises HistoryFault.

    A server that runs notices that a content is missing when a user wants it.
    """
    directory = FileDirectory(parent)
    files = size = 0
    damaged: list[Path] = []
    with faults(directory.path):
        for digest, length in directory.sizes().items():
            try:
                is_whole = directory.is_whole(digest)
                if not is_whole:
                    damaged.append(directory.set_aside(digest))
            except FileNotFoundError:
                continue  # the server has removed it meanwhile
            files += 1
            size += length
    return Checked(files, size, tuple(damaged))
