"""A client whose network is cut off, and who comes back while the server still takes his old connection for alive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat.protocol.descriptor import MessageType
from tests.end_to_end.server_process import ServerProcess, running_server
from tests.peers.network import CannotMake, Namespace
from tests.peers.wire_client import WireClient

LOGIN, USERNAME_EXISTS = MessageType.LOGIN, MessageType.USERNAME_EXISTS


@pytest.fixture
def home() -> Iterator[Namespace]:
    """Where the client is at first."""
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


def test_who_comes_back_from_another_network_has_his_name_in_one_try(
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


def test_who_comes_back_by_the_same_link_from_a_new_port_has_his_name_in_one_try(
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
