"""Run loops that do only what every server of their kind must do: the system calls that move the bytes.

``python -m benchmarks.peers.bare_loops send PORT`` sends everything that anybody sends to everybody, as one write for
each socket and batch. ``python -m benchmarks.peers.bare_loops sendfile PORT PATH`` sends the file to everybody who is
connected when somebody sends a byte.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
from typing import BinaryIO

from chat.server.net.transport import SENDFILE_CHUNK

_READ = 1024 * 1024


class Loop:
    """Greet each connection by sending its first byte back; then it takes part."""

    def __init__(self, port: int) -> None:
        self.epoll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.epoll.register(self._listener.fileno(), select.EPOLLIN)

    def read(self) -> list[bytes]:
        """Return the bytes that have come from all connections."""
        batch = []
        for fd, _ in self.epoll.poll():
            if fd == self._listener.fileno():
                self._accept()
                continue
            data = os.read(fd, _READ)
            if data:
                batch.append(data)
            else:
                self.epoll.unregister(fd)
                self.sockets.pop(fd).close()
        return batch

    def _accept(self) -> None:
        sock = self._listener.accept()[0]
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        greeting = sock.recv(1)
        if greeting:
            sock.sendall(greeting)
            self.sockets[sock.fileno()] = sock
            self.epoll.register(sock.fileno(), select.EPOLLIN)


def send(port: int) -> None:
    loop = Loop(port)
    while True:
        batch = b"".join(loop.read())
        if batch:
            for fd in loop.sockets:
                os.write(fd, batch)


def send_file(port: int, file: BinaryIO) -> None:
    loop = Loop(port)
    size = os.fstat(file.fileno()).st_size
    while not loop.read():
        pass
    offsets = dict.fromkeys(loop.sockets, 0)
    writable = select.epoll()
    for fd in offsets:
        os.set_blocking(fd, False)
        writable.register(fd, select.EPOLLOUT)
    while offsets:
        for fd, _ in writable.poll():
            # Until the kernel takes no more: to wait after each piece that it sends would cost more calls.
            with contextlib.suppress(BlockingIOError):
                while offsets[fd] < size:
                    offsets[fd] += os.sendfile(fd, file.fileno(), offsets[fd], SENDFILE_CHUNK)
            if offsets[fd] == size:
                del offsets[fd]
                writable.unregister(fd)
    while True:
        loop.read()


def main(argv: list[str]) -> None:
    if argv[0] == "send":
        send(int(argv[1]))
    else:
        with open(argv[2], "rb") as file:
            send_file(int(argv[1]), file)


if __name__ == "__main__":
    main(sys.argv[1:])
