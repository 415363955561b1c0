"""The whole client on its way to a name with several addresses, the first of which is silent."""

from __future__ import annotations

import io
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client import Cancellation, TransferCancelled, connect
from chat.client.errors import ConnectError, UntrustedServer
from chat.client.runtime import happy_eyeballs
from chat.client.runtime.runtime import Runtime
from chat.client.trust.connector import Connector, TrustPolicy
from chat.net.address import Address
from tests.client.connectors import Visitor, enter, use
from tests.client.runtimes import with_both_runtimes
from tests.peers.addresses import NAME, OTHER_SILENT, REFUSING, SILENT, Resolver, silence_at
from tests.peers.certificates import Identity, make_identity
from tests.peers.scripted_server import Peer, ScriptedServer
from tests.peers.tls_server import LittleServer, by_silence, by_tls
from tests.peers.transfer_scripts import CONTENT, only_welcome

pytestmark = with_both_runtimes

HERE = "127.0.0.1"
LONG = 100.0  # seconds: longer than a test may take


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> list[Identity]:
    directory = tmp_path_factory.mktemp("identities")
    return [make_identity(directory, name=name) for name in ("first", "second")]


@pytest.fixture
def server(identities: list[Identity]) -> Iterator[LittleServer]:
    with LittleServer(by_tls(identities[0])) as server, silence_at(server.port, SILENT):
        yield server


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    resolver = Resolver(SILENT, HERE)
    resolver.install(monkeypatch)
    return resolver


@pytest.fixture
def visitor(runtime: Runtime, tmp_path: Path) -> Visitor:
    return Visitor(tmp_path / "known_hosts", runtime, trusts=True)


def test_only_the_first_connection_pays_for_a_silent_address(
    server: LittleServer,
    resolver: Resolver,
    visitor: Visitor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connector = visitor.connector(server, NAME)
    assert enter(connector)
    monkeypatch.setattr(happy_eyeballs, "ATTEMPT_DELAY", 2 * LONG)
    for _ in range(3):
        use(connector)  # a transfer
    assert enter(connector)  # a new session
    assert resolver.asked == 1


@pytest.mark.parametrize("fails", ["another key", "silence"])
def test_an_address_where_somebody_else_answers_is_forgotten(
    server: LittleServer,
    resolver: Resolver,
    visitor: Visitor,
    identities: list[Identity],
    fails: str,
) -> None:
    connector = visitor.connector(server, NAME)
    assert enter(connector)
    server.answer = by_silence if fails == "silence" else by_tls(identities[1])
    with pytest.raises(ConnectError):
        connector.open(0.1 if fails == "silence" else LONG)
    server.answer = by_tls(identities[0])
    assert enter(connector)
    assert resolver.asked == 2


def test_the_key_is_that_of_the_address_that_won(
    server: LittleServer, resolver: Resolver, visitor: Visitor, identities: list[Identity]
) -> None:
    connector = visitor.connector(server, NAME, fingerprint=identities[1].fingerprint)
    with pytest.raises(UntrustedServer, match="HAS ANOTHER KEY"):
        enter(connector)
    assert resolver.asked


def test_when_all_fail_the_error_says_what_was_tried(
    server: LittleServer, resolver: Resolver, runtime: Runtime
) -> None:
    resolver.hosts = (SILENT, REFUSING)
    connector = Connector(runtime, Address(NAME, server.port), TrustPolicy(tls="off"))
    connector.probe(LONG)
    with pytest.raises(ConnectError) as caught:
        connector.open(0.5)
    # On a busy machine the half second is over a little earlier or later.
    assert re.fullmatch(
        f"Can't connect to {NAME}:{server.port}: {re.escape(REFUSING)}: Connection refused;"
        rf" {re.escape(SILENT)}: no answer in \d+\.\d s\.",
        str(caught.value),
    )


@pytest.mark.parametrize("tls", [True, False])
def test_an_attempt_can_be_called_off(
    server: LittleServer, resolver: Resolver, visitor: Visitor, runtime: Runtime, tls: bool
) -> None:
    """While all addresses are silent, or once one is connected that is silent at TLS."""
    connector = visitor.connector(server, NAME)
    assert enter(connector)
    cancel = Cancellation()
    asked = threading.Event()

    def silent(sock: socket.socket) -> None:
        sock.settimeout(LONG)
        asked.set()
        by_silence(sock)

    if tls:
        server.answer = silent
    else:
        connector.forget_route()
        resolver.hosts = (SILENT, OTHER_SILENT)
    with silence_at(server.port, OTHER_SILENT):
        tried = resolver.asked

        def call_off() -> None:
            while not asked.is_set() and resolver.asked == tried:
                runtime.sleep(0.001)
            cancel.cancel()

        task = runtime.spawn(call_off)
        with pytest.raises(ConnectError):
            connector.open(LONG, cancel)
        task.join(LONG)


def test_a_transfer_is_cancelled_while_the_server_is_silent(runtime: Runtime) -> None:
    cancel = Cancellation()
    arrived = threading.Event()

    def never_answer(peer: Peer) -> None:
        arrived.set()
        peer.wait_for_end()

    with (
        ScriptedServer(only_welcome, never_answer) as server,
        connect(server.address, "alice", runtime=runtime, timeout=LONG) as room,
    ):

        def call_off() -> None:
            while not arrived.is_set():
                runtime.sleep(0.001)
            cancel.cancel()

        task = runtime.spawn(call_off)
        with pytest.raises(TransferCancelled):
            room.send_file(io.BytesIO(CONTENT), filename="big.bin", cancel=cancel)
        task.join(LONG)
