"""Users whose network is cut off while something is on its way to them, and users who only read slowly."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import gevent
import pytest

from chat.net.address import Address
from chat.net.dead_peer import TcpInfo, read_tcp_info
from chat.protocol.descriptor import MessageType
from chat.server.sessions import dead_peers
from chat.server.sessions.dead_peers import DeadPeerSweep
from chat.server.sessions.session import Session
from tests.peers.network import CannotMake, Namespace, Remote
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer
from tests.server.sessions.test_session import OpenTestServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")

DEAD_AFTER = 1.0  # seconds; some retransmissions must go unanswered, too


@pytest.fixture
def open_chat_server(open_a_chat_server: OpenTestServer) -> TestServer:
    """Open a server that another network can reach, and whose sweep runs often."""
    return open_a_chat_server(address=Address("0.0.0.0", 0))


@pytest.fixture
def network(open_chat_server: TestServer) -> Iterator[Namespace]:
    """Make a network for other machines. It is removed before the server, which checks for open descriptors."""
    try:
        namespace = Namespace()
    except CannotMake as problem:
        pytest.skip(f"no network namespace can be made here: {problem}")
    with namespace:
        yield namespace


@pytest.fixture
def sweep(open_chat_server: TestServer) -> Iterator[None]:
    parts = open_chat_server.parts
    sweep = DeadPeerSweep(
        parts.directory, parts.connection_slots, interval=0.05, dead_after=DEAD_AFTER
    )
    sweeping = gevent.spawn(sweep.run)
    yield
    sweeping.kill()


def login(network: Namespace, chat_server: TestServer, name: str) -> Remote:
    """A client in that network that reads nothing any more once it is in."""
    remote = network.client()
    told = gevent.get_hub().threadpool.apply(
        remote.login, (network.host, chat_server.address[1]), {"to": name}
    )
    assert told["type"] == MessageType.LOGIN
    return remote


def info_of(session: Session) -> TcpInfo:
    info = read_tcp_info(session.connection.transport._sock)
    assert info is not None
    return info


@pytest.mark.usefixtures("sweep")
def test_a_user_who_vanished_leaves_though_others_talk(
    network: Namespace, open_chat_server: TestServer
) -> None:
    bob = open_chat_server.join("bob")
    login(network, open_chat_server, "alice")
    bob.expect_joined("alice")
    network.cut()
    bob.say("are you there?")
    bob.expect_text("are you there?", "bob")

    bob.expect_left("alice", "timed-out")
    bob.say("alice?", to="alice")
    bob.expect_notice("no-such-user")


def test_without_the_sweep_the_kernel_lets_a_ghost_stay(
    network: Namespace, open_chat_server: TestServer
) -> None:
    bob = open_chat_server.join("bob")
    login(network, open_chat_server, "alice")
    bob.expect_joined("alice")
    session = open_chat_server.session("alice")
    network.cut()
    bob.say("are you there?")
    wait_until(lambda: info_of(session).is_dead(DEAD_AFTER), "the kernel to know it")
    assert open_chat_server.parts.service.is_here(session)
    session.send_queue.fail_if_dead(3600.0)
    assert not session.send_queue.closed

    session.send_queue.fail_if_dead(DEAD_AFTER)
    assert session.send_queue.closed
    session.send_queue.fail_if_dead(DEAD_AFTER)  # once is enough
    bob.expect_text("are you there?", "bob")
    bob.expect_left("alice", "timed-out")


def test_a_user_who_has_stopped_reading_but_answers_stays(
    network: Namespace, open_chat_server: TestServer
) -> None:
    bob = open_chat_server.join("bob")
    login(network, open_chat_server, "alice")
    bob.expect_joined("alice")
    session = open_chat_server.session("alice")
    # More than her machine takes, and less than the kernel takes here: nothing waits in the server.
    for _ in range(3):
        bob.say("x" * 60_000)
        bob.read_frame()
    answers, silence = 0, 0.0
    while answers < 2:  # each ends a silence that is twice as long as the one before it
        session.send_queue.fail_if_dead(dead_after=10.0)
        assert open_chat_server.parts.service.is_here(session)
        info = info_of(session)
        answers += info.silence < silence - 0.05
        silence = info.silence
        gevent.sleep(0.01)

    network.cut()
    wait_until(lambda: info_of(session).is_dead(DEAD_AFTER), "a probe to be unanswered")
    session.send_queue.fail_if_dead(DEAD_AFTER)
    bob.expect_left("alice", "timed-out")


@pytest.mark.usefixtures("sweep")
def test_all_are_looked_at_however_many(
    network: Namespace, open_chat_server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_peers, "_AT_ONCE", 2)
    others = [open_chat_server.join(name) for name in ("a", "b", "c", "d", "e")]
    login(network, open_chat_server, "zoe")
    others[4].expect_joined("zoe")
    network.cut()
    others[4].say("zoe?")
    others[4].expect_text("zoe?", "e")
    others[4].expect_left("zoe", "timed-out")


@pytest.mark.usefixtures("sweep")
def test_those_who_did_not_log_in_and_transfers_are_looked_at(
    open_chat_server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = open_chat_server.join("alice")
    transfer = open_chat_server.transfer(alice)
    stranger = open_chat_server.connect()
    stranger.send_bytes(b"\x00")
    ports = {peer.socket.getsockname()[1] for peer in (transfer, stranger)}
    wait_until(
        lambda: len(open_chat_server.parts.connection_slots.waiting()) == 1,
        "the stranger to be there",
    )

    def is_dead(sock: object, dead_after: float) -> bool:
        try:
            return sock.getpeername()[1] in ports  # type: ignore[attr-defined]
        except OSError:
            return False

    monkeypatch.setattr(dead_peers, "is_dead", is_dead)
    monkeypatch.setattr("chat.server.net.transport.is_dead", is_dead)
    stranger.expect_closed()
    transfer.expect_closed()
    alice.say("still here")
    alice.expect_text("still here", "alice")
