"""A client that outlives its server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.end_to_end.client_process import ClientProcess, listening
from tests.end_to_end.server_process import ServerProcess


@pytest.fixture
def servers() -> Iterator[list[ServerProcess]]:
    """Run servers, all on one address."""
    started: list[ServerProcess] = []
    yield started
    for server in started:
        server.end()


def start(servers: list[ServerProcess]) -> str:
    """Another one, after those before it; the address."""
    address = "127.0.0.1:0"
    if servers:
        host, port = servers[0].address
        address = f"{host}:{port}"
    servers.append(ServerProcess(address=address))
    host, port = servers[0].address
    return f"{host}:{port}"


@pytest.fixture
def log(home: Path) -> Path:
    path = home / "app.log"
    path.touch()
    return path


@pytest.fixture
def following(log: Path) -> Iterator[IO[bytes]]:
    """Yield the output of ``tail -f`` for the log."""
    with subprocess.Popen(["tail", "-n+1", "-F", str(log)], stdout=subprocess.PIPE) as tail:
        assert tail.stdout is not None
        yield tail.stdout
        tail.terminate()


def test_a_log_that_is_followed_survives_a_restart(
    servers: list[ServerProcess], home: Path, log: Path, following: IO[bytes]
) -> None:
    """The lines that are written while there is no server arrive after it, once each, in order."""
    address = start(servers)
    with (
        ClientProcess(address, "logs", directory=home, source=following) as client,
        open(log, "a", buffering=1) as file,
    ):
        file.write("line 0\n")
        client.output.wait_for(r"\[logs\]: line 0$")
        assert servers[0].stop() == 0
        client.errors.wait_for("Trying again")
        for number in range(1, 50):
            file.write(f"line {number}\n")
        start(servers)
        client.output.wait_for(r"\[logs\]: line 49$")
        with listening(address, "alice", directory=home) as alice:
            for number in range(50, 100):
                file.write(f"line {number}\n")
            alice.output.wait_for(r"\[logs\]: line 99$")
        client.output.wait_for(r"\[logs\]: line 99$")
        said = [line for line in client.lines if line.startswith("[logs]: ")]
        assert said == [f"[logs]: line {number}" for number in range(100)]


def test_a_killed_server_that_comes_back(servers: list[ServerProcess], home: Path) -> None:
    address = start(servers)
    with ClientProcess(address, "bob", "--json", directory=home) as bob:
        bob.output.wait_for('"welcome"')
        servers[0].end()
        bob.output.wait_for('"disconnected"')
        bob.ask(type="text", text="still here", id=1)
        start(servers)
        bob.output.wait_for('"done","id":1')
        bob.end_input()
        assert bob.wait() == 0
        kinds = [each["type"] for each in bob.objects if each["type"] != "disconnected"]
        assert kinds == ["welcome", "welcome", "text", "done"]
