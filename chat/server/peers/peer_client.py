"""Ask other servers of the cluster for a copy of the data, for contents, and for the key."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from chat.net.address import Address
from chat.server.peers.copies import COPY_FILES, make_incoming
from chat.server.peers.faults import DiskFault, PeerFault
from chat.server.peers.peer_facts import KeyPair, PeerFacts
from chat.server.peers.peer_process import PeerProcess


class ArrivedCopy(NamedTuple):
    """Name the files of a copy that is whole and on the disk, and their directory, which the owner removes."""

    directory: Path
    database: Path
    history: Path
    node: str  # the server that has made the copy

    def remove(self) -> None:
        """Remove what is left in the directory."""
        shutil.rmtree(self.directory, ignore_errors=True)


class PeerClient:
    """Ask other servers, by their addresses for peers. All methods wait, and raise PeerFault."""

    def __init__(self, process: PeerProcess) -> None:
        self._process = process

    def hello(self, address: Address) -> PeerFacts:
        """Ask a server who it is."""
        with _named(address):
            fields = self._process.ask("hello", {"address": _fields(address)}).fields
        return PeerFacts(fields["node"], fields["version"], fields["level"])

    def read_key(self, address: Address) -> KeyPair:
        """Ask for the key that the server shows its clients."""
        with _named(address):
            fields = self._process.ask("key", {"address": _fields(address)}).fields
        return KeyPair(fields["certificate"], fields["key"])

    def take_copy(self, address: Address, directory: Path) -> ArrivedCopy:
        """Let a server copy its data, and write the copy into a new directory in ``directory``.

        The disk has the files when this returns. After a failure nothing is left.
        """
        try:
            arriving = make_incoming(directory)
        except OSError as problem:
            raise DiskFault(f"cannot write in {directory}: {problem.strerror}") from None
        wanted = {
            "address": _fields(address),
            "directory": str(arriving),
            "names": list(COPY_FILES),
        }
        try:
            with _named(address):
                node = self._process.ask("copy", wanted).fields["node"]
        except BaseException:
            shutil.rmtree(arriving, ignore_errors=True)
            raise
        database, history = (arriving / name for name in COPY_FILES)
        return ArrivedCopy(arriving, database, history, node)

    def fetch_content(
        self,
        addresses: Sequence[Address],
        digest: bytes,
        size: int,
        descriptor: int,
        on_begun: Callable[[], object],
    ) -> None:
        """Fetch a content into an open file, from the first of the servers that can give it.

        If the file has bytes, the fetch goes on behind them. ``on_begun`` is called when the first byte is there. The
        content has been compared with its SHA-256 when this returns.
        """
        wanted = {
            "addresses": [_fields(address) for address in addresses],
            "sha256": digest.hex(),
            "size": size,
        }
        self._process.ask("fetch", wanted, [descriptor], on_begun)


@contextmanager
def _named(address: Address) -> Iterator[None]:
    """Say in a fault which server was asked."""
    try:
        yield
    except PeerFault as problem:
        raise type(problem)(f"{address}: {problem}") from None


def _fields(address: Address) -> list[object]:
    return [address.host, address.port]
