from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.server_process import ServerProcess, running_server


@pytest.fixture
def running() -> Iterator[ServerProcess]:
    """The real server, as a process of its own."""
    with running_server() as server:
        yield server


@pytest.fixture
def address(running: ServerProcess) -> str:
    """Where the real server listens."""
    host, port = running.address
    return f"{host}:{port}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the client under test runs, and saves."""
    directory = tmp_path / "home"
    directory.mkdir()
    return directory
