"""The listening server: its addresses, the connections that it refuses, and its stop."""

from __future__ import annotations

import errno
import logging
import os
import socket as plain_socket
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket

from chat.net.address import Address, parse_address
from chat.protocol.descriptor import MessageType
from chat.server.composition import Composition
from chat.server.net import listening
from chat.server.server import ChatServer
from chat.server.settings import Settings
from tests.peers.wire_client import WireClient
from tests.server.server_in_test import TestServer, open_descriptors

UTF8 = MessageType.UTF8
OpenTestServer = Callable[..., TestServer]
Start = Callable[[str], ChatServer]

needs_ipv6 = pytest.mark.skipif(
    not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6"
)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start servers on the addresses that are given; they stop at the end."""
    with ExitStack() as servers:

        def start_one(address: str) -> ChatServer:
            settings = Settings(address=parse_address(address), spool_directory=tmp_path)
            server = Composition(settings).server
            server.start()
            servers.callback(server.stop)
            return server

        yield start_one


def where(address: Address) -> tuple[str, int] | str:
    return (address.host, address.port) if address.path is None else address.path


def visit(address: Address | tuple[str, int]) -> None:
    """Go there, be let in, and leave."""
    target = where(address) if isinstance(address, Address) else address
    with WireClient.joined(target, "visitor") as client:
        client.leave()
        client.expect_closed()


# Where it listens


def test_it_listens_on_a_port_that_the_system_chose(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    [address] = start("127.0.0.1:0").addresses

    assert address.port != 0
    visit(address)
    assert caplog.messages[0] == f"listening on {address}"


@needs_ipv6
def test_without_a_host_it_listens_on_all_interfaces_of_both_families(start: Start) -> None:
    [address] = start(":0").addresses

    visit(("127.0.0.1", address.port))
    visit(("::1", address.port))


def test_without_a_host_on_a_machine_without_ipv6_it_listens_on_the_other(
    monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    bind = listening._bind

    def bind_without_ipv6(family: int, where: Any, **options: bool) -> Any:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return bind(family, where, **options)

    monkeypatch.setattr(listening, "_bind", bind_without_ipv6)
    [address] = start(":0").addresses

    assert address.host == "0.0.0.0"
    visit(("127.0.0.1", address.port))


def test_without_a_host_a_port_in_use_is_not_had(start: Start) -> None:
    [address] = start(":0").addresses

    with pytest.raises(OSError) as caught:
        start(f":{address.port}")

    assert caught.value.errno == errno.EADDRINUSE


@needs_ipv6
def test_an_ipv6_address_is_that_one_alone(start: Start) -> None:
    with plain_socket.socket() as other:
        # No other program gets this port of IPv4 meanwhile, and nothing listens there.
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        start(f"[::1]:{port}")

        visit(("::1", port))
        with pytest.raises(ConnectionRefusedError):
            visit(("127.0.0.1", port))


def test_a_name_is_all_that_it_means(monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
    def both(*args: object, **options: object) -> list[tuple[Any, ...]]:
        loopback = [("127.0.0.1", 0), ("127.0.0.2", 0), ("127.0.0.1", 0)]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", where) for where in loopback]

    monkeypatch.setattr("socket.getaddrinfo", both)
    addresses = start("both.example:0").addresses

    assert [address.host for address in addresses] == ["127.0.0.1", "127.0.0.2"]
    for address in addresses:
        visit(address)


@pytest.mark.parametrize("address", ["192.0.2.1:0", "no-such-host.invalid:0"])
def test_an_address_that_cannot_be_had_leaves_nothing_behind(
    start: Start, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OSError):
        start(address)  # once before it counts: the resolver keeps descriptors of its own
    descriptors = open_descriptors()

    with pytest.raises(OSError):
        start(address)

    assert open_descriptors() == descriptors
    assert "Traceback" not in capfd.readouterr().err


def test_a_port_in_use_is_not_had(start: Start) -> None:
    [address] = start("127.0.0.1:0").addresses

    with pytest.raises(OSError) as caught:
        start(str(address))

    assert caught.value.errno == errno.EADDRINUSE


def test_of_several_addresses_one_that_cannot_be_had_is_enough_to_give_up(
    monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    def one_bad(*args: object, **options: object) -> list[tuple[Any, ...]]:
        return [(2, 1, 6, "", (host, 0)) for host in ("127.0.0.1", "192.0.2.1")]

    monkeypatch.setattr("socket.getaddrinfo", one_bad)
    descriptors = open_descriptors()

    with pytest.raises(OSError):
        start("both.example:0")

    assert open_descriptors() == descriptors


# Unix sockets


def test_a_unix_socket_is_for_its_owner_and_group(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "chat.socket"
    mask = os.umask(0)
    try:
        server = start(f"unix:{path}")
    finally:
        os.umask(mask)

    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert server.addresses == [Address(path=str(path))]
    visit(server.addresses[0])
    server.stop()
    assert not path.exists()


def test_the_mask_of_the_process_is_left_as_it_was(start: Start, tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        start(f"unix:{tmp_path / 'chat.socket'}")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(mask)


def test_the_file_of_a_dead_server_is_replaced(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "chat.socket"
    with plain_socket.socket(plain_socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.is_socket()

    visit(start(f"unix:{path}").addresses[0])


def test_the_file_of_a_living_server_is_not(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "chat.socket"
    first = start(f"unix:{path}")

    with pytest.raises(OSError) as caught:
        start(f"unix:{path}")

    assert caught.value.errno == errno.EADDRINUSE
    visit(first.addresses[0])


def test_a_living_server_that_accepts_nobody_now_is_not_waited_for(
    start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "chat.socket"
    with plain_socket.socket(plain_socket.AF_UNIX) as busy, ExitStack() as waiting:
        busy.bind(str(path))
        busy.listen(0)
        while True:
            client = waiting.enter_context(plain_socket.socket(plain_socket.AF_UNIX))
            client.setblocking(False)
            try:
                client.connect(str(path))
            except BlockingIOError:
                break

        with pytest.raises(OSError) as caught:
            start(f"unix:{path}")

    assert caught.value.errno == errno.EADDRINUSE
    assert path.is_socket()


def test_a_file_that_is_no_socket_is_not_replaced(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary")

    with pytest.raises(OSError):
        start(f"unix:{path}")

    assert path.read_text() == "dear diary"


def test_a_server_that_stops_leaves_the_file_of_the_next_one(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "chat.socket"
    first = start(f"unix:{path}")
    client = WireClient.joined(str(path), "alice")
    stopping = gevent.spawn(first.stop)
    client.expect_notice("shutting-down")  # and does not close yet

    second = start(f"unix:{path}")
    client.close()
    stopping.get(timeout=30)

    visit(second.addresses[0])


# Connections


def test_connections_of_unix_sockets_are_not_limited(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    path = tmp_path / "chat.socket"
    composition = Composition(
        Settings(address=Address(path=str(path)), max_per_address=1, exempt=())
    )
    server = composition.server
    server.start()
    clients = [WireClient.joined(str(path), f"user{number}") for number in range(4)]

    assert len(composition.directory) == 4
    assert "user3 joined from the unix socket (JSON)" in caplog.messages
    for client in clients:
        client.close()
    server.stop()


@needs_ipv6
def test_an_ipv4_peer_of_a_socket_of_both_families_is_an_ipv4_one(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    [address] = start(":0").addresses
    visit(("127.0.0.1", address.port))

    assert any("visitor joined from 127.0.0.1:" in message for message in caplog.messages)


def test_vanished_peers_are_looked_for_and_small_frames_not_held_back(
    chat_server: TestServer,
) -> None:
    chat_server.join("alice")
    sock = chat_server.session("alice").connection.transport._sock

    def option(level: int, name: int) -> int:
        return int(sock.getsockopt(level, name))

    assert option(plain_socket.IPPROTO_TCP, plain_socket.TCP_NODELAY)
    assert option(plain_socket.SOL_SOCKET, plain_socket.SO_KEEPALIVE)
    idle, interval, count = (
        option(plain_socket.IPPROTO_TCP, name)
        for name in (
            plain_socket.TCP_KEEPIDLE,
            plain_socket.TCP_KEEPINTVL,
            plain_socket.TCP_KEEPCNT,
        )
    )
    assert 100 <= idle + interval * count <= 140
    assert not option(plain_socket.IPPROTO_TCP, plain_socket.TCP_USER_TIMEOUT)
