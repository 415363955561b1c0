"""Bytes leave by one connection, over real sockets."""

from __future__ import annotations

import socket as plain_socket
import struct
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import gevent
import pytest
from gevent import socket

from chat.server.net import transport as transport_module
from chat.server.net.transport import SENDFILE_CHUNK, Transport
from tests.end_to_end.kernel import is_in_flight
from tests.server.fakes import FakeContent, wait_until

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

Pair = tuple["GeventSocket", "GeventSocket"]


def connect() -> Pair:
    """Our end and the peer's, over TCP."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        peers = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    return ours, peers


@pytest.fixture(params=[connect, socket.socketpair], ids=["tcp", "unix"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Our end and the peer's, who waits for nothing longer than 5 seconds."""
    ours, peers = request.param()
    peers.settimeout(30)
    yield ours, peers
    ours.close()
    peers.close()


def fill(transport: Transport, ours: GeventSocket) -> int:
    """Send until neither kernel takes more; the bytes that they took."""
    sent = 0
    while taken := _fill_ours(transport):
        sent += taken
        # Bytes that arrive at the peer's kernel make room in ours.
        wait_until(lambda: not is_in_flight(ours), "what was sent to arrive")
    return sent


def _fill_ours(transport: Transport) -> int:
    sent = 0
    while taken := transport.try_send(b"x" * 65536):
        sent += taken
    return sent


def read_all(peers: GeventSocket) -> bytes:
    data = b""
    while piece := peers.recv(65536):
        data += piece
    return data


def test_what_the_kernel_takes_arrives(pair: Pair) -> None:
    ours, peers = pair

    assert Transport(ours).try_send(memoryview(b"hello")) == 5
    assert peers.recv(100) == b"hello"


def test_what_the_kernel_does_not_take_is_no_error(pair: Pair) -> None:
    ours, _ = pair
    transport = Transport(ours)

    assert fill(transport, ours) > 0
    assert transport.try_send(b"more") == 0


def test_a_peer_that_has_gone_is_an_error(pair: Pair) -> None:
    ours, peers = pair
    peers.close()

    def send_until_it_fails() -> None:
        while True:  # the first may go before the kernel knows
            Transport(ours).try_send(b"hello")
            gevent.sleep(0.001)

    with pytest.raises(ConnectionError):
        gevent.spawn(send_until_it_fails).get(timeout=30)


def test_a_file_goes_from_its_offset_on_in_bounded_pieces(pair: Pair) -> None:
    ours, peers = pair
    content = FakeContent(bytes(range(256)) * 8000)
    transport = Transport(ours)
    received = gevent.spawn(read_all, peers)
    offset = 1000
    while offset < content.size:
        sent = transport.try_sendfile(content.fileno(), offset, content.size - offset)
        assert sent <= SENDFILE_CHUNK
        offset += sent
        if not sent:
            transport.wait_writable(5)
    ours.shutdown(plain_socket.SHUT_WR)

    assert received.get(timeout=30) == content.data[1000:]


def test_no_more_of_a_file_goes_than_is_asked_for(pair: Pair) -> None:
    ours, peers = pair
    content = FakeContent(b"0123456789")

    assert Transport(ours).try_sendfile(content.fileno(), 2, 3) == 3
    assert peers.recv(100) == b"234"


def test_a_file_that_the_kernel_does_not_take_is_no_error(pair: Pair) -> None:
    ours, _ = pair
    transport = Transport(ours)
    fill(transport, ours)

    assert transport.try_sendfile(FakeContent(b"0123456789").fileno(), 0, 10) == 0


def test_a_file_that_is_too_short_is_an_error(pair: Pair) -> None:
    ours, _ = pair

    with pytest.raises(OSError, match="shorter than"):
        Transport(ours).try_sendfile(FakeContent(b"0123456789").fileno(), 10, 5)


def test_waiting_for_a_peer_who_says_something(pair: Pair) -> None:
    ours, peers = pair
    waiting = gevent.spawn(Transport(ours).wait_readable)
    gevent.idle()
    assert not waiting.ready()

    peers.sendall(b"hello")

    waiting.get(timeout=30)
    assert ours.recv(100) == b"hello"


def test_waiting_for_a_peer_who_closes(pair: Pair) -> None:
    ours, peers = pair
    waiting = gevent.spawn(Transport(ours).wait_readable)
    gevent.idle()

    peers.close()

    waiting.get(timeout=30)
    assert ours.recv(100) == b""


def test_waiting_for_a_peer_on_a_connection_that_we_end(pair: Pair) -> None:
    ours, _ = pair
    transport = Transport(ours)
    waiting = gevent.spawn(transport.wait_readable)
    gevent.idle()

    transport.abort()

    with pytest.raises(OSError):
        waiting.get(timeout=30)


