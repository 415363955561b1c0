"""TLS on one connection, over real sockets, with Python's own TLS client at the other end."""

from __future__ import annotations

import os
import random
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

import gevent
import pytest
from gevent import socket

from chat.framing import SMALL_READ
from chat.server.net import tls
from chat.server.net.tls import TlsTransport
from tests.peers.certificates import Identity, make_identity
from tests.peers.tls_wire_client import trusting_context
from tests.server.fakes import FakeContent, run_ready_greenlets

if TYPE_CHECKING:
    pass

Pair = tuple[TlsTransport, ssl.SSLSocket]
Connect = Callable[..., Pair]
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


def shake_hands(transport: TlsTransport, deadline: float) -> None:
    while True:
        transport.receive(deadline)
        is_done = transport.advance()
        transport.flush_until(deadline)
        if is_done:
            return


@pytest.fixture
def connect(identity: Identity) -> Iterator[Connect]:
    """Our end and the peer's, after their handshake; the kernel takes ``buffer`` bytes."""
    with ExitStack() as ends:

        def connect(newest: ssl.TLSVersion = TLS_1_3, buffer: int | None = None) -> Pair:
            ours, peers = map(ends.enter_context, socket.socketpair())
            if buffer is not None:
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
            transport = TlsTransport(ours, identity.context())
            shaking = gevent.spawn(shake_hands, transport, time.monotonic() + 5)
            client = trusting_context(newest).wrap_socket(peers, suppress_ragged_eofs=False)
            ends.enter_context(client)
            client.settimeout(30)
            shaking.get(timeout=30)
            return transport, client

        yield connect


