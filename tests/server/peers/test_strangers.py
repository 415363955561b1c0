"""Peers prove that they know the secret, and strangers stay out, whatever they send."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
import pytest
from gevent import socket

from chat.net.address import Address
from chat.server.peers.faults import PeerBusy, PeerFault, PeerUnreachable, PeerUntrusted
from chat.server.peers.links.encryption import make_caller_context, make_listener_tls
from chat.server.peers.links.link_limits import LinkLimits
from chat.structs import replace
from tests.server.peers.links_in_test import (
    LIMITS,
    PATIENT,
    SECRET,
    Proxy,
    SourceInTest,
    links,
    listening,
    man_in_the_middle,
    open_descriptors,
    serving,
)

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812
    from gevent.ssl import SSLSocket

ME = SourceInTest("b").facts


@pytest.fixture
def address(tmp_path: Path) -> Iterator[Address]:
    with listening(tmp_path) as found:
        yield found


def connect(address: Address) -> GeventSocket:
    sock = socket.create_connection((address.host, address.port))
    sock.settimeout(30)
    return sock


def connect_tls(address: Address) -> SSLSocket:
    return make_caller_context().wrap_socket(connect(address))


def rest_of(sock: GeventSocket | SSLSocket) -> bytes:
    """Read until the listener closes the connection."""
    data = b""
    with suppress(ConnectionResetError):
        while piece := sock.recv(4096):
            data += piece
    sock.close()
    return data


def is_open_to_peers(address: Address) -> bool:
    with links(PATIENT).open(address) as link:
        return link.hello(ME).node == "a"


def test_the_right_secret_opens(address: Address) -> None:
    with links().open(address) as link:
        assert link.node == "a"
        assert link.hello(ME) == SourceInTest("a").facts


def test_another_secret_is_refused_and_both_sides_say_so(
    address: Address, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(PeerUntrusted, match="another secret"):
        links(secret=SECRET + b"!").open(address)
    [line] = [r.getMessage() for r in caplog.records]
    assert "refused 127.0.0.1 at the port for peers: another secret" in line


def test_a_caller_without_a_proof_is_refused(address: Address) -> None:
    stranger = connect_tls(address)
    stranger.sendall(json.dumps({"challenge": "00" * 32, "node": "b"}).encode() + b"\n")
    lines = rest_of(stranger).splitlines()
    assert json.loads(lines[-1])["fault"] == "untrusted"


def test_the_listener_proves_nothing_to_strangers(address: Address) -> None:
    """A stranger who had a proof could try guesses at the secret in peace."""
    stranger = connect_tls(address)
    stranger.sendall(
        json.dumps({"challenge": "00" * 32, "proof": "", "node": "b"}).encode() + b"\n"
    )
    for line in rest_of(stranger).splitlines():
        assert "proof" not in json.loads(line)


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 5000, b"\x16\x03\x01\xff\xff" + b"x" * 70_000, b"\n"],
)
def test_garbage_in_place_of_tls_ends_the_connection(address: Address, garbage: bytes) -> None:
    stranger = connect(address)
    with suppress(ConnectionError):
        stranger.sendall(garbage)
    rest_of(stranger)
    assert is_open_to_peers(address)


@pytest.mark.parametrize("garbage", [b"hello\n", b"[]\n", b"[" * 900 + b"\n", b"{}\n", b"x" * 2000])
def test_garbage_behind_the_handshake_ends_the_connection_at_once(
    tmp_path: Path, garbage: bytes
) -> None:
    with listening(tmp_path, limits=PATIENT) as address:
        begun = time.monotonic()
        stranger = connect_tls(address)
        stranger.sendall(garbage)
        rest_of(stranger)
        assert time.monotonic() - begun < PATIENT.greeting
        assert is_open_to_peers(address)


# The beginning of a ClientHello with 16 KiB, and more of it.
_HELLO = b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03" + b"\0" * 1000


@pytest.mark.parametrize(
    ("is_encrypted", "crumbs"), [(False, b""), (False, _HELLO), (True, b""), (True, b"x" * 1000)]
)
def test_a_stranger_has_a_limited_time(address: Address, is_encrypted: bool, crumbs: bytes) -> None:
    """A stranger that sends nothing, or a byte now and then, before the handshake or behind it."""
    stranger = connect_tls(address) if is_encrypted else connect(address)

    def send() -> None:
        for crumb in crumbs:
            with suppress(OSError):
                stranger.send(bytes([crumb]))
            gevent.sleep(LIMITS.greeting / 20)

    sending = gevent.spawn(send)
    begun = time.monotonic()
    rest_of(stranger)
    assert LIMITS.greeting / 2 < time.monotonic() - begun < 50 * LIMITS.greeting
    sending.kill()


def test_forty_idle_strangers_do_not_shut_out_a_peer(tmp_path: Path) -> None:
    with listening(tmp_path, limits=PATIENT) as address:
        strangers = [connect(address) for _ in range(40)]
        begun = time.monotonic()
        assert is_open_to_peers(address)
        assert time.monotonic() - begun < PATIENT.greeting
        gone = sum(is_closed(stranger) for stranger in strangers)
        # The peer took the place of one, too.
        assert gone == 40 - PATIENT.strangers + 1
        for stranger in strangers:
            stranger.close()


def is_closed(sock: GeventSocket) -> bool:
    sock.settimeout(0.05)
    try:
        return not sock.recv(1)
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def test_strangers_do_not_displace_a_peer(tmp_path: Path) -> None:
    with (
        listening(tmp_path, limits=PATIENT) as address,
        links(PATIENT).open(address) as link,
    ):
        strangers = [connect(address) for _ in range(40)]
        gevent.sleep(0.1)
        assert link.hello(ME).node == "a"
        for stranger in strangers:
            stranger.close()


def test_more_peers_than_allowed_are_told_so(tmp_path: Path) -> None:
    with listening(tmp_path, limits=replace(PATIENT, peers=1)) as address:
        with links(PATIENT).open(address), pytest.raises(PeerBusy, match="too many"):
            links(PATIENT).open(address)
        assert is_open_when_tried_again(address)


def is_open_when_tried_again(address: Address) -> bool:
    """The listener notices soon, but not at once, that a peer has gone."""
    with gevent.Timeout(30):
        while True:
            with suppress(PeerBusy):
                return is_open_to_peers(address)
            gevent.sleep(0.01)


def test_a_program_in_the_middle_is_found_by_its_certificate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        listening(tmp_path, limits=PATIENT) as address,
        man_in_the_middle(tmp_path, address) as middle,
        caplog.at_level(logging.INFO),
        pytest.raises(PeerUntrusted),
    ):
        links(PATIENT).open(middle)
    assert "a program in the middle" in caplog.text


def test_a_proxy_that_does_not_decrypt_may_be_in_the_middle(
    tmp_path: Path, address: Address
) -> None:
    with Proxy(address) as proxy:
        assert is_open_to_peers(proxy)


@pytest.mark.parametrize("reflects", [False, True])
def test_an_impostor_is_asked_nothing(tmp_path: Path, reflects: bool) -> None:
    """A program that does not know the secret, and gives back our own proof, or nonsense."""
    tls = make_listener_tls(tmp_path)
    asked = []

    def visit(sock: GeventSocket, _: object) -> None:
        stream = tls.context.wrap_socket(sock, server_side=True)
        stream.sendall(json.dumps({"chat-peer": 1, "challenge": "00" * 32}).encode() + b"\n")
        line = json.loads(stream.recv(4096))
        proof = line["proof"] if reflects else "11" * 32
        stream.sendall(json.dumps({"proof": proof, "node": "a"}).encode() + b"\n")
        asked.append(stream.recv(4096))
        stream.close()

    with serving(visit) as address:
        with pytest.raises(PeerUntrusted, match="--peer-secret-file"):
            links(PATIENT).open(address)
        gevent.sleep(0.05)
    assert asked == [b""]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ({"chat-peer": 2, "challenge": "00" * 32}, "it speaks version 2 between servers"),
        ({"challenge": "00" * 32}, "it is not a server of a cluster"),
        ({"chat-peer": 1}, "it is not a server of a cluster"),
    ],
)
def test_a_listener_of_another_kind_is_named(
    tmp_path: Path, line: dict[str, object], sentence: str
) -> None:
    tls = make_listener_tls(tmp_path)

    def visit(sock: GeventSocket, _: object) -> None:
        stream = tls.context.wrap_socket(sock, server_side=True)
        stream.sendall(json.dumps(line).encode() + b"\n")
        stream.recv(4096)
        stream.close()

    with serving(visit) as address, pytest.raises(PeerFault, match=sentence):
        links(PATIENT).open(address)


def speak_http(sock: GeventSocket, _: object) -> None:
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    sock.recv(4096)


def say_nothing(sock: GeventSocket, _: object) -> None:
    while sock.recv(4096):
        pass


@pytest.mark.parametrize("visit", [speak_http, say_nothing])
def test_a_server_without_tls_is_unreachable_in_a_limited_time(visit: object) -> None:
    begun = time.monotonic()
    with serving(visit) as address, pytest.raises(PeerUnreachable):  # type: ignore[arg-type]
        links().open(address)
    assert time.monotonic() - begun < 50 * LIMITS.greeting


def test_a_closed_port_is_unreachable() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(PeerUnreachable, match="Connection refused"):
            links().open(Address(*sock.getsockname()))


def test_a_peer_without_a_usable_name_is_refused(address: Address) -> None:
    for name in ("", "x" * 65, "a\nb"):
        with pytest.raises(PeerUnreachable):
            links(node=name).open(address)


def test_strangers_cannot_fill_the_log(address: Address, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(100):
            stranger = connect(address)
            stranger.sendall(b"\0" * 100)
            rest_of(stranger)
    assert 1 <= len(caplog.records) <= 3


def test_no_connection_leaves_a_descriptor_behind(tmp_path: Path) -> None:
    limits = LinkLimits(greeting=0.2, silence=0.2, strangers=4)
    with listening(tmp_path, limits=limits) as address:
        assert is_open_to_peers(address)  # opens what is opened once
        gevent.sleep(0.05)
        before = open_descriptors()
        for _ in range(5):
            strangers = [connect(address) for _ in range(3)] + [connect_tls(address)]
            strangers[0].sendall(b"garbage and more")
            with suppress(PeerFault):
                links(limits, secret=b"another" * 5).open(address)
            for stranger in strangers:
                stranger.close()
        with gevent.Timeout(30):
            while open_descriptors() > before:
                gevent.sleep(0.02)
