"""Connect this server with the others of its cluster: copies, contents of attachments, and the key."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import gevent

from chat import __version__
from chat.net.address import Address, parse_address
from chat.process.offload import run_in
from chat.protocol.frames import Frame, LargeContent
from chat.server.attachments.spool import Spool
from chat.server.cluster.redis_connection import EngineAway
from chat.server.delivery.awaited import AwaitedContent
from chat.server.history.files.kept_files import KeptFiles
from chat.server.history.files.opened_files import FileGone
from chat.server.net.certificates import key_files, store_pair
from chat.server.net.listening import listen, why_not_listening
from chat.server.peers.contents import ContentAway, PeerContents
from chat.server.peers.faults import PeerFault
from chat.server.peers.peer_client import ArrivedCopy, PeerClient
from chat.server.peers.peer_facts import KeyPair, PeerFacts
from chat.server.peers.peer_process import PeerProcess
from chat.server.peers.peer_secret import SecretFault, read_secret
from chat.server.peers.peer_server import PeerServer, SharedData
from chat.server.replication.beginning import stoppable, try_for_a_minute
from chat.server.replication.durability import require_durable_engine
from chat.server.replication.faults import CannotFollow
from chat.server.replication.leases import forget_peer_address, read_peers, tell_peer_address
from chat.server.replication.record_codec import VERSION
from chat.server.replication.server_list import ServerList
from chat.server.replication.shared_log import content_away
from chat.server.replication.stored.arriving import CannotArrive, OperatorNeeded, prepare_data
from chat.server.replication.stored.copying import copy_data
from chat.server.settings import Settings, TlsMode

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

log = logging.getLogger("chat.server")


class AbsentContent(AwaitedContent):
    """A content that other servers have: it is fetched when the first user gets it."""

    def __init__(self, size: int, digest: bytes | None, home: str, links: PeerLinks) -> None:
        super().__init__(size)
        self._digest = digest
        self._home = home
        self._links = links

    def await_frame(self, frame: Frame) -> Frame:
        """Fetch the content; see ``AwaitedContent``."""
        try:
            content = self._links.fetch(self._digest, self.size, self._home)
        except ContentAway as away:
            return content_away(frame, str(away))
        return Frame(frame.type, frame.header, large=content, offset=frame.offset)


class PeerLinks:
    """The connections of a server with ``settings``. ``servers`` are those that the log knows."""

    def __init__(self, settings: Settings) -> None:
        assert settings.data_directory is not None, "a server of a cluster has a data directory"
        assert settings.cluster is not None
        self.servers: ServerList | None = None
        self.address: Address | None = settings.peer_address
        self._url = settings.cluster
        self._settings = settings
        self._directory: Path = settings.data_directory
        self._process: PeerProcess | None = None
        self._client: PeerClient | None = None
        self._contents: PeerContents | None = None
        self._server: PeerServer | None = None
        self._files: KeptFiles | None = None
        self._spool: Spool | None = None
        self._run = ""
        self._greeting: gevent.Greenlet[..., None] | None = None

    def use(self, spool: Spool, files: KeptFiles | None) -> None:
        """Get the parts that have contents."""
        self._spool, self._files = spool, files

    def arrive(self, tell: Callable[[str], object]) -> None:
        """Bring the data to the log, and get the key of the cluster. Called first. ``tell`` gets what it waits for.

        Raises CannotFollow, and KeyboardInterrupt for a signal to stop.
        """
        try:
            with stoppable():
                self._arrive(tell)
        except (KeyboardInterrupt, CannotFollow):
            self.stop()
            raise
        except (SecretFault, PeerFault, CannotArrive, EngineAway) as problem:
            self.stop()
            needs_operator = isinstance(problem, (SecretFault, OperatorNeeded))
            raise CannotFollow(str(problem), needs_operator=needs_operator) from None

    def _arrive(self, tell: Callable[[str], object]) -> None:
        settings = self._settings
        assert settings.peer_secret_file is not None, "the options were checked"
        secret = read_secret(settings.peer_secret_file)
        facts = PeerFacts(settings.node, __version__, VERSION)
        self._process = PeerProcess(secret, facts, self._directory)
        self._process.start()
        self._client = client = PeerClient(self._process)
        self._prepare(client, tell)
        if settings.durable:
            require_durable_engine(self._url)
        if settings.tls is not TlsMode.OFF and settings.tls_cert is None:
            self._take_key(client)

    def _prepare(self, client: PeerClient, tell: Callable[[str], object]) -> None:
        """Bring the data to the log; wait for the engine and for other servers for a minute."""

        asked: set[Address] = set()

        def take_copy(address: Address, directory: Path) -> ArrivedCopy:
            words = f"asking the server at {address} for a copy of the data"
            tell(words)
            if address not in asked:
                asked.add(address)
                log.info(words)
            return client.take_copy(address, directory)

        def attempt() -> None:
            prepare_data(self._directory, self._url, take_copy, (PeerFault,))

        try_for_a_minute(attempt, (EngineAway, CannotArrive), "cannot begin yet", tell)

    def _take_key(self, client: PeerClient) -> None:
        """Get the key that the other servers show to clients, unless this one has a key. Raises EngineAway."""
        if any(path.exists() for path in key_files(self._directory)):
            return
        for address in read_peers(self._url):
            try:
                pair = client.read_key(address)
            except PeerFault as fault:
                log.warning("cannot get the key of the cluster: %s", fault)
                continue
            store_pair(self._directory, pair.certificate, pair.key)
            log.info("took over the key of the cluster from the server at %s", address)
            return

    def open(self, run: str) -> None:
        """Serve other servers from now on; ``run`` is the name of this server's run. Raises CannotFollow."""
        assert self._process is not None, "arrived before"
        settings = self._settings
        try:
            listening: Sequence[GeventSocket] = listen(settings.peer_listen)
        except OSError as problem:
            why = why_not_listening(settings.peer_listen, problem)
            raise CannotFollow(f"no port for other servers (--peer-listen): {why}") from None
        data = SharedData(partial(copy_data, self._directory), self._open_content, self._read_key)
        self._server = PeerServer(self._process, listening, data)
        self._server.start()
        port = listening[0].getsockname()[1]
        address = settings.peer_address or settings.peer_listen
        self.address = Address(address.host or "127.0.0.1", address.port or port)
        self._run = run
        tell_peer_address(self._url, run, self.address)
        log.info("listening for other servers on port %d; they reach it at %s", port, self.address)
        self._greeting = gevent.spawn(self._greet_others)

    def _greet_others(self) -> None:
        """Find out now whether the other servers can be reached, and not when a user wants an attachment."""
        assert self._client is not None, "arrived before"
        try:
            others = [address for address in read_peers(self._url) if address != self.address]
        except EngineAway:
            return  # the log says so
        for address in others:
            try:
                self._client.hello(address)
            except PeerFault as fault:
                log.warning("no attachments and copies from other servers: %s", fault)

    def stop(self) -> None:
        """End all connections."""
        if self._greeting is not None:
            self._greeting.kill()
        if self._contents is not None:
            self._contents.stop()
        if self._run:
            forget_peer_address(self._url, self._run)
        if self._process is not None:
            self._process.stop()
        if self._server is not None:
            self._server.stop()

    # Contents

    def await_content(self, size: int, digest: bytes | None, home: str) -> AwaitedContent:
        """Return what stands for a content that the server run ``home`` has."""
        return AbsentContent(size, digest, home, self)

    def fetch(self, digest: bytes | None, size: int, home: str = "") -> LargeContent:
        """Return a content, which is held for the caller. Waits for another server. Raises ContentAway."""
        if digest is None or self._client is None or self._spool is None:
            raise ContentAway(
                "The content is at another server, which has not kept it.", is_gone=True
            )
        if self._contents is None:
            self._contents = PeerContents(self._client, self._spool, self._files)
        return self._contents.get(digest, size, self._addresses(home))

    def _addresses(self, home: str) -> list[Address]:
        """Return the addresses of the other servers, that of the server run ``home`` first."""
        servers = self.servers.all() if self.servers is not None else {}
        others = [(run != home, facts.peer) for run, facts in servers.items() if run != self._run]
        return [parse_address(peer) for _, peer in sorted(others) if peer]

    def _open_content(self, digest: bytes, size: int) -> LargeContent:
        if self._files is None:
            raise FileGone
        return self._files.open(digest, size)

    def _read_key(self) -> KeyPair:
        settings = self._settings
        certificate, key = settings.tls_cert, settings.tls_key
        if certificate is None or key is None:
            certificate, key = key_files(self._directory)
        read = partial(run_in, gevent.get_hub().threadpool)
        return KeyPair(read(certificate.read_text), read(key.read_text))