def receive_all(peers: ssl.SSLSocket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = peers.recv(65536)
        assert piece, f"the stream ended after {len(data)} of {size} bytes"
        data += piece
    return data


def read_some(transport: TlsTransport, size: int = 65536) -> bytes:
    buffer = memoryview(bytearray(size))
    return bytes(buffer[: transport.recv_into(buffer)])


# Both ways


@pytest.mark.parametrize("newest", [TLS_1_2, TLS_1_3])
def test_what_is_sent_arrives_both_ways(connect: Connect, newest: ssl.TLSVersion) -> None:
    transport, client = connect(newest)

    assert transport.try_send(memoryview(b"hello")) == 5
    assert client.recv(100) == b"hello"
    client.sendall(b"good day")
    assert read_some(transport) == b"good day"
    assert client.version() == newest.name.replace("v1_", "v1.")


def test_nothing_of_it_travels_in_plain(identity: Identity) -> None:
    ours, peers = socket.socketpair()
    with ours, peers:
        transport = TlsTransport(ours, identity.context())
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusting_context().wrap_bio(incoming, outgoing)
        for _ in range(2):
            try:
                client.do_handshake()
            except ssl.SSLWantReadError:
                peers.sendall(outgoing.read())
                transport.receive(None)
                transport.advance()
                transport.flush()
                incoming.write(peers.recv(65536))
        peers.sendall(outgoing.read())
        transport.receive(None)
        assert transport.advance()

        transport.try_send(b"secret" * 100)

        assert b"secret" not in peers.recv(65536)


# Out


def send_as_an_send_queue_does(
    data: bytes, offer: Callable[[int], int], transport: TlsTransport
) -> int:
    """Offer the rest again until nothing is left; how often the kernel took nothing."""
    sent = stalls = 0
    while sent < len(data):
        taken = offer(sent)
        sent += taken
        stalls += not taken
        if not taken:
            transport.wait_writable(5)
    return stalls


def test_one_who_reads_slowly_gets_every_byte_in_order(connect: Connect) -> None:
    transport, client = connect(buffer=4096)
    data = random.Random(1).randbytes(1_000_000)
    view = memoryview(data)

    sending = gevent.spawn(
        send_as_an_send_queue_does, data, lambda sent: transport.try_send(view[sent:]), transport
    )

    assert receive_all(client, len(data)) == data
    assert sending.get(timeout=30) > 10


def test_a_file_to_one_who_reads_slowly(connect: Connect) -> None:
    transport, client = connect(buffer=4096)
    data = random.Random(2).randbytes(1_000_000)
    content = FakeContent(b"before" + data + b"behind")

    def offer(sent: int) -> int:
        return transport.try_sendfile(content.fileno(), 6 + sent, len(data) - sent)

    sending = gevent.spawn(send_as_an_send_queue_does, data, offer, transport)

    assert receive_all(client, len(data)) == data
    assert sending.get(timeout=30) > 10
    assert transport.try_send(b"end") == 3
    assert client.recv(100) == b"end"
    content.release()


def test_a_file_that_is_too_short_is_an_error(connect: Connect) -> None:
    transport, _ = connect()
    content = FakeContent(b"short")

    with pytest.raises(OSError, match="shorter than"):
        transport.try_sendfile(content.fileno(), 0, 100)

    content.release()


def test_what_is_encrypted_and_not_taken_counts_as_not_sent(connect: Connect) -> None:
    transport, client = connect(buffer=4096)
    data = os.urandom(10_000_000)

    sent = transport.try_send(data)

    assert sent < 1_000_000
    assert transport.try_send(memoryview(data)[sent:]) == 0
    # Of what waits there is one record, however often it is tried.
    assert transport._core.size_to_send <= 17 * 1024
    received = receive_all(client, sent)
    assert received == data[: len(received)]


def test_a_peer_that_has_gone_is_an_error(connect: Connect) -> None:
    transport, client = connect()
    client.close()

    def send_until_it_fails() -> None:
        while transport.try_send(b"x" * 1000):
            continue

    with pytest.raises(OSError):
        send_until_it_fails()


def test_a_try_takes_no_longer_than_a_turn(
    monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    monkeypatch.setattr(tls, "_MOST_AT_ONCE", 100)
    transport, client = connect()

    assert transport.try_send(b"x" * 1000) == 100
    assert receive_all(client, 100) == b"x" * 100


# In


def test_what_has_come_together_is_read_together(connect: Connect) -> None:
    transport, client = connect()
    for number in range(100):
        client.sendall(b"%03d" % number)
    gevent.sleep(0.01)

    assert read_some(transport) == b"".join(b"%03d" % number for number in range(100))


def test_what_does_not_fit_is_read_next(connect: Connect) -> None:
    transport, client = connect()
    client.sendall(b"one after")
    client.sendall(b" another")

    pieces = [read_some(transport, 4) for _ in range(5)]

    assert b"".join(pieces) == b"one after another"


def test_what_is_decrypted_already_is_not_waited_for(connect: Connect) -> None:
    transport, client = connect()
    client.sendall(b"all at once")
    assert read_some(transport, 3) == b"all"

    with gevent.Timeout(30):
        transport.wait_readable()

    assert read_some(transport) == b" at once"


def test_one_who_is_silent_is_waited_for(connect: Connect) -> None:
    transport, client = connect()
    waiting = gevent.spawn(transport.wait_readable)
    run_ready_greenlets()
    assert not waiting.ready()

    client.sendall(b"x")

    waiting.get(timeout=30)


def test_a_time_limit_holds_for_one_who_trickles(connect: Connect) -> None:
    transport, client = connect()
    raw = os.dup(client.fileno())
    transport.settimeout(0.1)

    def trickle() -> None:
        # The beginning of a record that never ends.
        for byte in b"\x17\x03\x03\x40\x00" + b"x" * 1000:
            os.write(raw, bytes([byte]))
            gevent.sleep(0.01)

    trickling = gevent.spawn(trickle)
    with pytest.raises(TimeoutError), gevent.Timeout(30):
        read_some(transport)
    trickling.kill()
    os.close(raw)


def test_pieces_of_records_let_others_run(
    monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    # Smaller reads would gather, each for 0.2 s.
    monkeypatch.setattr(tls, "_scratch", memoryview(bytearray(SMALL_READ)))
    transport, client = connect()
    client.sendall(b"x" * 10_000)
    gevent.sleep(0.01)
    turns: list[int] = []
    other = gevent.spawn(lambda: turns.append(len(read)))
    read: list[bytes] = []

    read.append(read_some(transport))

    assert turns == [0]
    other.get()


def test_bytes_that_are_no_record_are_an_error(connect: Connect) -> None:
    transport, client = connect()
    os.write(client.fileno(), b"garbage that is longer than the head of a record")

    with pytest.raises(OSError):
        read_some(transport)


def test_answers_that_are_not_taken_are_not_kept_for_ever(connect: Connect) -> None:
    transport, client = connect(buffer=4096)
    while transport.try_send(b"x" * 65536):
        continue
    cast(Any, transport)._core._outgoing.write(
        b"x" * 100_000
    )  # as OpenSSL does when it is asked for very much
    client.sendall(b"and more")

    with pytest.raises(ConnectionAbortedError):
        read_some(transport)


# The end


def test_the_end_is_said_as_the_protocol_wants_it(connect: Connect) -> None:
    transport, client = connect()
    transport.try_send(b"last words")
    finishing = gevent.spawn(transport.finish, 5)

    assert client.recv(100) == b"last words"
    assert client.recv(100) == b""  # an end without a goodbye would raise
    client.close()
    finishing.get(timeout=30)


def test_a_goodbye_is_the_end_of_the_stream(connect: Connect) -> None:
    transport, client = connect()
    client.sendall(b"last words")
    parting = gevent.spawn(client.unwrap)

    assert read_some(transport) == b"last words"
    assert read_some(transport) == b""
    assert read_some(transport) == b""
    finishing = gevent.spawn(transport.finish, 5)
    parting.get(timeout=30)
    client.close()
    finishing.get(timeout=30)


def test_an_end_without_a_goodbye_is_one_too(connect: Connect) -> None:
    transport, client = connect()
    with socket.socket(fileno=client.detach()) as raw:
        raw.shutdown(socket.SHUT_WR)

        assert read_some(transport) == b""


def test_one_who_reads_nothing_is_not_said_goodbye_to_for_ever(connect: Connect) -> None:
    transport, _ = connect(buffer=4096)
    while transport.try_send(b"x" * 65536):
        continue
    began = time.monotonic()

    transport.finish(0.05)

    assert time.monotonic() - began < 20
