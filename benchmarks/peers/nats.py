"""Run NATS, core publish/subscribe: no storage, no acknowledgements."""

from __future__ import annotations

from pathlib import Path

from benchmarks.load import Login
from benchmarks.peers.peer import Peer

_CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"echo":true}\r\n'


class Nats(Peer):
    name = "nats"
    program = "nats-server"

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


def _subscriber(subject: bytes) -> Login:
    return Login(_CONNECT + b"SUB " + subject + b" 1\r\nPING\r\n", b"PONG\r\n")
