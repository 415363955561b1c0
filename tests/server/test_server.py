"""The listening side: where it listens, whom it turns away, and how it stops."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket as plain_socket
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer

from chat import framing
from chat.address import Address, parse_address
from chat.protocol.descriptor import MessageType
from chat.server import server as server_module
from chat.server.server import ChatServer, raise_descriptor_limit
from chat.server.settings import Settings
from tests.peers.wire_client import WireClient
from tests.server.fakes import run_ready_greenlets, wait_until
from tests.server.house import House, open_descriptors

UTF8 = MessageType.UTF8
OpenAHouse = Callable[..., House]
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
            server = ChatServer(settings)
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
    bind = server_module._bind

    def bind_without_ipv6(family: int, where: Any, **options: bool) -> Any:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return bind(family, where, **options)

    monkeypatch.setattr(server_module, "_bind", bind_without_ipv6)
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
    [address] = start("[::1]:0").addresses

    visit(("::1", address.port))
    with pytest.raises(ConnectionRefusedError):
        visit(("127.0.0.1", address.port))


def test_a_name_is_all_that_it_means(monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
    def both(*args: object, **options: object) -> list[tuple[Any, ...]]:
        loopback = [("127.0.0.1", 0), ("127.0.0.2", 0), ("127.0.0.1", 0)]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", where) for where in loopback]

    monkeypatch.setattr(socket, "getaddrinfo", both)
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

    monkeypatch.setattr(socket, "getaddrinfo", one_bad)
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
    stopping.get(timeout=5)

    visit(second.addresses[0])


# Connections


def test_connections_of_unix_sockets_are_not_limited(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    path = tmp_path / "chat.socket"
    server = ChatServer(Settings(address=Address(path=str(path)), max_per_address=1, exempt=()))
    server.start()
    clients = [WireClient.joined(str(path), f"user{number}") for number in range(4)]

    assert len(server.services.room.members) == 4
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


def test_vanished_peers_are_looked_for_and_small_frames_not_held_back(house: House) -> None:
    house.join("alice")
    sock = house.session("alice").connection._sock

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


def test_newcomers_who_are_gone_before_they_are_accepted_leave_no_trace(
    house: House, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(20):
        house.connect().reset()
    house.connections_end()

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert capfd.readouterr().err == ""


def test_one_who_sends_a_login_too_slowly_is_refused(
    monkeypatch: pytest.MonkeyPatch, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    monkeypatch.setattr(framing, "STALL_WINDOW", 0.05)
    client = house.connect()

    client.send_bytes(b"\0")

    assert client.at_end()
    assert "slower than 1024 bytes a second" in caplog.messages[-1]


class FailingAccepts:
    """The next accepts of every listener fail as told, before anybody is taken from the queue."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *problems: int) -> None:
        self.problems = list(problems)
        do_read = StreamServer.do_read

        def fail(listener: StreamServer) -> Any:
            if self.problems:
                raise OSError(self.problems.pop(0), "as told")
            return do_read(listener)

        monkeypatch.setattr(StreamServer, "do_read", fail)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_out_of_descriptors_newcomers_are_turned_away_with_one_line(
    monkeypatch: pytest.MonkeyPatch,
    house: House,
    number: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    FailingAccepts(monkeypatch, number, number, number)

    for _ in range(3):
        assert house.connect().at_end()
    house.join("alice")

    assert caplog.messages[0] == "refused newcomers: out of file descriptors"
    assert sum("out of file descriptors" in message for message in caplog.messages) == 1
    assert capfd.readouterr().err == ""


def test_out_of_descriptors_with_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, house: House
) -> None:
    FailingAccepts(monkeypatch, errno.EMFILE)
    [listener] = house.server._listeners

    assert listener.do_read() is None

    house.join("alice")


def test_an_accept_that_fails_for_a_newcomer_who_went_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    FailingAccepts(monkeypatch, errno.ECONNABORTED, errno.EPROTO)

    house.join("alice")

    assert capfd.readouterr().err == ""


def test_what_else_fails_an_accept_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch, house: House
) -> None:
    FailingAccepts(monkeypatch, errno.EIO)
    [listener] = house.server._listeners

    with pytest.raises(OSError) as caught:
        listener.do_read()

    assert caught.value.errno == errno.EIO


@pytest.mark.parametrize(
    ("limits", "refusal", "asked"),
    [
        ((256, 4096), None, [(4096, 4096)]),
        ((4096, 4096), None, []),
        ((256, 4096), OSError(errno.EPERM, "no"), [(4096, 4096)]),
        ((256, 4096), ValueError("no"), [(4096, 4096)]),
    ],
)
def test_the_limit_of_descriptors_is_raised_as_far_as_it_may(
    monkeypatch: pytest.MonkeyPatch,
    limits: tuple[int, int],
    refusal: Exception | None,
    asked: list[tuple[int, int]],
) -> None:
    calls: list[tuple[int, int]] = []

    def set_limit(which: int, limits: tuple[int, int]) -> None:
        calls.append(limits)
        if refusal is not None:
            raise refusal

    monkeypatch.setattr(resource, "getrlimit", lambda which: limits)
    monkeypatch.setattr(resource, "setrlimit", set_limit)

    raise_descriptor_limit()

    assert calls == asked


