"""TLS handshakes that fail, each in its own way and in time."""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import gevent
import pytest
from gevent import socket

from chat.framing import DeadlineExceeded
from chat.server.net.tls import HandshakeFailed, TlsTransport
from tests.peers.certificates import make_identity
from tests.peers.tls_wire_client import trusting_context
from tests.server.net.test_tls import shake_hands

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return make_identity(tmp_path_factory.mktemp("identity")).context()


@pytest.fixture
def stranger(context: ssl.SSLContext) -> Iterator[tuple[TlsTransport, GeventSocket]]:
    ours, peers = socket.socketpair()
    with ours, peers:
        yield TlsTransport(ours, context), peers


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16garbage" * 10,
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",  # a hello of one byte
        b"\x16\x03\x01\xff\xff" + b"x" * 70_000,  # a record longer than any may be
    ],
)
def test_garbage_is_no_handshake(stranger: tuple[TlsTransport, GeventSocket], sent: bytes) -> None:
    transport, peers = stranger
    sending = gevent.spawn(peers.sendall, sent)

    with pytest.raises(HandshakeFailed, match=r"^TLS handshake failed: [a-z ]+$"):
        shake_hands(transport, time.monotonic() + 5)

    sending.kill()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_a_client_that_is_too_old_is_refused(stranger: tuple[TlsTransport, GeventSocket]) -> None:
    transport, peers = stranger
    shaking = gevent.spawn(shake_hands, transport, time.monotonic() + 5)
    old = trusting_context(ssl.TLSVersion.TLSv1_1)
    old.minimum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    calling = gevent.spawn(old.wrap_socket, peers)

    with pytest.raises(HandshakeFailed, match="unsupported protocol"):
        shaking.get(timeout=30)

    transport._sock.close()
    with pytest.raises(OSError):
        calling.get(timeout=30)


def test_a_handshake_that_stalls_ends_in_time(
    stranger: tuple[TlsTransport, GeventSocket],
) -> None:
    transport, peers = stranger
    peers.sendall(b"\x16\x03\x01")

    with pytest.raises(DeadlineExceeded):
        shake_hands(transport, time.monotonic() + 0.05)


def test_a_handshake_that_ends(stranger: tuple[TlsTransport, GeventSocket]) -> None:
    transport, peers = stranger
    peers.sendall(b"\x16\x03\x01")
    peers.close()

    with pytest.raises(EOFError):
        shake_hands(transport, time.monotonic() + 5)


# Bytes that are changed on their way


class Peer:
    """A client whose bytes are at hand before they go."""

    def __init__(self, sock: GeventSocket) -> None:
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = trusting_context().wrap_bio(self._incoming, self._outgoing)

    def hello(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._outgoing.read()

    def finish(self) -> bytes:
        """The rest of the handshake, when the server has answered."""
        self._incoming.write(self._sock.recv(65536))
        self._tls.do_handshake()
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        self._tls.write(data)
        return self._outgoing.read()

    def goodbye(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.unwrap()
        return self._outgoing.read()


def broken(data: bytes, seed: int) -> bytes:
    """With a byte changed, left out, doubled, or all cut off from there on."""
    chance = random.Random(seed)
    at = chance.randrange(len(data))
    changed = bytes([data[at] ^ chance.randrange(1, 256)])
    instead = chance.choice([changed, b"", data[at : at + 1] * 2, None])
    return data[:at] if instead is None else data[:at] + instead + data[at + 1 :]


@pytest.mark.parametrize("stage", ["hello", "finish", "words"])
def test_nothing_of_what_is_changed_on_its_way_is_believed(
    context: ssl.SSLContext, stage: str
) -> None:
    for seed in range(40):
        with ExitStack() as ends:
            ours, peers = map(ends.enter_context, socket.socketpair())
            peers.settimeout(0.01)
            transport, peer = TlsTransport(ours, context), Peer(peers)
            buffer = memoryview(bytearray(65536))
            try:
                hello = peer.hello()
                peers.sendall(broken(hello, seed) if stage == "hello" else hello)
                transport.receive(time.monotonic() + 5)
                transport.advance()
                transport.flush()
                rest = peer.finish()
                peers.sendall(broken(rest, seed) if stage == "finish" else rest)
                transport.receive(time.monotonic() + 5)
                assert transport.advance() or stage == "finish"
                words = peer.encrypt(b"pay alice") + peer.encrypt(b" a hundred")
                peers.sendall(broken(words, seed))
                peers.shutdown(socket.SHUT_WR)
                size = transport.recv_into(buffer)
            except (HandshakeFailed, OSError, EOFError):
                continue
            # A cut may leave whole records, and nothing else.
            assert bytes(buffer[:size]) in (b"", b"pay alice", b"pay alice a hundred")


# Messages before the fault still pass


BROKEN_RECORD = b"\x17\x03\x03\x00\x20" + b"x" * 32
PLAIN_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"


class Talk(NamedTuple):
    """A connection after its handshake."""

    transport: TlsTransport
    peer: Peer
    peers: GeventSocket


@pytest.fixture
def talk(stranger: tuple[TlsTransport, GeventSocket]) -> Talk:
    transport, peers = stranger
    peer = Peer(peers)
    peers.sendall(peer.hello())
    transport.receive(time.monotonic() + 5)
    transport.advance()
    transport.flush()
    peers.sendall(peer.finish())
    transport.receive(time.monotonic() + 5)
    assert transport.advance()
    return Talk(transport, peer, peers)


@pytest.mark.parametrize("end", [BROKEN_RECORD, PLAIN_ALERT, None], ids=["garbage", "alert", "bye"])
# The second fills what is received in one go to the last byte, with records of 22 bytes more than their content.
@pytest.mark.parametrize("size", [10, 32 * 1024 - 2 * 22, 40_000])
def test_words_before_an_end_are_read_and_then_the_end_though_the_stream_stays_open(
    talk: Talk, end: bytes | None, size: int
) -> None:
    words = b"w" * size
    ciphertext = talk.peer.encrypt(words) + (end or talk.peer.goodbye())
    talk.peers.sendall(ciphertext)
    buffer = memoryview(bytearray(256 * 1024))
    read = b""
    with gevent.Timeout(30):
        while len(read) < size:
            talk.transport.wait_readable()
            count = talk.transport.recv_into(buffer)
            assert count
            read += buffer[:count]
        talk.transport.wait_readable()
        try:
            assert talk.transport.recv_into(buffer) == 0
        except ssl.SSLError:
            assert end is not None

    assert read == words
