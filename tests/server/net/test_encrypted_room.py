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
from chat.server.settings import TlsMode
from tests.peers.certificates import make_identity
from tests.peers.tls_wire_client import TlsWireClient
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.house import House
from tests.server.sessions.test_login import OpenAHouse

UTF8, FILE = MessageType.UTF8, MessageType.FILE
MIB = 1024**2


def join(house: House, name: str, **options: Any) -> TlsWireClient:
    return cast(TlsWireClient, house.remember(TlsWireClient.joined(house.address, name, **options)))


# Other programs


class OpensslClient:
    """``openssl s_client``, which sends what is typed and prints what comes."""

    def __init__(self, house: House, *options: str) -> None:
        host, port = house.address
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
def openssl(house: House, *options: str) -> Iterator[OpensslClient]:
    client = OpensslClient(house, *options)
    try:
        yield client
    finally:
        client.end()


@pytest.mark.parametrize("options", [("-tls1_2",), ("-tls1_3",), ("-servername", "chat.example")])
def test_openssl_gets_in(safe_house: House, options: tuple[str, ...]) -> None:
    alice = safe_house.join("alice")
    eve = WireClient.encode(alice, MessageType.LOGIN, "eve")
    with openssl(safe_house, "-quiet", *options) as client:
        client.type(eve)
        alice.expect_joined("eve")
        alice.say("hello")
        client.wait_for(b'"from":"alice".*hello')
    alice.expect_text("hello", "alice")
    alice.expect_left("eve")


def test_a_client_may_ask_for_new_keys_at_any_time(safe_house: House) -> None:
    alice = safe_house.join("alice")
    with openssl(safe_house, "-tls1_3") as client:
        client.wait_for(b"Verify return code")
        client.type(alice.encode(MessageType.LOGIN, "eve"))
        alice.expect_joined("eve")
        for number in range(20):
            client.type(b"K\n")  # a KeyUpdate that wants to be answered by one
            client.wait_for(b"KEYUPDATE", number + 1)
            alice.say(f"after {number}")
            client.wait_for(b"after %d" % number)


