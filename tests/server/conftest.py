from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest

from chat.server.accounts import passwords
from chat.server.delivery.broadcast import Broadcast
from chat.server.history.search import indexer, looking
from chat.server.settings import TlsMode
from tests.cheap_hashes import HASHER
from tests.server.disk import Disk
from tests.server.server_in_test import TestServer, open_chat_server


@pytest.fixture(scope="session", autouse=True)
def _resources_of_the_hub() -> None:
    """Open the resources that gevent opens once and keeps, so that no test takes them for a leak."""
    gevent.get_hub().threadpool.apply(int)


@pytest.fixture
def broadcast() -> Iterator[Broadcast]:
    """Return a broadcast that flushes by itself."""
    broadcast = Broadcast()
    broadcast.start()
    yield broadcast
    broadcast.stop()


@pytest.fixture
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Passwords that take no time; the real ones have tests of their own."""
    # No public name: an option of the server that weakens its hashes must not exist.
    monkeypatch.setattr(passwords, "_hasher", lambda: HASHER)
    passwords._dummy.cache_clear()
    yield
    passwords._dummy.cache_clear()


@pytest.fixture
def eager_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that follows the history at once, and does not rest; nor do searches."""
    monkeypatch.setattr(looking, "REST", 0)
    monkeypatch.setattr(indexer, "LINGER", 0)
    monkeypatch.setattr(indexer, "SHARE", 1)
    monkeypatch.setattr(indexer, "STEP", 1)


@pytest.fixture
def open_a_chat_server(tmp_path: Path) -> Iterator[Callable[..., TestServer]]:
    """A server with the settings that are given, in this process; it must be left as it was entered."""
    with ExitStack() as servers:

        def open_one(**changes: Any) -> TestServer:
            return servers.enter_context(open_chat_server(tmp_path, **changes))

        yield open_one


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(monkeypatch)
    yield disk
    disk.recover()


@pytest.fixture
def open_durable(
    disk: Disk, open_a_chat_server: Callable[..., TestServer], tmp_path: Path
) -> Iterator[Callable[..., TestServer]]:
    """A durable server; the disk works again before it is left."""

    def open_one(**changes: Any) -> TestServer:
        directory = tmp_path / "data"
        settings = {"rate": None, "byte_rate": None, "replay": 0, **changes}
        return open_a_chat_server(durable=True, data_directory=directory, **settings)

    yield open_one
    disk.recover()


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Any]:
    """Start a server; each one goes on with the messages that the one before has kept."""

    @contextmanager
    def start(**changes: Any) -> Iterator[TestServer]:
        with open_chat_server(tmp_path, data_directory=tmp_path / "data", **changes) as server:
            yield server

    return start


@pytest.fixture
def chat_server(open_a_chat_server: Callable[..., TestServer]) -> TestServer:
    """A server with the default settings, in this process; it must be left as it was entered."""
    return open_a_chat_server()


@pytest.fixture
def open_a_safe_chat_server(
    open_a_chat_server: Callable[..., TestServer], tmp_path: Path
) -> Callable[..., TestServer]:
    """Open servers with TLS as an option for clients, and with a certificate."""

    def open_one(**changes: Any) -> TestServer:
        options = {"tls": TlsMode.OPTIONAL, "data_directory": tmp_path / "data", **changes}
        return open_a_chat_server(**options)

    return open_one


@pytest.fixture
def safe_chat_server(open_a_safe_chat_server: Callable[..., TestServer]) -> TestServer:
    return open_a_safe_chat_server()
