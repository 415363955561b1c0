"""Connections that look alive and are not.

A client loses its network, and comes back while the server still takes the old connection for alive. A server freezes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from chat.client import ConnectionLost, Status, Welcome
from chat.client.connection.connect import connect_through
from chat.client.connection.liveness import Silence
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.runtime.runtime import PLAIN, Runtime
from chat.client.trust.connector import Connector, TrustPolicy
from chat.net.address import Address
from chat.protocol.descriptor import MessageType
from tests.end_to_end.server_process import ServerProcess, running_server
from tests.peers.network import CannotMake, Namespace
from tests.peers.wire_client import WireClient

LOGIN, USERNAME_EXISTS = MessageType.LOGIN, MessageType.USERNAME_EXISTS


@pytest.fixture
def home() -> Iterator[Namespace]:
    """Make the network where the client is at first."""
    yield from _network()


@pytest.fixture
def train() -> Iterator[Namespace]:
    """Another network, with another address."""
    yield from _network()


def _network() -> Iterator[Namespace]:
    try:
        namespace = Namespace()
    except CannotMake as problem:
        pytest.skip(f"no network namespace can be made here: {problem}")
    with namespace:
        yield namespace


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    with running_server(address="0.0.0.0:0") as server:
        yield server


def test_a_user_who_comes_back_from_another_network_has_the_name_in_one_try(
    home: Namespace, train: Namespace, server: ServerProcess
) -> None:
    port = server.address[1]
    with WireClient.joined(("127.0.0.1", port), "bob") as bob:
        first = home.client().login(home.host, port, to="alice")
        assert first["type"] == LOGIN
        bob.expect_joined("alice")
        home.cut()
        elsewhere = train.client()

        # The server knows nothing of it: without the token the name is taken.
        assert elsewhere.login(train.host, port, to="alice")["type"] == USERNAME_EXISTS
        token = first["welcome"]["session"]
        again = elsewhere.login(train.host, port, to="alice", session=token)

        assert again["type"] == LOGIN
        assert again["welcome"]["users"] == ["bob", "alice"]
        bob.expect_left("alice", "replaced")
        bob.expect_joined("alice")
        # And only that one: the secret of the session before is worth nothing now.
        assert elsewhere.login(train.host, port, to="alice", session=token)["type"] != LOGIN


def test_a_user_who_comes_back_by_the_same_link_from_a_new_port_has_the_name_in_one_try(
    home: Namespace, server: ServerProcess
) -> None:
    port = server.address[1]
    with WireClient.joined(("127.0.0.1", port), "bob") as bob:
        alice = home.client()
        first = alice.login(home.host, port, to="alice")
        bob.expect_joined("alice")
        home.cut()
        bob.say("are you there?")
        bob.expect_text("are you there?", "bob")
        home.mend()

        again = alice.login(home.host, port, to="alice", session=first["welcome"]["session"])

        assert again["type"] == LOGIN
        assert again["port"] != first["port"]
        bob.expect_left("alice", "replaced")
        bob.expect_joined("alice")


@pytest.mark.parametrize("runtime", [PLAIN, GEVENT], ids=["plain", "gevent"])
def test_a_frozen_server_is_given_up_and_found_again_when_it_thaws(runtime: Runtime) -> None:
    with running_server() as server:
        host, port = server.address
        connector = Connector(runtime, Address(host, port), TrustPolicy(tls="off"))
        haste = Silence(ping_after=0.05, give_up_after=0.5, lag_from=0.1, look_every=0.01)
        with connect_through(connector, "alice", silence=haste) as alice:
            assert isinstance(alice.read(), Welcome)
            os.kill(server.pid, signal.SIGSTOP)
            try:
                receipt = alice.send_text("are you there?")
                with pytest.raises(ConnectionLost, match="The server has sent nothing for"):
                    alice.read()
            finally:
                os.kill(server.pid, signal.SIGCONT)
            assert receipt.status is Status.LOST
            with connect_through(connector, "alice", session=alice.session) as again:
                assert again.users == ["alice"]


def test_a_server_that_is_only_quiet_is_not_given_up() -> None:
    """The server sends nothing but answers to pings."""
    with running_server() as server:
        host, port = server.address
        connector = Connector(PLAIN, Address(host, port), TrustPolicy(tls="off"))
        haste = Silence(ping_after=0.05, give_up_after=5.0, lag_from=1.0, look_every=0.01)
        with connect_through(connector, "alice", silence=haste) as alice:
            assert isinstance(alice.read(), Welcome)
            heard: list[object] = []
            reader = PLAIN.spawn(lambda: heard.append(alice.read()))
            # How much has come while nothing is read, no public name tells.
            before = alice._link.stream.pulse().received
            while alice._link.stream.pulse().received < before + 1000:
                PLAIN.sleep(0.001)
            assert heard == []
            alice.close()
            reader.join(30)
            assert heard == [None]
