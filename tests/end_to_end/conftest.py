from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.server_process import ServerProcess
from tests.end_to_end.spare_server import SpareServer


@pytest.fixture(scope="session")
def _spare_server() -> Iterator[SpareServer]:
    spare = SpareServer()
    yield spare
    spare.stop()


@pytest.fixture
def running(_spare_server: SpareServer) -> Iterator[ServerProcess]:
    """Return the real server, in a separate process, in which nothing has happened yet."""
    server = _spare_server.take()
    yield server
    _spare_server.put_back(server)


@pytest.fixture
def address(running: ServerProcess) -> str:
    """Return the address of the real server."""
    host, port = running.address
    return f"{host}:{port}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the directory where the client under test runs, and saves."""
    directory = tmp_path / "home"
    directory.mkdir()
    return directory
