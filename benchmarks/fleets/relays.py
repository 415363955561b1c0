"""Run relays over the publish/subscribe of Redis or NATS, used bare: nothing is kept, checked, or ordered by name."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fleets.fleet import Fleet
from benchmarks.load import Login
from benchmarks.peers.floor import Floor
from benchmarks.peers.nats import Nats
from benchmarks.peers.peer import Peer
from benchmarks.peers.redis import Redis

_FLOOR = Floor()


class Relays(Fleet):
    """Describe relays between users and ``broker``."""

    broker: Peer

    def user(self, number: int) -> Login:
        return _FLOOR.sender(number)

    def message(self, content: bytes) -> bytes:
        """Return a line that is as long as the frame that our server would make."""
        size = len(_FLOOR.message(content))
        return content.ljust(size - 1, b"x") + b"\n"

    def engine_command(self, port: int, directory: Path) -> list[str]:
        return self.broker.command(port, directory)

    def commands(self, engine: int, ports: Sequence[int], directory: Path) -> list[list[str]]:
        words = [sys.executable, "-m", "benchmarks.fleets.relay", self.name, str(engine)]
        return [[*words, str(port)] for port in ports]


class RedisRelays(Relays):
    name = "redis"
    program = Redis.program
    broker = Redis()


class NatsRelays(Relays):
    name = "nats"
    program = Nats.program
    broker = Nats()
