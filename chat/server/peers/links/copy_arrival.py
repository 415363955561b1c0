"""Write the files of a copy as they arrive from another server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from chat.files.private_files import private_opener
from chat.files.syncing import GrowingFile, sync_path
from chat.server.peers.faults import DiskFault, PeerFault
from chat.server.peers.links.disk_calls import on_disk, write_all
from chat.server.peers.links.link import CopiedFile
from chat.server.peers.links.peer_stream import PeerStream
from chat.sizes import byte_count


def receive_copy(
    stream: PeerStream, files: Sequence[CopiedFile], names: Sequence[str], directory: Path
) -> list[Path]:
    """Write the files that are next in ``stream`` into ``directory``; return their paths when the disk has them.

    ``names`` are those that are expected, in this order. Raises PeerFault. Then files may be left in ``directory``.
    """
    if [file.name for file in files] != list(names):
        raise PeerFault(f"its copy has other files than {' and '.join(names)}")
    try:
        _require_space(directory, sum(file.size for file in files))
        paths = []
        for file in files:
            path = directory / file.name
            with open(path, "xb", buffering=0, opener=private_opener) as written:
                descriptor = written.fileno()
                stream.receive(file.size, _writer(descriptor))
                on_disk(os.fsync, descriptor)
            paths.append(path)
        on_disk(sync_path, directory)
    except OSError as problem:
        raise DiskFault(
            f"cannot write the copy into {directory}: {problem.strerror or problem}"
        ) from None
    return paths


def _require_space(directory: Path, size: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < size:
        raise DiskFault(
            f"the copy has {byte_count(size)}, and the disk of {directory} has {byte_count(free)} left"
        )


def _writer(descriptor: int) -> Callable[[memoryview], None]:
    """Return a function that writes pieces, and lets the disk write them in time."""
    file = GrowingFile(descriptor)

    def write(piece: memoryview) -> None:
        write_all(descriptor, piece)
        file.sync_in_time()

    return partial(on_disk, write)
