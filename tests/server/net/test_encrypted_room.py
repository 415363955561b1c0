"""A room over TLS, from the outside: other programs' TLS, large contents, slow readers, new certificates."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import gevent
import pytest
from gevent import subprocess

from chat.net.address import parse_address
from chat.net.fingerprint import fingerprint_of_certificate
from chat.protocol.descriptor import ByteOrder, MessageType
from chat.server.net.certificates import CertificateFault
from chat.server.settings import TlsMode
from tests.peers.certificates import make_identity
from tests.peers.tls_wire_client import TlsWireClient
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer
from tests.server.sessions.test_login import OpenTestServer

UTF8, FILE = MessageType.UTF8, MessageType.FILE
MIB = 1024**2


def join(chat_server: TestServer, name: str, **options: Any) -> TlsWireClient:
    return cast(
        TlsWireClient,
        chat_server.remember(TlsWireClient.joined(chat_server.address, name, **options)),
    )


# Other programs


class OpensslClient:
    """``openssl s_client``, which sends what is typed and prints what comes."""

    def __init__(self, chat_server: TestServer, *options: str) -> None:
        host, port = chat_server.address
        self._process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"{host}:{port}", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.printed = b""

    def type(self, data: bytes) -> None:
        self._stdin.write(data)
        self._stdin.flush()

    def wait_for(self, pattern: bytes, times: int = 1) -> None:
        with gevent.Timeout(10, AssertionError(f"{pattern!r} did not come: {self.printed!r}")):
            while len(re.findall(pattern, self.printed, re.DOTALL)) < times:
                piece = self._read()
                assert piece, f"it ended: {self.printed!r}"
                self.printed += piece

    def end(self) -> None:
        self._process.terminate()
        self._process.communicate()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _read(self) -> bytes:
        assert self._process.stdout is not None
        return cast(bytes, cast(Any, self._process.stdout).read1(65536))


@contextmanager
def openssl(chat_server: TestServer, *options: str) -> Iterator[OpensslClient]:
    client = OpensslClient(chat_server, *options)
    try:
        yield client
    finally:
        client.end()


@pytest.mark.parametrize("options", [("-tls1_2",), ("-tls1_3",), ("-servername", "chat.example")])
def test_openssl_gets_in(safe_chat_server: TestServer, options: tuple[str, ...]) -> None:
    alice = safe_chat_server.join("alice")
    eve = WireClient.encode(alice, MessageType.LOGIN, "eve")
    with openssl(safe_chat_server, "-quiet", *options) as client:
        client.type(eve)
        alice.expect_joined("eve")
        alice.say("hello")
        client.wait_for(b'"from":"alice".*hello')
    alice.expect_text("hello", "alice")
    alice.expect_left("eve")


def test_a_client_may_ask_for_new_keys_at_any_time(safe_chat_server: TestServer) -> None:
    alice = safe_chat_server.join("alice")
    with openssl(safe_chat_server, "-tls1_3") as client:
        client.wait_for(b"Verify return code")
        client.type(alice.encode(MessageType.LOGIN, "eve"))
        alice.expect_joined("eve")
        for number in range(20):
            client.type(b"K\n")  # a KeyUpdate that wants to be answered by one
            client.wait_for(b"KEYUPDATE", number + 1)
            alice.say(f"after {number}")
            client.wait_for(b"after %d" % number)


def test_neither_compression_nor_tickets_nor_old_versions(safe_chat_server: TestServer) -> None:
    with openssl(safe_chat_server, "-tls1_2") as client:
        client.wait_for(b"Verify return code")
        assert b"Compression: NONE" in client.printed
        assert b"TLS session ticket" not in client.printed
    with openssl(safe_chat_server, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0") as client:
        client.wait_for(b"alert protocol version")


def test_renegotiation_is_refused(safe_chat_server: TestServer) -> None:
    with openssl(safe_chat_server, "-tls1_2") as client:
        client.wait_for(b"Verify return code")
        client.type(b"R\n")
        client.wait_for(b"RENEGOTIATING.*(no renegotiation|handshake failure|errno)")


# Messages


def test_what_is_private_stays_so(safe_chat_server: TestServer) -> None:
    alice, bob = join(safe_chat_server, "alice"), join(safe_chat_server, "bob")
    alice.expect_joined("bob")
    eve = safe_chat_server.join("eve")
    alice.expect_joined("eve")
    bob.expect_joined("eve")

    alice.say("psst", to="bob")
    alice.say("aloud")

    bob.expect_text("psst", "alice", to="bob")
    bob.expect_text("aloud", "alice")
    eve.expect_text("aloud", "alice")


def test_very_much_in_one_write_is_heard_in_order(open_a_safe_chat_server: OpenTestServer) -> None:
    chat_server = open_a_safe_chat_server(rate=None, byte_rate=None)
    alice, bob = join(chat_server, "alice", order=ByteOrder.LITTLE), join(chat_server, "bob")
    alice.expect_joined("bob")
    words = [f"{number}" * 50 for number in range(1000)]

    sending = gevent.spawn(
        alice.send_bytes, b"".join(alice.encode(UTF8, None, word.encode()) for word in words)
    )

    assert [bob.read_frame().text for _ in words] == words
    sending.get(timeout=30)


def test_one_who_reads_slowly_gets_every_byte_in_order(
    open_a_safe_chat_server: OpenTestServer,
) -> None:
    chat_server = open_a_safe_chat_server(rate=None, byte_rate=None)
    alice = chat_server.join("alice")
    sleepy = join(chat_server, "sleepy", receive_buffer=4096)
    alice.expect_joined("sleepy")
    said: list[str] = []
    while chat_server.session("sleepy").send_queue.waiting < MIB:
        said.append(random.Random(len(said)).randbytes(15_000).hex())
        alice.say(said[-1])
        alice.expect_text(said[-1], "alice")

    assert [sleepy.read_frame().text for _ in said] == said

    alice.say("at last")
    sleepy.expect_text("at last", "alice")
    wait_until(lambda: not chat_server.parts.backlogs.used, "nothing to wait any more")


# Large contents


def receive_digest(client: WireClient, size: int) -> str:
    digest = hashlib.sha256()
    while size:
        piece = client.receive_some(size)
        assert piece
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest()


@pytest.mark.parametrize("order", ByteOrder)
def test_a_large_file_goes_through_both_ways(
    safe_chat_server: TestServer, order: ByteOrder
) -> None:
    content = os.urandom(5 * MIB + 7)
    expected = hashlib.sha256(content).hexdigest()
    alice = join(safe_chat_server, "alice", inline=0, order=order)
    raw = join(safe_chat_server, "raw", raw=True, order=order)
    alice.expect_joined("raw")

    upload = cast(TlsWireClient, safe_chat_server.transfer(alice))
    sending = gevent.spawn(upload.send, FILE, {"filename": "large"}, content)
    offer = alice.expect(FILE, b"", size=len(content))
    sending.get(timeout=30)
    assert upload.read_frame().type == FILE
    fetch = safe_chat_server.transfer(alice)
    fetch.send(FILE, {"fetch": offer.header["id"], "offset": 0})

    for receiver in (fetch, raw):
        type, _, size = receiver.read_opening()
        assert (type, size) == (FILE, len(content))
        assert receive_digest(receiver, size) == expected


# New certificates


def change_certificate(chat_server: TestServer, directory: Path) -> None:
    for path in (directory / "server.crt", directory / "server.key"):
        path.unlink()
    chat_server.parts.reload.use(chat_server.parts.settings)


def test_a_new_certificate_is_for_newcomers_and_nobody_else_notices(
    safe_chat_server: TestServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    guests: list[WireClient] = []
    for number in range(20):
        come = join if number % 2 else TestServer.join
        guests.append(come(safe_chat_server, f"guest{number}"))
        for guest in guests[:-1]:
            guest.expect_joined(f"guest{number}")
    [old] = {
        fingerprint_of_certificate(guest.certificate)
        for guest in guests
        if isinstance(guest, TlsWireClient)
    }

    change_certificate(safe_chat_server, tmp_path / "data")

    assert safe_chat_server.parts.certificates is not None
    new = safe_chat_server.parts.certificates.fingerprint
    assert new != old
    assert f"read the certificate again: {new}" in caplog.messages
    newcomer = join(safe_chat_server, "newcomer")
    assert fingerprint_of_certificate(newcomer.certificate) == new
    newcomer.say("hello")
    for guest in guests:
        guest.expect_joined("newcomer")
        guest.expect_text("hello", "newcomer")


def test_where_the_certificate_is_bad_the_old_one_stays(
    open_a_safe_chat_server: OpenTestServer, tmp_path: Path
) -> None:
    identity = make_identity(tmp_path)
    chat_server = open_a_safe_chat_server(tls_cert=identity.certificate, tls_key=identity.key)
    identity.certificate.write_bytes(b"garbage")

    with pytest.raises(CertificateFault):
        chat_server.parts.reload.use(chat_server.parts.settings)

    newcomer = join(chat_server, "newcomer")
    assert fingerprint_of_certificate(newcomer.certificate) == identity.fingerprint


def test_where_no_tls_is_spoken_there_is_nothing_to_read_again(chat_server: TestServer) -> None:
    chat_server.parts.reload.use(chat_server.parts.settings)

    chat_server.join("alice")


# The log at the start


@pytest.mark.parametrize(
    ("address", "mode", "is_warned"),
    [
        ("127.0.0.1:0", TlsMode.OFF, False),
        ("127.0.0.1:0", TlsMode.OPTIONAL, False),
        ("0.0.0.0:0", TlsMode.OFF, True),
        ("0.0.0.0:0", TlsMode.OPTIONAL, True),
        ("0.0.0.0:0", TlsMode.REQUIRED, False),
    ],
)
def test_a_start_warns_where_others_could_listen(
    open_a_safe_chat_server: OpenTestServer,
    caplog: pytest.LogCaptureFixture,
    address: str,
    mode: TlsMode,
    is_warned: bool,
) -> None:
    open_a_safe_chat_server(tls=mode, address=parse_address(address))

    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert ["without TLS" in warning.getMessage() for warning in warnings] == [True] * is_warned


def test_a_start_says_how_to_know_the_server_again(
    open_a_safe_chat_server: OpenTestServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    chat_server = open_a_safe_chat_server()

    shown = fingerprint_of_certificate(join(chat_server, "alice").certificate)

    assert f"TLS is optional; the fingerprint of the key is {shown}" in caplog.messages
