"""Publish what users say, and send them what the broker tells: the least that a server between them must do.

``python -m benchmarks.fleets.relay redis|nats ENGINE PORT``. A user sends lines. Each line is one message to the
broker. The relay sends each user all messages that have come back together in one write.
"""

from __future__ import annotations

import os
import re
import select
import socket
import sys

from benchmarks.peers.bare_loops import Loop

_READ = 1024 * 1024


class RedisBroker:
    """Redis: a subscriber cannot publish, so there are two connections."""

    _message = re.compile(rb"\*3\r\n\$7\r\nmessage\r\n\$4\r\nchat\r\n\$\d+\r\n([^\r]*)\r\n")

    def __init__(self, address: tuple[str, int]) -> None:
        self.subscribed = socket.create_connection(address)
        self._publishing = socket.create_connection(address)
        self.subscribed.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._publishing.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.subscribed.sendall(b"SUBSCRIBE chat\r\n")
        # The answer ends with the number of channels.
        while not self.subscribed.recv(_READ).endswith(b":1\r\n"):
            pass
        self._publishing.sendall(b"CLIENT REPLY OFF\r\n")
        self._rest = b""

    def publish(self, lines: list[bytes]) -> None:
        head = b"*3\r\n$7\r\nPUBLISH\r\n$4\r\nchat\r\n$"
        self._publishing.sendall(
            b"".join([b"%b%d\r\n%b\r\n" % (head, len(line), line) for line in lines])
        )

    def heard(self) -> list[bytes]:
        """Return the messages that have come."""
        data = self._rest + os.read(self.subscribed.fileno(), _READ)
        heard, end = [], 0
        for found in self._message.finditer(data):
            heard.append(found[1])
            end = found.end()
        self._rest = data[end:]
        return heard


class NatsBroker(RedisBroker):
    """NATS: one connection."""

    _message = re.compile(rb"MSG chat 1 \d+\r\n([^\r]*)\r\n")

    def __init__(self, address: tuple[str, int]) -> None:
        self.subscribed = self._publishing = socket.create_connection(address)
        self.subscribed.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.subscribed.sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\n')
        self.subscribed.sendall(b"SUB chat 1\r\nPING\r\n")
        while not self.subscribed.recv(_READ).endswith(b"PONG\r\n"):
            pass
        self._rest = b""

    def publish(self, lines: list[bytes]) -> None:
        self.subscribed.sendall(
            b"".join([b"PUB chat %d\r\n%b\r\n" % (len(line), line) for line in lines])
        )

    def heard(self) -> list[bytes]:
        heard = super().heard()
        if self._rest.startswith(b"PING\r\n"):
            self._rest = self._rest[6:]
            self.subscribed.sendall(b"PONG\r\n")
        return heard


BROKERS = {"redis": RedisBroker, "nats": NatsBroker}


class Relay(Loop):
    """Relay between the users at ``port`` and ``broker``."""

    def __init__(self, port: int, broker: RedisBroker) -> None:
        super().__init__(port)
        self._broker = broker
        self.epoll.register(broker.subscribed.fileno(), select.EPOLLIN)
        self._begun: dict[int, bytes] = {}  # lines whose end has not come

    def turn(self) -> None:
        """Relay what has come."""
        said: list[bytes] = []
        heard: list[bytes] = []
        for fd, _ in self.epoll.poll():
            if fd == self._broker.subscribed.fileno():
                heard += self._broker.heard()
            elif fd in self.sockets:
                *lines, self._begun[fd] = self._take(fd).split(b"\n")
                said += lines
            else:
                self._accept()
        if said:
            self._broker.publish(said)
        if heard:
            batch = b"\n".join((*heard, b""))
            for fd in self.sockets:
                os.write(fd, batch)

    def _take(self, fd: int) -> bytes:
        data = os.read(fd, _READ)
        if not data:
            self.epoll.unregister(fd)
            self.sockets.pop(fd).close()
        return self._begun.pop(fd, b"") + data


def main(argv: list[str]) -> None:
    kind, engine, port = argv
    relay = Relay(int(port), BROKERS[kind](("127.0.0.1", int(engine))))
    while True:
        relay.turn()


if __name__ == "__main__":
    main(sys.argv[1:])
