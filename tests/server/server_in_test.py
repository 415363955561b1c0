"""A real server in the test's own process, with guests who speak the wire."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import gevent
from gevent.pool import Pool

from chat.net.address import parse_address
from chat.server.composition import Composition
from chat.server.log.log import Log, MemoryLog
from chat.server.sessions.session import Session
from chat.server.settings import Settings
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until

MakeLog = Callable[[Callable[[], str]], Log]
Guest = TypeVar("Guest", bound=WireClient)


class TestServer:
    __test__ = False  # pytest would take it for tests

    """``server`` and everyone who came to it through here.

    ``parts`` is for tests that must look inside, or make a part fail.
    """

    def __init__(self, settings: Settings, make_log: MakeLog = MemoryLog) -> None:
        self.parts = Composition(settings, make_log)
        self.server = self.parts.server
        self.server.start()
        [self.listening] = self.server.addresses
        self._guests: list[WireClient] = []

    @property
    def address(self) -> tuple[str, int]:
        return self.listening.host, self.listening.port

    def connect(self, **options: Any) -> WireClient:
        """A connection that has said nothing yet."""
        return self.remember(WireClient(self.address, **options))

    def join(self, name: str, **options: Any) -> WireClient:
        """Log a user in. The users who are there already have an announcement to read."""
        return self.remember(WireClient.joined(self.address, name, **options))

    def transfer(self, client: WireClient) -> WireClient:
        """A transfer connection of ``client``."""
        return self.remember(client.open_transfer(self.address))

    def remember(self, guest: Guest) -> Guest:
        self._guests.append(guest)
        return guest

    def session(self, name: str) -> Session:
        """The server's side of who is here under that name."""
        session = self.parts.directory.find(name)
        assert isinstance(session, Session)
        return session

    def here(self) -> list[str]:
        """The names of who is in the room."""
        names: list[str] = json.loads(self.parts.service.names_json())
        return names

    @property
    def connections(self) -> Pool:
        """The greenlets that serve connections."""
        return self.parts.handler.connections

    @property
    def has_turn(self) -> bool:
        """Tell whether the caller runs in a turn of ``LoopShare``."""
        return self.parts.share.has_turn

    def connections_end(self) -> None:
        """Wait until the server has none left."""
        wait_until(lambda: not self.connections, "the connections to end")

    def connections_are_accepted(self, number: int = 1) -> None:
        """Wait until the server has so many."""
        wait_until(
            lambda: len(self.parts.connection_slots) == number, "the connections to be accepted"
        )

    def upload_begins(self, size: int | None = None) -> None:
        """Wait until large contents take space, of ``size`` bytes in all if given."""
        spool = self.parts.spool
        wait_until(
            lambda: spool.used if size is None else spool.used == size, "the upload to begin"
        )

    def space_is_given_back(self) -> None:
        """Wait until no large content takes space."""
        wait_until(lambda: self.parts.spool.used == 0, "the space to be given back")

    def close_guests(self) -> None:
        """Disconnect everyone."""
        for guest in self._guests:
            guest.close()
        self.connections_end()

    def close(self) -> None:
        """Disconnect everyone, and check that nothing of them is left."""
        self.close_guests()
        parts = self.parts
        assert (self.here(), list(parts.directory)) == ([], [])
        assert list(parts.broadcast) == []
        assert (parts.backlogs.used, parts.backlogs._lagging) == (0, set())
        assert not parts.addresses._counts
        self.server.stop()
        self.space_is_given_back()
        assert parts.spool.files == 0


@contextmanager
def open_chat_server(
    spool_directory: Path, make_log: MakeLog = MemoryLog, **changes: Any
) -> Iterator[TestServer]:
    """Run a server with the default settings except for ``changes``, on a free port; check that nothing leaks."""
    settings = Settings(address=parse_address("127.0.0.1:0"), spool_directory=spool_directory)
    descriptors = open_descriptors()
    chat_server = TestServer(dataclasses.replace(settings, **changes), make_log)
    try:
        yield chat_server
    finally:
        chat_server.close()
    wait_until(lambda: open_descriptors() <= descriptors, "descriptors to be closed")


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def living_greenlets() -> set[int]:
    """Ids of all that have begun and not ended."""
    gc.collect()
    return {
        id(each) for each in gc.get_objects() if isinstance(each, gevent.Greenlet) and bool(each)
    }
