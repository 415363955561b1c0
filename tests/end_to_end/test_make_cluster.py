"""``make cluster`` with the real programs, once the environment is there."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from scripts.background import stop_all
from tests.package_tree import ROOT
from tests.peers.wire_client import WireClient
from tests.server.cluster import engine_process

pytestmark = engine_process.needs_engine


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A copy, for .run is made beside the sources; nothing that was started there survives the test."""
    copy = tmp_path / "checkout"
    for directory in ("bin", "scripts", "chat"):
        ignored = shutil.ignore_patterns("*.pyc.*")  # compiled files that are being written
        shutil.copytree(ROOT / directory, copy / directory, ignore=ignored)
    yield copy
    state = copy / ".run" / "cluster"
    if state.exists():
        stop_all(state)


def free_port() -> int:
    """Return a port that is free, as those of the second server and of Redis are."""
    while True:
        port = engine_process.free_port()
        with contextlib.suppress(OSError), contextlib.ExitStack() as probes:
            for number in (port + 1, port + 20):
                probes.enter_context(socket.create_server(("127.0.0.1", number)))
            return port


def read_until(output: IO[str], text: str) -> str:
    """Read lines until one has ``text``; return all."""
    found = ""
    for line in output:
        found += line
        if text in line:
            return found
    raise AssertionError(f"no {text!r} in {found}")


def status_of(checkout: Path, name: str) -> str:
    """Return the status of the cluster, as the server ``name`` sees it, which must follow the log."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "chat.server.cli", "cluster", "status"),
            f"--data-directory={checkout / '.run' / 'cluster' / name}",
        ],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "HOME": str(checkout)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_it_starts_all_and_ends_all(checkout: Path) -> None:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "scripts.cluster"],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "HOME": str(checkout), "CHAT_PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as program:
        assert program.stdout is not None
        told = read_until(program.stdout, "Ctrl-C ends all of it.")
        for user, number in (("alice", port), ("bob", port + 1)):
            assert f"bin/chat-client {user}@127.0.0.1:{number}\n" in told
        with (
            WireClient.joined(("127.0.0.1", port), "alice") as alice,
            WireClient.joined(("127.0.0.1", port + 1), "bob") as bob,
        ):
            alice.expect_joined("bob")
            bob.say("across")
            alice.expect_text("across", "bob")
            shown = status_of(checkout, "chat1")
        assert shown.count("127.0.0.1:") >= 5
        assert "chat1 (this one)" in shown
        assert re.search(r"^chat2 +1 ", shown, re.MULTILINE)
        program.send_signal(signal.SIGINT)
        assert "Stopping both servers" in program.stdout.read()
        assert program.wait() == 0
    for number in (port, port + 1, port + 20):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", number), 5)
    assert not list((checkout / ".run" / "cluster").glob("*.pid"))
