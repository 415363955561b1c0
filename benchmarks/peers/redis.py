"""Run Redis publish/subscribe, with nothing saved to disk.

Publishers ask for no answers (CLIENT REPLY OFF), so Redis does the least that it can.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import Login
from benchmarks.peers.peer import Peer


class Redis(Peer):
    name = "redis"
    program = "redis-server"
    senders_receive = False  # a subscriber cannot publish
    has_rooms = True

    def command(self, port: int, directory: Path) -> list[str]:
        options = {
            "bind": "127.0.0.1",
            # The load comes from several addresses of loopback.
            "protected-mode": "no",
            "port": str(port),
            "save": "",
            "appendonly": "no",
            "maxclients": "15000",
            "tcp-backlog": "1024",
            "client-output-buffer-limit": "pubsub 0 0 0",
        }
        return ["redis-server", *(word for key in options for word in (f"--{key}", options[key]))]

    def receiver(self, number: int) -> Login:
        return Login(_command(b"SUBSCRIBE", b"chat"), b":1\r\n")

    def sender(self, number: int) -> Login:
        return Login(_command(b"PING") + _command(b"CLIENT", b"REPLY", b"OFF"), b"+PONG\r\n")

    def message(self, content: bytes) -> bytes:
        return _command(b"PUBLISH", b"chat", content)

    def user(self, number: int) -> Login:
        return Login(_command(b"SUBSCRIBE", _channel(number)), b":1\r\n")

    def private_message(self, number: int, content: bytes) -> bytes:
        return _command(b"PUBLISH", _channel(number), content)

    def member(self, number: int, rooms: Sequence[int]) -> Login:
        command = _command(b"SUBSCRIBE", *map(_room, rooms))
        return Login(command, b":%d\r\n" % len(rooms))

    def room_message(self, room: int, content: bytes) -> bytes:
        return _command(b"PUBLISH", _room(room), content)


def _room(number: int) -> bytes:
    return b"room%05d" % number


def _channel(number: int) -> bytes:
    return b"user%06d" % number


def _command(*words: bytes) -> bytes:
    """Return a command in the protocol's own form (RESP)."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
