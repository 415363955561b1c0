"""A crowd of strangers from very many addresses, each below every limit, as a process of its own.

    python -m tests.hostile.crowd PORT KIND RATE SECONDS FIRST

``RATE`` connections a second for ``SECONDS``, from 127.FIRST.x.y and on. A JSON object on stdout tells how it went.
The process uses no gevent and few system calls, since it must not be slower than the server.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import gevent

from chat.protocol.descriptor import ByteOrder, MessageType, encode_frame
from tests.end_to_end.server_process import CHECKOUT
from tests.hostile.attacks import client_hello

_TICK = 0.002  # seconds
_READ_EVERY = 0.5  # seconds between two looks at what each one in the room has been sent
_MOST = 16_000  # sockets at a time; the oldest is closed for one more
_NO_PORT_YET = 24  # IP_BIND_ADDRESS_NO_PORT, ip(7): the port is chosen by connect, for each target


class Kind(NamedTuple):
    """``opening`` makes the first bytes of stranger number N. ``leaves``: strangers close at the first answer."""

    opening: Callable[[int], bytes]
    leaves: bool


def _login(name: str) -> bytes:
    return encode_frame(MessageType.LOGIN, name.encode(), b"", ByteOrder.LITTLE)


_HELLO = client_hello()

KINDS = {
    "staying": Kind(lambda number: _login(f"guest{number}"), leaves=False),
    "leaving": Kind(lambda number: _login(f"guest{number}"), leaves=True),
    "refused": Kind(lambda number: _login("?"), leaves=True),
    "silent": Kind(lambda number: b"", leaves=False),
    "handshakes": Kind(lambda number: _HELLO, leaves=True),
}


class Told(NamedTuple):
    """The counts of connections that were begun, and of those that got an answer."""

    begun: int
    answered: int


class Crowd:
    """All strangers of one process."""

    def __init__(self, port: int, kind: Kind, first: int) -> None:
        self.begun = 0
        self.answered = 0
        self._port = port
        self._kind = kind
        self._first = first
        self._poll = select.epoll()
        self._open: dict[int, socket.socket] = {}  # in the order in which they came
        self._silent: set[int] = set()  # those who wait for an answer
        self._scratch = bytearray(1 << 18)

    def come(self, rate: float, seconds: float) -> Told:
        """Begin ``rate`` connections a second; afterwards all are closed."""
        began = time.monotonic()
        read_at = began + _READ_EVERY
        while (now := time.monotonic()) < began + seconds:
            due = int((now - began) * rate)
            # No more than a few at once: answers are to be seen as they come.
            for _ in range(min(due - self.begun, 50)):
                self._begin()
            for descriptor, _ in self._poll.poll(_TICK):
                self._go_on(descriptor)
            if now >= read_at:
                read_at = now + _READ_EVERY
                self._read_all()
        told = Told(self.begun, self.answered)
        for descriptor in list(self._open):
            self._close(descriptor)
        return told

    def _begin(self) -> None:
        number = self.begun
        self.begun += 1
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, _NO_PORT_YET, 1)
        second, rest = divmod(number, 60_000)
        sock.bind((f"127.{self._first + second}.{rest // 240}.{2 + rest % 240}", 0))
        sock.connect_ex(("127.0.0.1", self._port))
        self._open[sock.fileno()] = sock
        self._poll.register(sock.fileno(), select.EPOLLOUT)
        if len(self._open) > _MOST:
            self._close(next(iter(self._open)))

    def _go_on(self, descriptor: int) -> None:
        sock = self._open.get(descriptor)
        if sock is None:
            return
        try:
            if descriptor not in self._silent:
                self._silent.add(descriptor)
                sock.send(self._kind.opening(self.begun))
                self._poll.modify(descriptor, select.EPOLLIN)
                return
            received = sock.recv_into(self._scratch)
        except OSError:
            received = 0
        if not received:
            self._close(descriptor)
            return
        self.answered += 1
        if self._kind.leaves:
            self._close(descriptor)
        else:
            self._poll.unregister(descriptor)

    def _read_all(self) -> None:
        """Read the frames of all strangers in the room, so that the server does not find them too slow."""
        for descriptor, sock in list(self._open.items()):
            with contextlib.suppress(OSError):
                if not sock.recv_into(self._scratch):
                    self._close(descriptor)

    def _close(self, descriptor: int) -> None:
        self._silent.discard(descriptor)
        self._open.pop(descriptor).close()


@contextmanager
def crowd(port: int, kind: str, rate: float, seconds: float, first: int) -> Iterator[list[Told]]:
    """A crowd that comes while the block runs, which it outlasts; the list has what it told after the block."""
    command = [sys.executable, "-m", "tests.hostile.crowd"]
    command += [str(each) for each in (port, kind, rate, seconds, first)]
    told: list[Told] = []
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield told
            assert process.stdout is not None
            line = gevent.get_hub().threadpool.apply(process.stdout.readline)
            told.append(Told(**json.loads(line)))
        finally:
            process.kill()


def main(argv: list[str]) -> None:
    port, kind, rate, seconds, first = argv
    told = Crowd(int(port), KINDS[kind], int(first)).come(float(rate), float(seconds))
    print(json.dumps(told._asdict()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
