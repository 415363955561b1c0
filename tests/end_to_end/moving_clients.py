"""Many users in one process who talk, measure, and go to another server when they are asked to."""

from __future__ import annotations

import json
import random
import struct
import time
from collections.abc import Iterator, Sequence

import gevent
from gevent import socket

from chat.protocol.descriptor import MessageType

_DESCRIPTOR = struct.Struct(">HHIQ")
_AGAIN = 0.1  # seconds between two attempts to come in
_GIVE_UP = 30.0  # seconds

LOGIN, UTF8 = MessageType.LOGIN, MessageType.UTF8
Where = tuple[str, int]


def encode(type: int, header: dict[str, object], content: bytes = b"") -> bytes:
    data = json.dumps(header).encode()
    return _DESCRIPTOR.pack(type, len(data), 0, len(content)) + data + content


class MovingClient:
    """A user with a device who stays in the room, whatever becomes of servers.

    ``seen`` has how often each message came, by its number; ``late`` the seconds until the echo of each own line, and
    ``away`` those between the end of a connection and the next welcome. ``problems`` are sentences.
    """

    def __init__(self, name: str, servers: Sequence[Where], rng: random.Random) -> None:
        self.name = name
        self.device = rng.randbytes(24).hex()
        self.seen: dict[int, int] = {}
        self.late: list[float] = []
        self.away: list[float] = []
        self.moved: list[float] = []
        self.problems: list[str] = []
        self._rng = rng
        self._servers = list(servers)
        self._pending: dict[str, tuple[float, _Link]] = {}
        self._link: _Link | None = None
        self._count = 0
        self._lost_at: float | None = None
        self._tasks: list[gevent.Greenlet[..., object]] = []
        self._moving: gevent.Greenlet[..., object] | None = None

    @property
    def unanswered(self) -> int:
        return len(self._pending)

    def start(self, where: Where) -> None:
        """Come in at ``where``."""
        self._enter([where])

    def close(self) -> None:
        gevent.killall(self._tasks)
        if self._link is not None:
            self._link.sock.close()

    def say(self) -> None:
        """Say a line; while there is no connection, as soon as there is one again."""
        self._count += 1
        nonce = f"{self.name}-{self._count}"
        link = self._link
        assert link is not None, "has come in"
        self._pending[nonce] = (time.monotonic(), link)
        link.send(encode(UTF8, {"nonce": nonce}, nonce.encode()))

    # Coming in

    def _enter(self, servers: Sequence[Where]) -> None:
        deadline = time.monotonic() + _GIVE_UP
        where = self._rng.choice(servers)
        while True:
            link = _Link.opened(where)
            if link is not None and link.log_in(self.name, self.device):
                break
            if time.monotonic() > deadline:
                self.problems.append(f"{self.name} did not come in")
                return
            gevent.sleep(_AGAIN)
            where = self._rng.choice(self._servers)
        if self._lost_at is not None:
            self.away.append(time.monotonic() - self._lost_at)
            self._lost_at = None
        self._link = link
        self._tasks.append(gevent.spawn(self._read, link))
        # Those of a connection that has ended, in their order.
        for nonce, (since, old) in list(self._pending.items()):
            if old.has_ended:
                self._say_again(nonce, since, link)

    def _say_again(self, nonce: str, since: float, link: _Link) -> None:
        self._pending[nonce] = (since, link)
        link.send(encode(UTF8, {"nonce": nonce}, nonce.encode()))

    def _move(self, servers: list[str]) -> None:
        began = time.monotonic()
        pairs = (server.rpartition(":") for server in servers)
        self._enter([(host, int(port)) for host, _, port in pairs])
        self.moved.append(time.monotonic() - began)

    # Reading

    def _read(self, link: _Link) -> None:
        last = ""
        for header, _ in link.frames():
            if b'"notice"' in header:
                fields = json.loads(header)
                last = fields["notice"]
                if last == "move":
                    self._moving = gevent.spawn(self._move, fields["servers"])
                    self._tasks.append(self._moving)
            elif b'"seq":' in header:
                fields = json.loads(header) if self.name.encode() in header else None
                seq = int(header.partition(b'"seq":')[2].partition(b",")[0].rstrip(b"}"))
                self.seen[seq] = self.seen.get(seq, 0) + 1
                if fields is not None and fields.get("nonce") in self._pending:
                    self.late.append(time.monotonic() - self._pending.pop(fields["nonce"])[0])
        link.has_ended = True
        link.sock.close()
        if self._moving is not None:
            self._moving.join()
        if link is self._link:
            # Nobody has come back in its place.
            self._lost_at = time.monotonic()
            if last != "shutting-down":
                self.problems.append(f"{self.name} lost the connection after {last or 'nothing'}")
            self._enter(self._servers)
            return
        # The old connection has heard of everything that was said on it. The rest was not said.
        for nonce, (since, old) in list(self._pending.items()):
            if old is link and self._link is not None:
                self._say_again(nonce, since, self._link)


