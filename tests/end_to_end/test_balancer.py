"""Clients reach servers through HAProxy, as ``deploy/cluster/haproxy.cfg`` sets it up."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import gevent
import pytest

from chat.net.engine_url import parse_engine_url
from chat.server.replication.stored.founding import found_cluster
from tests import homes
from tests.end_to_end.client_process import ClientProcess
from tests.end_to_end.server_process import PATIENCE, ServerProcess, eventually, running_server
from tests.package_tree import ROOT
from tests.peers.wire_client import WireClient
from tests.server.cluster.engine_process import EngineProcess, needs_engine

Balanced = tuple[tuple[str, int], list[ServerProcess]]
CLIENT = "127.0.0.9"
_METRICS = r"metrics are on 127\.0\.0\.1:(\d+)$"


@pytest.fixture
def balanced(tmp_path: Path) -> Iterator[Balanced]:
    """The address of a balancer, and the two servers behind it."""
    with balancing(tmp_path, free_address(), [(), ()]) as balanced:
        yield balanced


@contextmanager
def balancing(
    tmp_path: Path, address: tuple[str, int], options: Sequence[Sequence[str]]
) -> Iterator[Balanced]:
    """Run a server with each of ``options``, and a balancer on ``address``."""
    if shutil.which("haproxy") is None:
        pytest.skip("there is no haproxy")
    common = ("--proxy=127.0.0.1", "--exempt=", "--metrics-address=127.0.0.1:0")
    with ExitStack() as stack:
        servers = [stack.enter_context(running_server(*common, *each)) for each in options]
        file = tmp_path / "haproxy.cfg"
        file.write_text(settings(address, servers))
        balancer = subprocess.Popen(
            ["haproxy", "-db", "-f", str(file)], env=homes.environment(), stderr=subprocess.DEVNULL
        )
        stack.callback(balancer.wait, PATIENCE)
        stack.callback(balancer.send_signal, signal.SIGKILL)
        eventually(lambda: accepts(address))
        yield address, servers


def settings(address: tuple[str, int], servers: list[ServerProcess]) -> str:
    """Return the file for operators, with the addresses of this test."""
    text = (ROOT / "deploy" / "cluster" / "haproxy.cfg").read_text()
    text = text.replace("bind :8080", f"bind {address[0]}:{address[1]}")
    for number, server in enumerate(servers, 1):
        server.wait_for_line(_METRICS)
        [port] = re.findall(_METRICS, server.log, re.MULTILINE)
        there = f"{server.address[0]}:{server.address[1]}"
        text = text.replace(f"chat{number}:8080", f"{there} port {port}")
    return text


def free_address() -> tuple[str, int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return ("127.0.0.1", int(probe.getsockname()[1]))


def accepts(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, 1).close()
    except ConnectionRefusedError:
        return False
    return True


def test_users_are_spread_and_keep_their_addresses(balanced: Balanced) -> None:
    address, servers = balanced
    came = re.compile(rf"user\d+ .*{re.escape(CLIENT)}")
    with ExitStack() as users:
        # More than two, since the balancer may take a busy server for dead for a moment.
        for number in range(100):
            user = WireClient.joined(address, f"user{number}", source=CLIENT)
            users.enter_context(user)
            if all(came.search(server.log) for server in servers):
                return
            gevent.sleep(0.1)
    raise AssertionError("all users came to one server")


def test_a_server_that_ends_gets_no_more_users(balanced: Balanced) -> None:
    address, (first, second) = balanced
    assert first.stop() == 0
    # Also at once, before the balancer has noticed: it tries the other one.
    for number in range(6):
        with WireClient.joined(address, f"user{number}", source=CLIENT):
            second.wait_for_line(f"user{number}")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Balanced]:
    """The address of a balancer, and two servers of one cluster behind it."""
    engine = EngineProcess(tmp_path / "engine")
    engine.start()
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text("0123456789abcdef" * 2)
    url, address = f"redis://127.0.0.1:{engine.port}", free_address()
    (tmp_path / "chat1").mkdir()
    found_cluster(tmp_path / "chat1", parse_engine_url(url))
    shutil.copytree(tmp_path / "chat1", tmp_path / "chat2")
    options = [
        [
            *(f"--cluster={url}", f"--node={node}", f"--peer-secret-file={secret}", "--history=on"),
            *(f"--data-directory={tmp_path / node}", "--peer-listen=127.0.0.1:0"),
            f"--public-address={address[0]}:{address[1]}",
        ]
        for node in ("chat1", "chat2")
    ]
    try:
        with balancing(tmp_path, address, options) as balanced:
            yield balanced
    finally:
        engine.kill()


@pytest.mark.thorough("the test below has the same servers, and two clients at them")
@needs_engine
def test_servers_of_a_cluster_behind_a_balancer_are_one_chat(cluster: Balanced) -> None:
    address, servers = cluster
    with (
        WireClient.joined(address, "alice", source=CLIENT) as alice,
        WireClient.joined(address, "bob", source=CLIENT) as bob,
    ):
        alice.expect_joined("bob")
        bob.say("across")
        alice.expect_text("across", "bob")
        assert len([s for s in servers if re.search("(alice|bob) joined", s.log)]) == 2


@needs_engine
def test_a_drain_behind_a_balancer_ends_no_session(
    cluster: Balanced, tmp_path: Path, home: Path
) -> None:
    """All servers have the address of the balancer, so users are moved to the address at which they are."""
    (host, port), servers = cluster
    with (
        ClientProcess(f"{host}:{port}", "alice", "--json", directory=home) as alice,
        ClientProcess(f"{host}:{port}", "bob", "--json", directory=home) as bob,
    ):
        clients = {}
        for client in (alice, bob):
            clients[client.output.wait_for(r'"type":"welcome".*"node":"(\w+)"')[1]] = client
        assert set(clients) == {"chat1", "chat2"}
        # As `chat-server drain` does.
        servers[0].send_signal(signal.SIGTERM)
        assert servers[0].wait() == 0
        clients["chat1"].output.wait_for(r'"type":"welcome".*"node":"chat2"')
        alice.ask(type="text", text="still here")
        for client in (alice, bob):
            client.output.wait_for("still here")
            assert "disconnected" not in {each["type"] for each in client.objects}
            assert "left" not in {each["type"] for each in client.objects}