def test_what_has_grown_old_is_looked_after(
    monkeypatch: pytest.MonkeyPatch, open_a_house: OpenAHouse
) -> None:
    monkeypatch.setattr(server_module, "_HOUSEKEEPING", 0.01)
    house = open_a_house()
    looked: list[str] = []
    monkeypatch.setattr(house.services.shelf, "drop_old", lambda: looked.append("shelf"))
    monkeypatch.setattr(house.services.refusals, "flush_if_due", lambda: looked.append("log"))

    wait_until(lambda: looked.count("log") == 2)

    assert looked[:4] == ["shelf", "log"] * 2


@pytest.mark.parametrize(("released", "given_back"), [(1024**2 - 1, False), (1024**2, True)])
def test_memory_that_waited_for_slow_readers_is_given_back(
    monkeypatch: pytest.MonkeyPatch, open_a_house: OpenAHouse, released: int, given_back: bool
) -> None:
    monkeypatch.setattr(server_module, "_HOUSEKEEPING", 0.01)
    house = open_a_house()
    looked: list[str] = []
    monkeypatch.setattr(server_module, "give_back_memory", lambda: looked.append("memory"))
    monkeypatch.setattr(house.services.backlogs, "take_released", lambda: released)
    monkeypatch.setattr(house.services.refusals, "flush_if_due", lambda: looked.append("log"))

    wait_until(lambda: "log" in looked)

    assert ("memory" in looked) is given_back


# Stopping


def test_all_that_was_said_reaches_everyone_before_they_are_told(house: House) -> None:
    alice, bob = house.join("alice"), house.join("bob", raw=True)
    alice.expect_joined("bob")
    for number in range(50):
        alice.say(str(number))
    alice.expect_text("0", "alice")

    stopping = gevent.spawn(house.server.stop)

    heard = [[frame.text for frame in alice.read_until(UTF8, b"The server is shutting down.")]]
    heard.append([frame.text for frame in bob.read_until(UTF8, b"The server is shutting down.")])
    assert heard[0] == heard[1][1:]
    for guest in (alice, bob):
        guest.expect_closed()
        guest.close()
    stopping.get(timeout=5)


def test_nobody_is_let_in_any_more(house: House) -> None:
    early = house.connect()
    early.send_bytes(b"\0\1")
    alice = house.join("alice")
    stopping = gevent.spawn(house.server.stop)
    alice.expect_notice("shutting-down")

    with pytest.raises(ConnectionRefusedError):
        house.connect()
    assert early.at_end()

    alice.close()
    stopping.get(timeout=5)


def test_one_who_has_only_just_been_accepted_is_no_fault(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        house.server.connections.spawn(house.server.handle, ours, "")
        house.server.stop()

    assert "Traceback" not in capfd.readouterr().err


def test_transfers_end_at_once(house: House) -> None:
    alice = house.join("alice")
    transfer = house.transfer(alice)
    transfer.send_bytes(transfer.encode(MessageType.FILE, None, b"x", content_size=100_000))
    wait_until(lambda: house.services.spool.used, "the upload to begin")
    stopping = gevent.spawn(house.server.stop)

    assert transfer.at_end()
    alice.expect_notice("shutting-down")
    alice.close()
    stopping.get(timeout=5)
    assert house.services.spool.used == 0


def test_one_who_does_not_read_is_not_waited_for_longer_than_said(open_a_house: OpenAHouse) -> None:
    house = open_a_house(rate=None, byte_rate=None, max_backlog=100 * 1024**2)
    alice = house.join("alice")
    house.join("sleepy", receive_buffer=4096)
    alice.expect_joined("sleepy")
    while not house.session("sleepy").outbox.waiting:
        alice.say("x" * 60_000)
        alice.expect(UTF8)
    stopping = gevent.spawn(house.server.stop, 0.1)
    alice.expect_notice("shutting-down")
    alice.close()

    stopping.get(timeout=5)

    assert not house.server.connections
    assert house.services.backlogs.used == 0


def test_offers_are_forgotten(house: House) -> None:
    alice = house.join("alice", inline=0)
    alice.send(MessageType.FILE, None, b"x" * 100_000)
    alice.expect(MessageType.FILE, size=100_000)
    assert house.services.spool.used == 100_000
    alice.close()
    house.connections_end()

    house.server.stop()

    assert (len(house.services.shelf), house.services.spool.used) == (0, 0)


def test_a_server_that_never_started_can_be_stopped(tmp_path: Path) -> None:
    ChatServer(Settings(spool_directory=tmp_path)).stop()


def test_no_greenlet_of_a_stopped_server_is_left(house: House) -> None:
    housekeeper, flusher = house.server._housekeeper, house.services.delivery._flusher
    assert housekeeper is not None
    assert flusher is not None

    house.server.stop()
    run_ready_greenlets()

    assert housekeeper.dead
    assert flusher.dead
