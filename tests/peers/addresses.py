"""Addresses of one port on this machine that connect, refuse or are silent, and a resolver that names them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address
from typing import Any

import pytest

NAME = "chat.example"
# Each process has addresses of its own: the port that is free on one address may be taken on another one, by tests that
# run at the same time. They have the number of the process in bits 3 to 23.
SILENT, OTHER_SILENT, GOOD, OTHER_GOOD, REFUSING = (
    str(IPv4Address((127 << 24) + (os.getpid() % (1 << 21) << 3) + n)) for n in range(2, 7)
)
GOOD_6 = "::1"


class Listener:
    """Accepts what a test wants it to."""

    def __init__(self, host: str, port: int = 0, backlog: int = 128) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((host, port))
        self.socket.listen(backlog)
        self.port: int = self.socket.getsockname()[1]

    def close(self) -> None:
        self.socket.close()


class Silence(Listener):
    """A listener whose queue is full: the kernel drops every further SYN, until ``wake``."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port, backlog=0)
        self._queue: list[socket.socket] = []
        while True:
            sock = socket.socket()
            self._queue.append(sock)
            sock.settimeout(0.1)
            try:
                sock.connect((host, port))
            except TimeoutError:
                break

    def wake(self) -> None:
        """Take what is in the queue: the next SYN that a client sends again is answered."""
        self.socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self._queue.append(self.socket.accept()[0])
        self.socket.listen(128)

    def close(self) -> None:
        super().close()
        for sock in self._queue:
            sock.close()


class Resolver:
    """Says that ``NAME`` has the addresses ``hosts``, and counts how often it was asked."""

    def __init__(self, *hosts: str) -> None:
        self.hosts: Sequence[str] = hosts
        self.asked = 0

    def __call__(
        self, host: str, port: int, type: int = 0, flags: int = 0, **_: Any
    ) -> list[tuple[Any, ...]]:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        assert host == NAME
        self.asked += 1
        return [
            (socket.AF_INET6, type, 6, "", (each, port, 0, 0))
            if ":" in each
            else (socket.AF_INET, type, 6, "", (each, port))
            for each in self.hosts
        ]

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Install the addresses for both runtimes."""
        monkeypatch.setattr("socket.getaddrinfo", self)
        monkeypatch.setattr("gevent.socket.getaddrinfo", self)


@contextmanager
def silence_at(port: int, *hosts: str) -> Iterator[list[Silence]]:
    """Let nobody answer there, neither yes nor no."""
    made: list[Silence] = []
    try:
        for host in hosts:
            made.append(Silence(host, port))
        yield made
    finally:
        for each in made:
            each.close()
