"""Measurements have a loopback of their own, where the system allows one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.network import congestion_control, own_network

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may have another network")
NETWORK = Path("/proc/thread-self/ns/net")
CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])))"


def reaches(port: int) -> bool:
    """Tell whether a program that is started now can connect to ``port``."""
    program = [sys.executable, "-c", CONNECT, str(port)]
    return subprocess.run(program, stderr=subprocess.DEVNULL).returncode == 0


@AS_ROOT
def test_what_is_started_meanwhile_is_alone_with_its_like() -> None:
    former = NETWORK.readlink()
    with socket.create_server(("127.0.0.1", 0)) as outside:
        with own_network() as words:
            if "its own," not in words:
                pytest.skip(words)
            assert NETWORK.readlink() != former
            assert congestion_control() == "reno"
            with socket.create_server(("127.0.0.1", 0)) as inside:
                assert reaches(inside.getsockname()[1])
            assert not reaches(outside.getsockname()[1])

        assert NETWORK.readlink() == former
        assert reaches(outside.getsockname()[1])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
def test_without_the_right_to_a_network_the_machines_own_is_measured() -> None:
    former = NETWORK.readlink()

    with own_network() as words:
        assert NETWORK.readlink() == former

    assert words.startswith("the machine's own loopback (")
    assert words.endswith(f"TCP {congestion_control()}")
