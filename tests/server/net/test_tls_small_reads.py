"""TLS in small reads: pieces of records and records of one byte are gathered, as plain bytes are; others are not."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent import socket

from chat.framing import gather_delay
from chat.process.fairness import yield_to_loop
from chat.protocol.descriptor import MessageType
from chat.server.net import tls
from chat.server.net.tls import TlsTransport
from tests.peers.certificates import Identity
from tests.peers.tls_wire_client import TlsWireClient, trusting_context
from tests.server.fakes import wait_until
from tests.server.net.test_handshakes import hello
from tests.server.net.test_tls import identity, read_some  # noqa: F401
from tests.server.server_in_test import TestServer


class Counter:
    """Calls of one method of every TlsTransport."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.calls = 0
        method = getattr(TlsTransport, name)

        def counted(transport: TlsTransport, *arguments: Any) -> Any:
            self.calls += 1
            return method(transport, *arguments)

        monkeypatch.setattr(TlsTransport, name, counted)


class Naps:
    """Record the pauses that gather small reads; none of them takes time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds: list[float] = []
        sleep = gevent.sleep

        def nap(seconds: float = 0.0) -> None:
            self.seconds.append(seconds)
            sleep(0)

        monkeypatch.setattr(gevent, "sleep", nap)


class Outgoing:
    """A TLS client whose ciphertext the test sends as it likes."""

    def __init__(self, chat_server: TestServer) -> None:
        self.client = chat_server.connect()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = trusting_context().wrap_bio(self._incoming, self._outgoing)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.client.send_bytes(self._outgoing.read())
                self._incoming.write(self.client.receive_some(65536))
            else:
                break
        self.client.send_bytes(self._outgoing.read())

    def encrypt(self, data: bytes) -> bytes:
        self._tls.write(data)
        return self._outgoing.read()


Records = Callable[[list[bytes]], TlsTransport]


@pytest.fixture
def records(identity: Identity) -> Iterator[Records]:  # noqa: F811
    """A transport to which these records have come, all at once."""
    ours, peers = socket.socketpair()

    def come(plaintexts: list[bytes]) -> TlsTransport:
        transport = TlsTransport(ours, identity.context())
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusting_context().wrap_bio(incoming, outgoing)
        for _ in range(2):
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
            peers.sendall(outgoing.read())
            transport.receive(None)
            if not transport.advance():
                transport.flush()
                incoming.write(peers.recv(65536))
        for plaintext in plaintexts:
            client.write(plaintext)
        peers.sendall(outgoing.read())
        return transport

    with ours, peers:
        yield come


def trickle(client: Any, data: bytes) -> None:
    for byte in data:
        client.send_bytes(bytes([byte]))
        yield_to_loop()


def test_a_hello_byte_by_byte_has_few_turns_on_the_thread(
    safe_chat_server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Counter(monkeypatch, "advance")
    client = safe_chat_server.connect()
    trickle(client, hello())

    assert client.receive_exactly(3) == b"\x16\x03\x03"
    assert steps.calls < len(hello()) / 4


def test_a_record_byte_by_byte_is_gathered(
    safe_chat_server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    outgoing = Outgoing(safe_chat_server)
    login = {"to": "alice", "unknown": "x" * 800}
    receives = Counter(monkeypatch, "receive")
    trickle(outgoing.client, ciphertext := outgoing.encrypt(outgoing.client.encode(1, login)))

    assert outgoing.client.receive_some(1)
    assert receives.calls < len(ciphertext) / 4


def test_records_of_a_byte_are_read_so_many_at_a_time(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(range(250)) * 4
    transport = records([bytes([byte]) for byte in data])
    naps = Naps(monkeypatch)
    # No time passes between two reads, however busy the machine is.
    monkeypatch.setattr(tls, "time", SimpleNamespace(monotonic=lambda: 100.0))

    read = [read_some(transport)]
    assert naps.seconds == [], "the first are read at once"
    while sum(map(len, read)) < len(data):
        read.append(read_some(transport))

    assert b"".join(read) == data
    assert max(map(len, read)) == tls._MOST_SMALL_RECORDS
    assert naps.seconds == [0.25, 0.25, 0.25]


def test_small_messages_in_records_of_their_own_are_read_without_a_pause(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = records([bytes(17)] * 1000)
    naps = Naps(monkeypatch)

    size = 0
    while size < 17_000:
        size += len(read_some(transport))

    assert naps.seconds == []


def test_a_large_record_in_packets_of_a_slow_path_is_read_without_a_pause(
    safe_chat_server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    outgoing = Outgoing(safe_chat_server)
    outgoing.client.send_bytes(outgoing.encrypt(outgoing.client.encode(MessageType.LOGIN, "alice")))
    assert outgoing.client.receive_some(1)
    message = outgoing.client.encode(MessageType.FILE, "name", bytes(14_000))
    ciphertext = outgoing.encrypt(message)
    pauses: list[float] = []

    def watched(small_reads: int) -> float:
        pauses.append(gather_delay(small_reads))
        return pauses[-1]

    monkeypatch.setattr(tls, "gather_delay", watched)
    for start in range(0, len(ciphertext), 536):
        outgoing.client.send_bytes(ciphertext[start : start + 536])
        yield_to_loop()

    wait_until(lambda: safe_chat_server.parts.service.said, "it to be said")
    assert len(pauses) > 10
    assert not any(pauses)


def test_a_time_limit_holds_while_small_reads_gather(records: Records) -> None:
    transport = records([])
    transport.settimeout(0.02)
    transport._resume_at = time.monotonic() + 60

    with pytest.raises(TimeoutError):
        read_some(transport)


def test_one_who_sends_records_of_a_byte_is_served(safe_chat_server: TestServer) -> None:
    alice = safe_chat_server.remember(TlsWireClient.joined(safe_chat_server.address, "alice"))
    for byte in alice.encode(MessageType.UTF8, None, b"slowly"):
        alice.send_bytes(bytes([byte]))

    alice.expect(MessageType.UTF8, b"slowly", sender="alice")
