"""A client's core of TLS against a server's, in memory: nothing but bytes travels."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.net.tls_core import RECORD_SIZE, TlsCore, phrase
from tests.peers.certificates import Identity, make_identity
from tests.peers.key_update import key_update

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
OVERHEAD = 17  # bytes that encryption adds to the content of a record in TLS 1.3
KEY_UPDATE_SIZE = 5
BROKEN_RECORD = b"\x17\x03\x03\x00\x20" + b"x" * 32


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"), "server.example")


class Pair:
    """Both ends of one connection."""

    def __init__(
        self,
        identity: Identity,
        version: ssl.TLSVersion = TLS_1_3,
        key_log: Path | None = None,
        authority: Path | None = None,
        name: str = "server.example",
    ) -> None:
        server = identity.context(version)
        server.num_tickets = 0
        client = ssl.create_default_context(cafile=authority or identity.certificate)
        if key_log is not None:
            client.keylog_filename = str(key_log)
        self.server = TlsCore(server)
        self.client = TlsCore(client, name)

    def shake_hands(self) -> Pair:
        assert not self.client.handshake()
        feed(self.server, take(self.client))
        is_complete = self.server.handshake()
        assert not is_complete
        feed(self.client, take(self.server))
        while not (self.client.handshake() and is_complete):
            feed(self.server, take(self.client))
            is_complete = self.server.handshake()
            feed(self.client, take(self.server))
        return self


Connect = Callable[..., Pair]


@pytest.fixture(scope="module")
def connect(identity: Identity) -> Connect:
    return lambda *options, **more: Pair(identity, *options, **more).shake_hands()


def take(core: TlsCore, at_a_time: int = 1 << 20) -> bytes:
    """All that ``core`` wants sent, as a network takes it."""
    taken = b""
    while data := core.data_to_send():
        piece = bytes(data[:at_a_time])
        taken += piece
        core.mark_sent(len(piece))
    return taken


def feed(core: TlsCore, ciphertext: bytes) -> None:
    core.feed(memoryview(ciphertext))


def encrypt(core: TlsCore, plaintext: bytes) -> bytes:
    core.write(plaintext)
    return take(core)


def read(core: TlsCore, size: int = 1 << 20) -> bytes | None:
    """Read once; return None if more bytes must be fed first."""
    buffer = memoryview(bytearray(size))
    count = core.read_into(buffer)
    return None if count is None else bytes(buffer[:count])


def records_of(ciphertext: bytes) -> list[int]:
    """The sizes of the records in it, without their heads."""
    sizes = []
    while ciphertext:
        sizes.append(int.from_bytes(ciphertext[3:5], "big"))
        ciphertext = ciphertext[5 + sizes[-1] :]
    return sizes


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_plaintext_arrives_both_ways(connect: Connect, version: ssl.TLSVersion) -> None:
    pair = connect(version)

    feed(pair.server, encrypt(pair.client, b"hello"))
    feed(pair.client, encrypt(pair.server, b"good day"))

    assert read(pair.server) == b"hello"
    assert read(pair.client) == b"good day"
    assert read(pair.server) is read(pair.client) is None


@pytest.mark.parametrize("reads_ahead", [False, True])
@given(
    pieces=st.lists(st.binary(min_size=1, max_size=2000), max_size=8),
    cuts=st.lists(st.integers(0, 20_000), max_size=12),
    sent_at_a_time=st.integers(1, 5000),
    read_at_a_time=st.integers(1, 5000),
)
def test_the_split_of_the_bytes_changes_nothing(
    connect: Connect,
    reads_ahead: bool,
    pieces: list[bytes],
    cuts: list[int],
    sent_at_a_time: int,
    read_at_a_time: int,
) -> None:
    pair = connect()
    for piece in pieces:
        pair.client.write(piece)
    pair.client.close()
    ciphertext = take(pair.client, sent_at_a_time)
    edges = [0, *sorted(min(cut, len(ciphertext)) for cut in cuts), len(ciphertext)]
    received = b""
    for start, end in pairwise(edges):
        feed(pair.server, ciphertext[start:end])
        if reads_ahead:
            pair.server.read_ahead()
        while got := read(pair.server, read_at_a_time):
            received += got

    assert received == b"".join(pieces)
    assert read(pair.server) == b""
    assert pair.server.has_ended


def test_the_handshake_needs_all_bytes_and_no_more(identity: Identity) -> None:
    pair = Pair(identity)
    assert not pair.client.handshake()
    for byte in take(pair.client):
        assert not pair.server.handshake()
        assert not pair.server.size_to_send
        feed(pair.server, bytes([byte]))
    assert not pair.server.handshake()
    assert pair.server.size_to_send


def test_the_certificate_of_the_server_is_shown(connect: Connect, identity: Identity) -> None:
    pem = identity.certificate.read_text()

    assert connect().client.peer_certificate() == ssl.PEM_cert_to_DER_cert(pem)


def test_ciphertext_leaves_in_the_order_of_its_making(connect: Connect) -> None:
    """While a part of it is not sent, more is made."""
    pair = connect()
    pair.client.write(b"one")
    first = bytes(pair.client.data_to_send()[:7])
    pair.client.mark_sent(7)
    pair.client.write(b"two")
    assert pair.client.has_produced
    size = pair.client.size_to_send

    rest = take(pair.client, at_a_time=5)

    assert len(rest) == size
    assert not pair.client.size_to_send
    feed(pair.server, first + rest)
    assert read(pair.server) == b"onetwo"


def test_plaintext_is_reported_once_it_was_written(connect: Connect) -> None:
    core = connect().client
    assert not core.has_written
    core.write(b"x" * RECORD_SIZE)
    core.write(b"y")

    assert core.has_written
    assert core.pop_written() == RECORD_SIZE + 1
    assert not core.has_written
    assert core.pop_written() == 0


def test_a_full_piece_is_one_record(connect: Connect) -> None:
    ciphertext = encrypt(connect().client, b"x" * RECORD_SIZE)

    assert records_of(ciphertext) == [RECORD_SIZE + OVERHEAD]


def test_small_records_are_read_so_many_at_a_time(connect: Connect) -> None:
    pair = connect()
    feed(pair.server, b"".join(encrypt(pair.client, b"x") for _ in range(25)))
    buffer = memoryview(bytearray(100))

    counts = [(pair.server.read_into(buffer, 10), pair.server.small_records) for _ in range(4)]

    assert counts == [(10, 10), (10, 10), (5, 0), (None, 0)]


def test_records_with_a_frame_each_are_not_small(connect: Connect) -> None:
    pair = connect()
    feed(pair.server, b"".join(encrypt(pair.client, b"x" * 16) for _ in range(25)))

    assert pair.server.read_into(memoryview(bytearray(1000)), 10) == 400
    assert not pair.server.small_records


def test_a_part_of_a_record_is_input_and_nothing_to_read(connect: Connect) -> None:
    pair = connect()
    ciphertext = encrypt(pair.client, b"hello")
    assert not pair.server.holds_input
    feed(pair.server, ciphertext[:9])

    assert pair.server.holds_input
    assert not pair.server.read_ahead()
    feed(pair.server, ciphertext[9:])
    assert pair.server.read_ahead()
    assert pair.server.holds_input
    assert read(pair.server, 4) == b"hell"
    assert read(pair.server) == b"o"
    assert not pair.server.holds_input


# New keys


@pytest.mark.parametrize("sender", ["CLIENT", "SERVER"])
def test_new_keys_are_answered_before_anything_else_is_said(
    connect: Connect, tmp_path: Path, sender: str
) -> None:
    log = tmp_path / "keys"
    pair = connect(key_log=log)
    asking, asked = (pair.client, pair.server) if sender == "CLIENT" else (pair.server, pair.client)
    feed(asked, encrypt(asking, b"before") + key_update(log, sender, records_before=1))
    asked.write(b"under the old key, ")

    assert read(asked) == b"before"
    assert read(asked) is None
    asked.write(b"under the new key")
    ciphertext = take(asked)

    assert [size - OVERHEAD for size in records_of(ciphertext)] == [19, KEY_UPDATE_SIZE, 17]
    feed(asking, ciphertext)
    assert read(asking) == b"under the old key, under the new key"


# The end


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_a_goodbye_ends_one_direction(connect: Connect, version: ssl.TLSVersion) -> None:
    pair = connect(version)
    pair.client.write(b"last words")
    pair.client.close()
    feed(pair.server, take(pair.client))

    assert read(pair.server) == b"last words"
    assert read(pair.server) == b""
    assert pair.server.has_ended
    feed(pair.client, encrypt(pair.server, b"one more thing"))
    assert read(pair.client) == b"one more thing"
    assert not pair.client.has_ended


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_what_was_read_ahead_outlives_closing(connect: Connect, version: ssl.TLSVersion) -> None:
    pair = connect(version)
    feed(pair.client, encrypt(pair.server, b"before"))

    assert pair.client.read_ahead()
    pair.client.close()

    assert read(pair.client) == b"before"


@pytest.mark.parametrize("missing", [0, 1, 20])
def test_a_cut_stream_ends_after_its_whole_records(connect: Connect, missing: int) -> None:
    pair = connect()
    whole, last = encrypt(pair.client, b"whole"), encrypt(pair.client, b"last")
    feed(pair.server, whole + last[: len(last) - missing])
    pair.server.feed_end()

    assert read(pair.server) == (b"whole" if missing else b"wholelast")
    assert read(pair.server) == b""
    assert pair.server.has_ended


def test_the_end_is_something_to_read(connect: Connect) -> None:
    pair = connect()
    assert not pair.client.read_ahead()
    pair.client.feed_end()

    assert pair.client.read_ahead()
    assert read(pair.client) == b""


@pytest.mark.parametrize("reads_ahead", [False, True])
def test_words_before_a_broken_record_are_read_and_an_alert_answers(
    connect: Connect, reads_ahead: bool
) -> None:
    pair = connect()
    feed(pair.server, encrypt(pair.client, b"words") + BROKEN_RECORD)
    if reads_ahead:
        assert pair.server.read_ahead()

    assert read(pair.server) == b"words"
    for _ in range(2):
        with pytest.raises(ssl.SSLError) as caught:
            read(pair.server)
        assert "mac" in phrase(caught.value)
    assert pair.server.has_ended
    feed(pair.client, take(pair.server))
    with pytest.raises(ssl.SSLError) as caught:
        read(pair.client)
    assert "alert bad record mac" in phrase(caught.value)


def test_a_broken_connection_is_closed_in_silence(connect: Connect) -> None:
    pair = connect()
    feed(pair.server, BROKEN_RECORD)
    with pytest.raises(ssl.SSLError):
        read(pair.server)
    take(pair.server)

    pair.server.close()

    assert not pair.server.size_to_send


def test_a_client_that_does_not_believe_says_why(identity: Identity, tmp_path: Path) -> None:
    stranger = make_identity(tmp_path, "server.example", name="stranger")
    pair = Pair(identity, authority=stranger.certificate)
    with pytest.raises(ssl.SSLCertVerificationError):
        pair.shake_hands()

    feed(pair.server, take(pair.client))

    with pytest.raises(ssl.SSLError) as caught:
        pair.server.handshake()
    assert "alert unknown ca" in phrase(caught.value)


def test_a_client_checks_the_name(identity: Identity) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        Pair(identity, name="other.example").shake_hands()


def test_a_server_refuses_garbage_with_an_alert(identity: Identity) -> None:
    server = Pair(identity).server
    feed(server, b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")

    with pytest.raises(ssl.SSLError):
        server.handshake()

    assert take(server)[0] == 0x15  # an alert (RFC 8446, section 5.1)


def test_a_handshake_that_is_cut_off_is_an_error(identity: Identity) -> None:
    client = Pair(identity).client
    client.handshake()
    client.feed_end()

    # Pythons differ: Debian's 3.11 takes the end of the stream for a close_notify.
    with pytest.raises((ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        client.handshake()
