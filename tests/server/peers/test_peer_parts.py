"""Two servers as they are put together from their settings: a copy, an attachment and the key pass between them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from chat.net.address import Address
from chat.server.attachments.spool import Spool
from chat.server.history.files.kept_files import KeptFiles
from chat.server.history.writer import Writer
from chat.server.net.certificates import Certificates, store_pair
from chat.server.peers.contents import ContentAway
from chat.server.peers.faults import PeerFault
from chat.server.peers.peer_parts import PeerParts
from chat.server.peers.peer_secret import SecretFault
from chat.server.process.log_folding import FoldingLog
from chat.server.settings import Settings, TlsMode
from tests.server.fakes import wait_until


class Place:
    """A server of a cluster, without its users."""

    def __init__(self, directory: Path, node: str, stack: ExitStack) -> None:
        self.data = directory / node
        secret = directory / "secret"
        secret.write_text("s" * 64)
        self.settings = Settings(
            node=node,
            data_directory=self.data,
            peer_secret_file=secret,
            peer_listen=Address("127.0.0.1", 0),
            peer_address=Address("127.0.0.1", 0),
            tls=TlsMode.OPTIONAL,
        )
        Writer(self.data, bound=0).close()
        self.spool = Spool(directory, 100_000_000)
        self.files = KeptFiles(self.data, 100_000_000)
        self.files.start()
        self.spool.keep_in(self.files)
        stack.callback(self.files.stop, 5)
        self.certificates = Certificates(self.settings)
        self.certificates.load()
        self.parts = PeerParts(self.settings, 7)
        self.parts.start()
        stack.callback(self.parts.stop)
        self.contents = self.parts.make_contents(self.spool, self.files, FoldingLog())

    def serve(self, *, has_key: bool = True) -> Address:
        certificates = self.certificates if has_key else None
        return self.parts.serve(self._make_copy, self.files, certificates)

    def _make_copy(self, directory: Path) -> None:
        (directory / "chat.db").write_text(f"accounts of {self.settings.node}")
        (directory / "history.db").write_text("history")

    def keep(self, content: bytes) -> bytes:
        """Keep a content as an upload; return its SHA-256."""
        digest = hashlib.sha256(content).digest()
        path = self.files.place_for(len(content))
        assert path is not None
        path.write_bytes(content)
        assert self.files.keep(path, digest, len(content), "")
        return digest


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Callable[[str], Place]]:
    with ExitStack() as stack:
        yield lambda node: Place(tmp_path, node, stack)


def test_what_passes_between_two_servers(places: Callable[[str], Place]) -> None:
    a, b = places("a"), places("b")
    address = a.serve()
    assert address.port
    client = b.parts.client
    assert (client.hello(address).node, client.hello(address).level) == ("a", 7)

    copy = client.take_copy(address, b.data)
    assert copy.database.read_text() == "accounts of a"
    copy.remove()

    store_pair(b.data, *vars(client.read_key(address)).values())
    b.certificates.load()
    assert b.certificates.fingerprint == a.certificates.fingerprint

    content = os.urandom(300_000)
    digest = a.keep(content)
    with pytest.raises(ContentAway):
        b.contents.get(hashlib.sha256(b"").digest(), 100_000, [address])
    found = b.contents.get(digest, len(content), [address])
    assert os.pread(found.fileno(), found.size, 0) == content
    assert b.files.has(digest)
    found.release()
    wait_until(lambda: b.spool.used == 0)


def test_a_server_without_tls_has_no_key(places: Callable[[str], Place]) -> None:
    a, b = places("a"), places("b")
    address = a.serve(has_key=False)
    with pytest.raises(PeerFault, match="no TLS with clients"):
        b.parts.client.read_key(address)


def test_a_bad_secret_is_said_before_the_start(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short")
    settings = Settings(data_directory=tmp_path, peer_secret_file=tmp_path / "secret")
    with pytest.raises(SecretFault):
        PeerParts(replace(settings, node="a"), 1)
