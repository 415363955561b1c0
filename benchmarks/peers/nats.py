"""Run NATS, core publish/subscribe: no storage, no acknowledgements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import Login
from benchmarks.peers.peer import Peer

_CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"echo":true}\r\n'


class Nats(Peer):
    name = "nats"
    program = "nats-server"
    has_rooms = True

    def command(self, port: int, directory: Path) -> list[str]:
        # The PING to each client within its first seconds cannot be turned off; later ones can.
        config = directory / "nats.conf"
        config.write_text('ping_interval: "1h"\n')
        return ["nats-server", "-a", "127.0.0.1", "-p", str(port), "-c", str(config)]

    def receiver(self, number: int) -> Login:
        return _subscriber(b"chat")

    def sender(self, number: int) -> Login:
        return _subscriber(b"chat")

    def message(self, content: bytes) -> bytes:
        return b"PUB chat %d\r\n%s\r\n" % (len(content), content)

    def user(self, number: int) -> Login:
        return _subscriber(b"user%06d" % number)

    def private_message(self, number: int, content: bytes) -> bytes:
        return b"PUB user%06d %d\r\n%s\r\n" % (number, len(content), content)

    def member(self, number: int, rooms: Sequence[int]) -> Login:
        return _subscriber(*(b"room%05d" % room for room in rooms))

    def room_message(self, room: int, content: bytes) -> bytes:
        return b"PUB room%05d %d\r\n%s\r\n" % (room, len(content), content)


def _subscriber(*subjects: bytes) -> Login:
    lines = b"".join(b"SUB %b %d\r\n" % pair for pair in zip(subjects, range(1, 100), strict=False))
    return Login(_CONNECT + lines + b"PING\r\n", b"PONG\r\n")