def test_waiting_for_a_peer_that_reads(pair: Pair) -> None:
    ours, peers = pair
    transport = Transport(ours)
    fill(transport, ours)

    def wait_and_send() -> int:
        transport.wait_writable(5)
        return transport.try_send(b"more")

    waiting = gevent.spawn(wait_and_send)
    gevent.sleep(0)
    assert not waiting.ready()
    gevent.spawn(read_all, peers)

    assert waiting.get(timeout=30) == 4


@pytest.mark.parametrize("timeout", [0.01, 0, -5])
def test_waiting_for_a_peer_that_does_not_read_ends(pair: Pair, timeout: float) -> None:
    ours, _ = pair
    transport = Transport(ours)
    fill(transport, ours)

    with gevent.Timeout(30):
        transport.wait_writable(timeout)

    assert transport.try_send(b"more") == 0


@pytest.mark.parametrize("end", [Transport.abort, Transport.hang_up])
def test_ending_it_wakes_who_reads_and_who_writes(pair: Pair, end: object) -> None:
    ours, _ = pair
    transport = Transport(ours)
    fill(transport, ours)

    def read() -> bytes:
        try:
            return ours.recv(1)
        except OSError:  # gevent's word for a socket that was ended while somebody read
            return b""

    reading = gevent.spawn(read)
    writing = gevent.spawn(transport.wait_writable, 60)
    gevent.sleep(0)

    assert callable(end)
    end(transport)

    assert reading.get(timeout=30) == b""
    writing.get(timeout=30)
    with pytest.raises(OSError):
        transport.try_send(b"more")


def test_ending_it_twice_or_after_the_peer_is_no_error(pair: Pair) -> None:
    ours, peers = pair
    transport = Transport(ours)
    transport.abort()
    peers.close()

    transport.abort()
    transport.hang_up()


def test_a_peer_that_reset_the_connection_can_be_aborted_too(pair: Pair) -> None:
    ours, peers = pair
    peers.setsockopt(plain_socket.SOL_SOCKET, plain_socket.SO_LINGER, struct.pack("ii", 1, 0))
    peers.close()

    Transport(ours).abort()


def test_hanging_up_delivers_what_was_sent(pair: Pair) -> None:
    ours, peers = pair
    transport = Transport(ours)
    transport.try_send(b"goodbye")

    transport.hang_up()
    ours.close()

    assert read_all(peers) == b"goodbye"


def test_finishing_waits_for_the_peer_to_close(pair: Pair) -> None:
    ours, peers = pair
    transport = Transport(ours)
    transport.try_send(b"goodbye")
    peers.sendall(b"something that nobody reads")
    finishing = gevent.spawn(transport.finish, 5)

    assert read_all(peers) == b"goodbye"
    assert not finishing.ready()
    peers.close()

    finishing.get(timeout=30)


def test_what_a_peer_goes_on_sending_does_not_cost_it_the_last_words() -> None:
    ours, peers = connect()
    with ours, peers:
        peers.settimeout(30)
        transport = Transport(ours)
        peers.sendall(b"x" * 100_000)
        transport.try_send(b"that was too much")
        finishing = gevent.spawn(transport.finish, 5)
        gevent.sleep(0)
        peers.sendall(b"x" * 1_000_000)
        peers.shutdown(plain_socket.SHUT_WR)
        finishing.get(timeout=30)
        ours.close()

        assert read_all(peers) == b"that was too much"


@pytest.mark.parametrize("flooded", [False, True])
def test_finishing_with_a_peer_that_does_not_close_ends(
    monkeypatch: pytest.MonkeyPatch, pair: Pair, flooded: bool
) -> None:
    monkeypatch.setattr(transport_module, "_SILENCE", 0.05)
    monkeypatch.setattr(transport_module, "_LINGER_BYTES", 1_000_000)
    ours, peers = pair
    if flooded:
        gevent.spawn(peers.sendall, b"x" * 10_000_000)

    begun = time.monotonic()
    Transport(ours).finish(40)

    assert time.monotonic() - begun < 30


def test_finishing_ends_in_time_for_a_peer_that_trickles(pair: Pair) -> None:
    ours, peers = pair

    def trickle() -> None:
        while True:
            peers.sendall(b".")
            gevent.sleep(0.01)

    trickling = gevent.spawn(trickle)
    with gevent.Timeout(30):
        Transport(ours).finish(0.1)

    trickling.kill()


def test_finishing_with_a_peer_that_has_gone_is_no_error(pair: Pair) -> None:
    ours, peers = pair
    peers.close()

    Transport(ours).finish(5)
