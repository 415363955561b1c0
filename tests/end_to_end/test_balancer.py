"""Clients reach servers through HAProxy, as ``deploy/cluster/haproxy.cfg`` sets it up."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import TypeVar

import gevent
import pytest

from chat.net.engine_url import parse_engine_url
from chat.protocol.descriptor import MessageType
from chat.server.replication.stored.founding import found_cluster
from tests import homes
from tests.end_to_end.client_process import ClientProcess
from tests.end_to_end.server_process import PATIENCE, ServerProcess, eventually, running_server
from tests.package_tree import ROOT
from tests.peers.wire_client import WireClient
from tests.server.cluster.engine_process import EngineProcess, needs_engine

Balanced = tuple[tuple[str, int], list[ServerProcess]]
Client = TypeVar("Client", WireClient, ClientProcess)
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
        text = text.replace(f"10.88.0.3{number}:8080", f"{there} port {port}")
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


def come_to_both(
    enter: Callable[[str], Client], server_of: Callable[[Client], str]
) -> dict[str, list[Client]]:
    """Let users come until both servers have some; return them by servers.

    More than two come where the balancer takes a busy server for dead for a moment.
    """
    users: dict[str, list[Client]] = {}
    for number in range(100):
        user = enter(f"user{number}")
        users.setdefault(server_of(user), []).append(user)
        if len(users) == 2:
            return users
        gevent.sleep(0.1)
    raise AssertionError("all users came to one server")


def wire_clients(balanced: Balanced, stack: ExitStack) -> list[WireClient]:
    """Return users of both servers, each seen under their own address."""
    address, servers = balanced

    def enter(name: str) -> WireClient:
        return stack.enter_context(WireClient.joined(address, name, source=CLIENT))

    def server_of(user: WireClient) -> str:
        came = re.compile(rf"{user.name} .*{re.escape(CLIENT)}")
        eventually(lambda: any(came.search(server.log) for server in servers))
        return "first" if came.search(servers[0].log) else "second"

    users = come_to_both(enter, server_of)
    return [users["first"][0], users["second"][0]]


def test_users_are_spread_and_keep_their_addresses(balanced: Balanced) -> None:
    with ExitStack() as stack:
        assert len(wire_clients(balanced, stack)) == 2


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
    with ExitStack() as stack:
        one, other = wire_clients(cluster, stack)
        one.say("across")
        other.read_until(MessageType.UTF8, b"across")


@needs_engine
def test_a_drain_behind_a_balancer_ends_no_session(
    cluster: Balanced, tmp_path: Path, home: Path
) -> None:
    """All servers have the address of the balancer, so users are moved to the address at which they are."""
    (host, port), servers = cluster
    with ExitStack() as stack:
        users = come_to_both(
            lambda name: stack.enter_context(
                ClientProcess(f"{host}:{port}", name, "--json", directory=home)
            ),
            lambda user: user.output.wait_for(r'"type":"welcome".*"node":"(\w+)"')[1],
        )
        # As `chat-server drain` does.
        servers[0].send_signal(signal.SIGTERM)
        assert servers[0].wait() == 0
        for client in users["chat1"]:
            client.output.wait_for(r'"type":"welcome".*"node":"chat2"')
        users["chat1"][0].ask(type="text", text="still here")
        for client in chain(*users.values()):
            client.output.wait_for("still here")
            assert "disconnected" not in {each["type"] for each in client.objects}
            assert "left" not in {each["type"] for each in client.objects}
