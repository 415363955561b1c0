"""Put together the parts by which a server of a cluster reaches the others, and they reach it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chat import __version__
from chat.net.address import Address
from chat.server.attachments.spool import Spool
from chat.server.history.files.kept_files import KeptFiles
from chat.server.history.files.opened_files import FileGone
from chat.server.net.certificates import CertificateFault, Certificates
from chat.server.net.listening import listen
from chat.server.peers.contents import PeerContents
from chat.server.peers.faults import PeerFault
from chat.server.peers.peer_client import PeerClient
from chat.server.peers.peer_facts import KeyPair, PeerFacts
from chat.server.peers.peer_process import PeerProcess
from chat.server.peers.peer_secret import read_secret
from chat.server.peers.peer_server import HeldContent, PeerServer, SharedData
from chat.server.process.log_folding import FoldingLog
from chat.server.settings import Settings


class PeerParts:
    """The parts of a server with ``settings``, which are those of a cluster; ``level`` is its feature level.

    ``client`` works between ``start`` and ``stop``: a server may take a copy before it has data to serve. Raises
    SecretFault.
    """

    def __init__(self, settings: Settings, level: int) -> None:
        assert settings.data_directory is not None, "a server of a cluster keeps its data"
        assert settings.peer_secret_file is not None, "a server of a cluster has a secret"
        self._settings = settings
        facts = PeerFacts(settings.node, __version__, level)
        secret = read_secret(settings.peer_secret_file)
        self.process = PeerProcess(secret, facts, settings.data_directory)
        self.client = PeerClient(self.process)
        self._server: PeerServer | None = None

    def start(self) -> None:
        """Start the process that has the connections. Waits. Raises PeerFault."""
        self.process.start()

    def serve(
        self,
        make_copy: Callable[[Path], None],
        files: KeptFiles | None,
        certificates: Certificates | None,
    ) -> Address:
        """Answer other servers from now on; return the address at which they reach this one.

        ``make_copy`` puts a copy of the data into a directory; it is called in a thread. Raises PeerFault, and OSError
        if the server cannot listen.
        """

        def open_content(digest: bytes, size: int) -> HeldContent:
            if files is None:
                raise FileGone
            return files.open(digest, size)

        def read_key() -> KeyPair:
            if certificates is None:
                raise PeerFault("it speaks no TLS with clients, and has no key")
            try:
                return KeyPair(*certificates.read_pair())
            except CertificateFault as problem:
                raise PeerFault(str(problem)) from None

        listening = listen(self._settings.peer_listen)
        self._server = PeerServer(
            self.process, listening, SharedData(make_copy, open_content, read_key)
        )
        self._server.start()
        reached = self._settings.peer_address or self._settings.peer_listen
        port: int = listening[0].getsockname()[1]
        # Port 0 stands for the port that the kernel has chosen.
        return reached if reached.port else Address(reached.host, port)

    def make_contents(
        self, spool: Spool, files: KeptFiles | None, troubles: FoldingLog
    ) -> PeerContents:
        """Return the part that gets attachments from other servers."""
        return PeerContents(self.client, spool, files, troubles)

    def stop(self) -> None:
        """End all connections, and stop listening."""
        self.process.stop()
        if self._server is not None:
            self._server.stop()
