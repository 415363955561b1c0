"""Connect to another server, and ask it: see ``answering`` for the requests."""

from __future__ import annotations

import ssl as standard_ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import gevent
from gevent import socket, ssl

from chat.net.address import Address
from chat.server.peers.faults import ContentMissing, PeerFault, PeerUnreachable, fault_of
from chat.server.peers.links.answering import is_count
from chat.server.peers.links.greeting import greet_listener
from chat.server.peers.links.link_limits import LinkLimits
from chat.server.peers.links.peer_stream import PeerStream
from chat.server.peers.links.proof import digest_of
from chat.server.peers.peer_facts import KeyPair, PeerFacts

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812
    from gevent.ssl import SSLSocket


class CopiedFile(NamedTuple):
    """Announce a file of a copy: its name, and its size in bytes."""

    name: str
    size: int


class PeerLink:
    """A connection to the server ``node``, which has proved to know the secret. All methods raise PeerFault."""

    def __init__(self, stream: PeerStream, node: str, limits: LinkLimits) -> None:
        self.node = node
        self.stream = stream
        self._limits = limits

    def __enter__(self) -> PeerLink:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stream.close()

    def hello(self, me: PeerFacts) -> PeerFacts:
        """Tell the peer who we are, and return who it is."""
        answer = self._ask("hello", node=me.node, version=me.version, level=me.level)
        node, version, level = (answer.get(key) for key in ("node", "version", "level"))
        if not isinstance(node, str) or not isinstance(version, str) or not is_count(level):
            raise PeerFault("its answer to hello is not understood")
        return PeerFacts(node, version, level)

    def read_key(self) -> KeyPair:
        """Return the key that the peer shows its clients."""
        answer = self._ask("key")
        certificate, key = answer.get("certificate"), answer.get("key")
        if not isinstance(certificate, str) or not isinstance(key, str):
            raise PeerFault("its answer to key is not understood")
        return KeyPair(certificate, key)

    def ask_for_copy(self) -> list[CopiedFile]:
        """Let the peer copy its data; return the files, whose bytes are next in ``stream``. Waits for minutes."""
        unprepared = PeerUnreachable("the copy is not ready yet, after too long a time")
        with gevent.Timeout(self._limits.preparing, unprepared):
            answer = self._ask("copy")
            while answer.get("answer") == "wait":
                answer = self._read()
        files = answer.get("files")
        if not isinstance(files, list):
            raise PeerFault("its answer to copy is not understood")
        return [_copied_file(each) for each in files]

    def receive_content(
        self, digest: bytes, size: int, offset: int, take: Callable[[memoryview], None]
    ) -> None:
        """Hand a content from ``offset`` on to ``take``, also if the connection is cut. Raises ContentMissing."""
        answer = self._ask("content", sha256=digest.hex(), size=size, offset=offset)
        if answer.get("length") != size - offset:
            raise ContentMissing("its answer to content is not understood")
        self.stream.receive(size - offset, take)

    def _ask(self, request: str, **fields: Any) -> Mapping[str, Any]:
        self.stream.send_line({"request": request, **fields})
        return self._read()

    def _read(self) -> Mapping[str, Any]:
        answer = self.stream.read_line()
        if answer is None:
            raise PeerUnreachable("the peer has closed the connection")
        if "fault" in answer:
            raise fault_of(answer["fault"], answer.get("why"))
        return answer


class LinkMaker(NamedTuple):
    """Open connections to other servers, for the server ``node``."""

    node: str
    secret: bytes
    context: ssl.SSLContext
    limits: LinkLimits

    def open(self, address: Address) -> PeerLink:
        """Connect, and let both sides prove that they know the secret. Raises PeerFault."""
        sock = self._connect(address)
        try:
            late = PeerUnreachable("it did not prove in time that it knows the secret")
            with gevent.Timeout(self.limits.greeting, late):
                return self._greet(sock)
        except standard_ssl.SSLError as problem:
            reason = (problem.reason or "no handshake").replace("_", " ").lower()
            raise PeerUnreachable(f"no TLS between servers ({reason})") from None
        except OSError as problem:
            raise PeerUnreachable(problem.strerror or "the connection was cut") from None
        finally:
            sock.close()  # nothing, once TLS has taken the descriptor

    def _connect(self, address: Address) -> GeventSocket:
        late = PeerUnreachable("no connection in time")
        try:
            with gevent.Timeout(self.limits.connect, late):
                sock = socket.create_connection((address.host, address.port))
        except OSError as problem:
            raise PeerUnreachable(f"cannot connect: {problem.strerror or problem}") from None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _greet(self, sock: GeventSocket) -> PeerLink:
        tls: SSLSocket = self.context.wrap_socket(sock, do_handshake_on_connect=False)
        try:
            tls.do_handshake()
            certificate = tls.getpeercert(binary_form=True)
            if certificate is None:
                raise PeerFault("it has no certificate")
            stream = PeerStream(tls, self.limits)
            node = greet_listener(stream, self.secret, digest_of(certificate), self.node)
        except BaseException:
            tls.close()
            raise
        return PeerLink(stream, node, self.limits)


def _copied_file(value: object) -> CopiedFile:
    if isinstance(value, dict):
        name, size = value.get("name"), value.get("size")
        if isinstance(name, str) and is_count(size):
            return CopiedFile(name, size)
    raise PeerFault("its answer to copy is not understood")