class _Link:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.has_ended = False
        self._data = bytearray()

    @classmethod
    def opened(cls, where: Where) -> _Link | None:
        try:
            sock = socket.create_connection(where, 5)
        except OSError:
            return None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(None)
        return cls(sock)

    def log_in(self, name: str, device: str) -> bool:
        """Return whether the server has let the user in."""
        self.send(encode(LOGIN, {"to": name, "device": device, "join": []}))
        for type, header, content in self._all_frames():
            if type != LOGIN:
                self.sock.close()
                return False
            if content and json.loads(header)["from"] == name:
                return True
        self.sock.close()
        return False

    def send(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except OSError:
            return  # the reader meets the same

    def frames(self) -> Iterator[tuple[bytes, bytes]]:
        for _, header, content in self._all_frames():
            yield header, content

    def _all_frames(self) -> Iterator[tuple[int, bytes, bytes]]:
        data = self._data
        while True:
            start = 0
            while len(data) - start >= 16:
                type, header_size, _, content_size = _DESCRIPTOR.unpack_from(data, start)
                end = start + 16 + header_size + content_size
                if len(data) < end:
                    break
                header = bytes(data[start + 16 : start + 16 + header_size])
                content = bytes(data[start + 16 + header_size : end])
                start = end
                # A caller may read on another time, from here.
                if type == LOGIN:
                    del data[:start]
                    start = 0
                yield type, header, content
            del data[:start]
            try:
                received = self.sock.recv(256 * 1024)
            except OSError:
                return
            if not received:
                return
            data += received


def talk(clients: Sequence[MovingClient], per_second: float, rng: random.Random) -> None:
    """Let the clients say lines, at random, until killed."""
    began, said = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * per_second)
        while said < due:
            rng.choice(clients).say()
            said += 1
        gevent.sleep(0.005)


def faults_of(clients: Sequence[MovingClient], longest: float) -> list[str]:
    """Return what is wrong: messages that are missing or came twice, late echoes, users who were away for long."""
    faults = [problem for client in clients for problem in client.problems]
    last = max(max(client.seen, default=0) for client in clients)
    for client in clients:
        first = min(client.seen, default=0)
        missing = [seq for seq in range(first, last + 1) if seq not in client.seen]
        twice = [seq for seq, count in client.seen.items() if count > 1]
        if missing:
            faults.append(f"{client.name} lacks {len(missing)}: {missing[:5]}")
        if twice:
            faults.append(f"{client.name} got {len(twice)} twice: {twice[:5]}")
        if client.unanswered:
            faults.append(f"{client.name} has {client.unanswered} lines without an answer")
        if client.late and max(client.late) > longest:
            faults.append(f"{client.name} waited {max(client.late):.2f} s for an echo")
        for kind, times in (("away", client.away), ("moving", client.moved)):
            if times and max(times) > longest:
                faults.append(f"{client.name} was {kind} for {max(times):.2f} s")
    return faults