def test_neither_compression_nor_tickets_nor_old_versions(safe_house: House) -> None:
    with openssl(safe_house, "-tls1_2") as client:
        client.wait_for(b"Verify return code")
        assert b"Compression: NONE" in client.printed
        assert b"TLS session ticket" not in client.printed
    with openssl(safe_house, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0") as client:
        client.wait_for(b"alert protocol version")


def test_renegotiation_is_refused(safe_house: House) -> None:
    with openssl(safe_house, "-tls1_2") as client:
        client.wait_for(b"Verify return code")
        client.type(b"R\n")
        client.wait_for(b"RENEGOTIATING.*(no renegotiation|handshake failure|errno)")


# What is said


def test_what_is_private_stays_so(safe_house: House) -> None:
    alice, bob = join(safe_house, "alice"), join(safe_house, "bob")
    alice.expect_joined("bob")
    eve = safe_house.join("eve")
    alice.expect_joined("eve")
    bob.expect_joined("eve")

    alice.say("psst", to="bob")
    alice.say("aloud")

    bob.expect_text("psst", "alice", to="bob")
    bob.expect_text("aloud", "alice")
    eve.expect_text("aloud", "alice")


def test_very_much_in_one_write_is_heard_in_order(open_a_safe_house: OpenAHouse) -> None:
    house = open_a_safe_house(rate=None, byte_rate=None)
    alice, bob = join(house, "alice", order=ByteOrder.LITTLE), join(house, "bob")
    alice.expect_joined("bob")
    words = [f"{number}" * 50 for number in range(1000)]

    sending = gevent.spawn(
        alice.send_bytes, b"".join(alice.encode(UTF8, None, word.encode()) for word in words)
    )

    assert [bob.read_frame().text for _ in words] == words
    sending.get(timeout=5)


def test_one_who_reads_slowly_gets_every_byte_in_order(open_a_safe_house: OpenAHouse) -> None:
    house = open_a_safe_house(rate=None, byte_rate=None)
    alice = house.join("alice")
    sleepy = join(house, "sleepy", receive_buffer=4096)
    alice.expect_joined("sleepy")
    said: list[str] = []
    while house.session("sleepy").outbox.waiting < MIB:
        said.append(random.Random(len(said)).randbytes(15_000).hex())
        alice.say(said[-1])
        alice.expect_text(said[-1], "alice")

    assert [sleepy.read_frame().text for _ in said] == said

    alice.say("at last")
    sleepy.expect_text("at last", "alice")
    wait_until(lambda: not house.parts.backlogs.used, "nothing to wait any more")


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
def test_a_large_file_goes_through_both_ways(safe_house: House, order: ByteOrder) -> None:
    content = os.urandom(5 * MIB + 7)
    expected = hashlib.sha256(content).hexdigest()
    alice = join(safe_house, "alice", inline=0, order=order)
    raw = join(safe_house, "raw", raw=True, order=order)
    alice.expect_joined("raw")

    upload = cast(TlsWireClient, safe_house.transfer(alice))
    sending = gevent.spawn(upload.send, FILE, {"filename": "large"}, content)
    offer = alice.expect(FILE, b"", size=len(content))
    sending.get(timeout=5)
    assert upload.read_frame().type == FILE
    fetch = safe_house.transfer(alice)
    fetch.send(FILE, {"fetch": offer.header["id"], "offset": 0})

    for receiver in (fetch, raw):
        type, _, size = receiver.read_opening()
        assert (type, size) == (FILE, len(content))
        assert receive_digest(receiver, size) == expected


# New certificates


def change_certificate(house: House, directory: Path) -> None:
    for path in (directory / "server.crt", directory / "server.key"):
        path.unlink()
    house.server.reload()


def test_a_new_certificate_is_for_newcomers_and_nobody_else_notices(
    safe_house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    guests: list[WireClient] = []
    for number in range(100):
        come = join if number % 2 else House.join
        guests.append(come(safe_house, f"guest{number}"))
        for guest in guests[:-1]:
            guest.expect_joined(f"guest{number}")
    [old] = {
        fingerprint_of_certificate(guest.certificate)
        for guest in guests
        if isinstance(guest, TlsWireClient)
    }

    change_certificate(safe_house, tmp_path / "data")

    assert safe_house.parts.certificates is not None
    new = safe_house.parts.certificates.fingerprint
    assert new != old
    assert f"read the certificate again: {new}" in caplog.messages
    newcomer = join(safe_house, "newcomer")
    assert fingerprint_of_certificate(newcomer.certificate) == new
    newcomer.say("hello")
    for guest in guests:
        guest.expect_joined("newcomer")
        guest.expect_text("hello", "newcomer")


def test_a_bad_certificate_is_a_line_and_the_old_one_stays(
    open_a_safe_house: OpenAHouse, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    identity = make_identity(tmp_path)
    house = open_a_safe_house(tls_cert=identity.certificate, tls_key=identity.key)
    identity.certificate.write_bytes(b"garbage")

    house.server.reload()

    [record] = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.getMessage().startswith("the certificate stays as it was: ")
    newcomer = join(house, "newcomer")
    assert fingerprint_of_certificate(newcomer.certificate) == identity.fingerprint


def test_where_no_tls_is_spoken_there_is_nothing_to_read_again(house: House) -> None:
    house.server.reload()

    house.join("alice")


# What the log says at the start


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
    open_a_safe_house: OpenAHouse,
    caplog: pytest.LogCaptureFixture,
    address: str,
    mode: TlsMode,
    is_warned: bool,
) -> None:
    open_a_safe_house(tls=mode, address=parse_address(address))

    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert ["without TLS" in warning.getMessage() for warning in warnings] == [True] * is_warned


def test_a_start_says_how_to_know_the_server_again(
    open_a_safe_house: OpenAHouse, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    house = open_a_safe_house()

    shown = fingerprint_of_certificate(join(house, "alice").certificate)

    assert f"TLS is optional; our key is {shown}" in caplog.messages
