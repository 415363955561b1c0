"""A real server in the test's own process, with guests who speak the wire."""

from __future__ import annotations

import dataclasses
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import gevent

from chat.address import parse_address
from chat.server.server import ChatServer
from chat.server.session import Session
from chat.server.settings import Settings
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until

Guest = TypeVar("Guest", bound=WireClient)


class House:
    """``server`` and everyone who came to it through here."""

    def __init__(self, settings: Settings) -> None:
        self.server = ChatServer(settings)
        self.services = self.server.services
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
        """Somebody in the room. The ones before him have an announcement to read."""
        return self.remember(WireClient.joined(self.address, name, **options))

    def transfer(self, client: WireClient) -> WireClient:
        """A transfer connection of ``client``."""
        return self.remember(client.open_transfer(self.address))

    def remember(self, guest: Guest) -> Guest:
        self._guests.append(guest)
        return guest

    def session(self, name: str) -> Session:
        """The server's side of who is here under that name."""
        session = self.services.room.find(name)
        assert isinstance(session, Session)
        return session

    def connections_end(self) -> None:
        """Wait until the server has none left."""
        wait_until(lambda: not self.server.connections, "the connections to end")

    def close(self) -> None:
        """Everyone goes, and nothing of them may be left."""
        for guest in self._guests:
            guest.close()
        self.connections_end()
        services = self.services
        assert services.room.members == {}
        assert services.sessions == {}
        assert list(services.delivery) == []
        assert (services.backlogs.used, services.backlogs._lagging) == (0, set())
        assert not services.addresses._counts
        self.server.stop()
        wait_until(lambda: services.spool.used == 0, "the space to be given back")
        assert services.spool.files == 0


@contextmanager
def open_house(spool_directory: Path, **changes: Any) -> Iterator[House]:
    """A house with the default settings but for ``changes``, on a port of its own; nothing may leak."""
    settings = Settings(address=parse_address("127.0.0.1:0"), spool_directory=spool_directory)
    descriptors = open_descriptors()
    house = House(dataclasses.replace(settings, **changes))
    try:
        yield house
    finally:
        house.close()
    wait_until(lambda: open_descriptors() <= descriptors, "descriptors to be closed")


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def living_greenlets() -> set[int]:
    """Ids of all that have begun and not ended."""
    gc.collect()
    return {
        id(each) for each in gc.get_objects() if isinstance(each, gevent.Greenlet) and bool(each)
    }
