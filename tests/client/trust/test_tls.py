from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from chat.client.runtime.runtime import PLAIN, Runtime
from chat.client.trust.handshake_errors import HandshakeFailed, NoEncryption, Unverified
from chat.client.trust.tls import TlsStream, make_context
from chat.net.address import Address
from chat.net.fingerprint import fingerprint_of_certificate
from tests.client.runtimes import with_both_runtimes
from tests.peers.certificates import Identity, make_identity

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"), "127.0.0.1", "localhost")


class Line:
    """A stream after its handshake and the socket at its far end."""

    def __init__(
        self,
        runtime: Runtime,
        identity: Identity,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> None:
        with far_end(
            lambda sock: identity.context(version).wrap_socket(sock, server_side=True)
        ) as (
            address,
            accepted,
        ):
            self.stream = open_stream(runtime, address)
            self.stream.handshake(10, 10)
        self.far: ssl.SSLSocket = accepted[0]
        self.far.settimeout(30)

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self.far.close()

    def receive(self, size: int = 100) -> bytes:
        buffer = bytearray(size)
        return bytes(buffer[: self.stream.recv_into(memoryview(buffer))])

    def fill(self) -> None:
        """Send until nothing more is taken."""
        with suppress(TimeoutError):
            while True:
                self.stream.send(memoryview(bytes(1 << 20)), 0.05)


@contextmanager
def far_end(
    wrap: Callable[[socket.socket], socket.socket | None],
) -> Iterator[tuple[Address, list]]:
    """Accept one connection and give it to ``wrap``, whose result is in the list afterwards."""
    accepted: list = []

    def accept() -> None:
        sock, _ = listener.accept()
        sock.settimeout(30)
        with suppress(OSError):
            accepted.append(wrap(sock))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield Address("127.0.0.1", listener.getsockname()[1]), accepted
        thread.join(30)


def open_stream(runtime: Runtime, address: Address, *, verify: bool = False) -> TlsStream:
    return TlsStream(runtime.connect(address, 10), make_context(verify=verify), address, runtime)


@with_both_runtimes
class TestAsAStream:
    @pytest.mark.parametrize("version", VERSIONS)
    def test_carries_bytes_both_ways(
        self, runtime: Runtime, identity: Identity, version: ssl.TLSVersion
    ) -> None:
        with Line(runtime, identity, version) as line:
            assert line.far.version() == version.name.replace("_", ".")
            assert line.stream.send(memoryview(b"there"), 1) == 5
            assert line.far.recv(100) == b"there"
            line.far.sendall(b"and back")
            assert line.receive() == b"and back"

    def test_more_than_a_record(self, runtime: Runtime, identity: Identity) -> None:
        data = bytes(range(256)) * 4096
        with Line(runtime, identity) as line:
            sender = threading.Thread(target=line.far.sendall, args=[data], daemon=True)
            sender.start()
            received = b""
            while len(received) < len(data):
                received += line.receive(1 << 18)
            assert received == data
            sender.join(30)

    def test_much_in_both_directions_at_once(self, runtime: Runtime, identity: Identity) -> None:
        data = hashlib.shake_256(b"there and back").digest(4_000_000)
        with Line(runtime, identity) as line:
            received = bytearray()

            def read() -> None:
                while len(received) < len(data):
                    received.extend(line.receive(1 << 16))

            def echo() -> None:
                while piece := line.far.recv(1 << 16):
                    line.far.sendall(piece)

            echoing = threading.Thread(target=echo, daemon=True)
            echoing.start()
            reader = runtime.spawn(read)
            rest = memoryview(data)
            while rest:
                rest = rest[line.stream.send(rest, 10) :]
            reader.join(20)
            assert received == data
            line.stream.finish()
            echoing.join(20)

    def test_a_small_buffer_loses_nothing(self, runtime: Runtime, identity: Identity) -> None:
        with Line(runtime, identity) as line:
            line.far.sendall(b"0123456789")
            assert [line.receive(4), line.receive(4), line.receive(4)] == [b"0123", b"4567", b"89"]

    def test_knows_whether_there_is_something_to_read(
        self, runtime: Runtime, identity: Identity
    ) -> None:
        with Line(runtime, identity) as line:
            # Session tickets have come: bytes, but none for the reader.
            line.stream.send(memoryview(b"."), 1)
            assert line.far.recv(1) == b"."
            assert not line.stream.readable()
            line.far.sendall(b"x")
            while not line.stream.readable():
                runtime.pause()
            assert line.stream.readable()
            line.stream.settimeout(30)
            assert line.receive() == b"x"
            line.far.close()
            assert line.receive() == b""
            assert line.stream.readable(), "the end is something to read"

    def test_reading_gives_up_after_its_time(self, runtime: Runtime, identity: Identity) -> None:
        with Line(runtime, identity) as line:
            line.stream.settimeout(0.01)
            with pytest.raises(TimeoutError) as caught:
                line.receive()
            assert caught.value.errno is None
            line.stream.settimeout(None)
            line.far.sendall(b"later")
            assert line.receive() == b"later"

    def test_a_reader_that_waits_keeps_nobody_from_writing(
        self, runtime: Runtime, identity: Identity
    ) -> None:
        with Line(runtime, identity) as line:
            read: list[bytes] = []
            reader = runtime.spawn(lambda: read.append(line.receive()))
            runtime.sleep(0.01)
            assert line.stream.send(memoryview(b"meanwhile"), 1) == 9
            assert line.far.recv(100) == b"meanwhile"
            line.far.sendall(b"still read")
            reader.join(30)
            assert read == [b"still read"]

    def test_a_writer_that_waits_keeps_nobody_from_reading(
        self, runtime: Runtime, identity: Identity
    ) -> None:
        with Line(runtime, identity) as line:
            line.fill()
            threading.Timer(0.05, line.far.sendall, [b"late"]).start()
            assert line.receive() == b"late"

    def test_what_was_not_taken_in_time_goes_with_the_next_try(
        self, runtime: Runtime, identity: Identity
    ) -> None:
        piece = b"0123456789abcdef" * 1024
        with Line(runtime, identity) as line:
            taken = 0
            with suppress(TimeoutError):
                while True:
                    taken += line.stream.send(memoryview(piece), 0.05)
            received: list[bytes] = []

            def read_all() -> None:
                while data := line.far.recv(1 << 16):
                    received.append(data)

            reader = threading.Thread(target=read_all, daemon=True)
            reader.start()
            taken += line.stream.send(memoryview(piece), 10)
            line.stream.finish()
            reader.join(30)
            assert b"".join(received) == piece * (taken // len(piece))

    def test_shutting_wakes_the_reader(self, runtime: Runtime, identity: Identity) -> None:
        with Line(runtime, identity) as line:
            ends: list[bytes | OSError] = []

            def read() -> None:
                try:
                    ends.append(line.receive())
                except ConnectionError as error:  # not every kernel calls it an end
                    ends.append(error)

            reader = runtime.spawn(read)
            runtime.sleep(0.01)
            line.stream.shut()
            reader.join(30)
            assert len(ends) == 1
            line.stream.shut()

    def test_shutting_wakes_the_writer(self, runtime: Runtime, identity: Identity) -> None:
        with Line(runtime, identity) as line:
            line.fill()
            errors: list[OSError] = []

            def write() -> None:
                try:
                    while True:  # the kernel may find a little more room
                        line.stream.send(memoryview(bytes(1 << 20)), 60)
                except OSError as error:
                    errors.append(error)

            writer = runtime.spawn(write)
            runtime.sleep(0.01)
            line.stream.shut()
            writer.join(30)
            assert len(errors) == 1
            assert not isinstance(errors[0], TimeoutError)

    @pytest.mark.parametrize("version", VERSIONS)
    def test_finishing_ends_one_direction(
        self, runtime: Runtime, identity: Identity, version: ssl.TLSVersion
    ) -> None:
        with Line(runtime, identity, version) as line:
            line.far.sendall(b"before")
            while not line.stream.readable():
                runtime.pause()
            line.stream.finish()
            assert line.far.recv(100) == b""
            line.far.sendall(b", after")
            received = line.receive(6) + line.receive()
            assert received == b"before, after"
            line.far.close()
            assert line.receive() == b""

    def test_being_cut_off_is_an_end(self, runtime: Runtime, identity: Identity) -> None:
        with Line(runtime, identity) as line:
            line.far.shutdown(socket.SHUT_RDWR)  # without a close_notify
            assert line.receive() == b""

    def test_what_makes_no_sense(self, runtime: Runtime, identity: Identity) -> None:
        with Line(runtime, identity) as line, socket.socket(fileno=line.far.detach()) as raw:
            raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            with pytest.raises(ConnectionError, match="invalid TLS data"):
                line.receive()


@with_both_runtimes
class TestTheHandshake:
    def test_tells_the_certificate(self, runtime: Runtime, identity: Identity) -> None:
        with Line(runtime, identity) as line:
            assert fingerprint_of_certificate(line.stream.certificate()) == identity.fingerprint

    @pytest.mark.parametrize(
        "answer", [b"\x05\x00\xc4\x7f" + bytes(12), b"HTTP/1.1 400\r\n", None], ids=repr
    )
    def test_with_who_speaks_no_tls(self, runtime: Runtime, answer: bytes | None) -> None:
        def serve(sock: socket.socket) -> None:
            with sock:
                sock.recv(16)  # the rest of the hello, left unread, may make a reset of the end
                if answer is not None:
                    sock.sendall(answer)

        with far_end(serve) as (address, _), pytest.raises(NoEncryption) as caught:
            open_stream(runtime, address).handshake(10, 10)
        assert not caught.value.silent
        # An answer may be lost by a reset.
        assert caught.value.closed or answer is not None

    def test_with_who_says_nothing(self, runtime: Runtime) -> None:
        with far_end(lambda sock: sock) as (address, _), pytest.raises(NoEncryption) as caught:
            open_stream(runtime, address).handshake(10, 0.02)
        assert caught.value.silent

    def test_with_who_begins_and_says_no_more(self, runtime: Runtime) -> None:
        def serve(sock: socket.socket) -> socket.socket:
            sock.sendall(b"\x16\x03\x03\x40")
            return sock

        with far_end(serve) as (address, _), pytest.raises(TimeoutError):
            open_stream(runtime, address).handshake(0.1, 10)

    def test_with_who_begins_and_closes(self, runtime: Runtime) -> None:
        def serve(sock: socket.socket) -> None:
            with sock:
                sock.recv(1000)
                sock.sendall(b"\x16\x03\x03\x00")

        with far_end(serve) as (address, _), pytest.raises((HandshakeFailed, ConnectionError)):
            open_stream(runtime, address).handshake(10, 10)

    def test_old_versions_are_refused(self, runtime: Runtime, identity: Identity) -> None:
        context = identity.context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

        def serve(sock: socket.socket) -> socket.socket:
            return context.wrap_socket(sock, server_side=True)

        with far_end(serve) as (address, _), pytest.raises(HandshakeFailed, match="version"):
            open_stream(runtime, address).handshake(10, 10)


class TestVerification:
    @pytest.fixture(autouse=True)
    def _authority(self, monkeypatch: pytest.MonkeyPatch, identity: Identity) -> None:
        """Make the signer of the certificate an authority of this system."""
        monkeypatch.setenv("SSL_CERT_FILE", str(identity.certificate))

    def shake_hands(self, served: Identity, host: str) -> None:
        def serve(sock: socket.socket) -> socket.socket:
            return served.context().wrap_socket(sock, server_side=True)

        with far_end(serve) as (address, accepted):
            stream = TlsStream(
                PLAIN.connect(address, 10),
                make_context(verify=True),
                Address(host, address.port),
                PLAIN,
            )
            try:
                stream.handshake(10, 10)
            finally:
                stream.close()
        accepted[0].close()

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost.", ""])
    def test_an_authority_vouches_for_the_name(self, identity: Identity, host: str) -> None:
        self.shake_hands(identity, host)

    def test_nobody_vouches(self, tmp_path: Path) -> None:
        with pytest.raises(Unverified, match="self-signed"):
            self.shake_hands(make_identity(tmp_path, "127.0.0.1"), "127.0.0.1")

    def test_for_another_name(self, identity: Identity) -> None:
        with pytest.raises(Unverified, match="Hostname mismatch"):
            self.shake_hands(identity, "chat.example")
