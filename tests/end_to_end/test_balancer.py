"""Clients reach servers through HAProxy, as ``deploy/cluster/haproxy.cfg`` sets it up."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import homes
from tests.end_to_end.server_process import PATIENCE, ServerProcess, eventually, running_server
from tests.package_tree import ROOT
from tests.peers.wire_client import WireClient

Balanced = tuple[tuple[str, int], list[ServerProcess]]
CLIENT = "127.0.0.9"


@pytest.fixture
def balanced(tmp_path: Path) -> Iterator[Balanced]:
    """The address of a balancer, and the two servers behind it."""
    if shutil.which("haproxy") is None:
        pytest.skip("there is no haproxy")
    options = ("--proxy=127.0.0.1", "--exempt=", "--metrics-address=127.0.0.1:0")
    with ExitStack() as stack:
        servers = [stack.enter_context(running_server(*options)) for _ in range(2)]
        address = free_address()
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
        [port] = re.findall(r"metrics are on 127\.0\.0\.1:(\d+)$", server.log, re.MULTILINE)
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
    with (
        WireClient.joined(address, "alice", source=CLIENT),
        WireClient.joined(address, "bob", source=CLIENT),
    ):
        for server in servers:
            server.wait_for_line(rf"(alice|bob) .*{re.escape(CLIENT)}")
        assert len({name for s in servers for name in re.findall(r"alice|bob", s.log)}) == 2


def test_a_server_that_ends_gets_no_more_users(balanced: Balanced) -> None:
    address, (first, second) = balanced
    assert first.stop() == 0
    # Also at once, before the balancer has noticed: it tries the other one.
    for number in range(6):
        with WireClient.joined(address, f"user{number}", source=CLIENT):
            second.wait_for_line(f"user{number}")
