"""Describe what the load has to know of a server to give it the same work as every other."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contender import Contender
from benchmarks.load import Login
from benchmarks.processes import CHECKOUT, ServerProcess, free_port, running

# Each marker occurs in the messages of one sender only, and in nothing that a server adds.
MARKERS = (b"%", b"&")


class Peer(Contender):
    """Describe a kind of server.

    Every message from ``message`` comes to each receiver in one size. If the server numbers its messages from 1 in
    decimal digits, only the digits make a difference.

    ``senders_receive``: senders are receivers too, and get their own messages back. Otherwise senders are connections
    of their own. ``source`` is where a server in Python finds our packages.
    """

    source = CHECKOUT
    is_server = True  # or the floor, which does only the least
    senders_receive = True
    encrypted = False  # the server speaks TLS; it is given only the work that suits such a server
    max_content = 64 * 1024
    max_receivers = 100_000
    announces = False  # everyone is told who comes and goes
    has_rooms = False  # or channels: ``member`` and ``room_message`` are there
    at_a_time = (
        100  # logins under way: no more than the kernel queues for the server (listen(2), backlog)
    )

    @abstractmethod
    def command(self, port: int, directory: Path) -> list[str]:
        """Return the command that starts the server on ``port`` of 127.0.0.1; files may be put in ``directory``."""

    @abstractmethod
    def receiver(self, number: int) -> Login:
        """Return the login of a user who hears what everyone hears."""

    @abstractmethod
    def sender(self, number: int) -> Login:
        """Return the login of a user who sends to everyone."""

    @abstractmethod
    def message(self, content: bytes) -> bytes:
        """Return what a sender sends for everyone to get ``content``."""

    def user(self, number: int) -> Login:
        """Return the login of a user who gets private messages."""
        raise NotImplementedError

    def private_message(self, number: int, content: bytes) -> bytes:
        """Return what a user sends for user ``number`` alone to get ``content``."""
        raise NotImplementedError

    def member(self, number: int, rooms: Sequence[int]) -> Login:
        """Return the login of a user, as the usual client of this server does it, who is then in ``rooms``."""
        raise NotImplementedError

    def visit(self, room: int) -> bytes:
        """Return what a member of ``room`` sends to leave it and to join it again."""
        raise NotImplementedError

    def room_message(self, room: int, content: bytes) -> bytes:
        """Return what a user sends for everyone in ``room`` to get ``content``."""
        raise NotImplementedError

    def idler(self, number: int) -> Login:
        """Return the login of an idle user, as the usual client of this server does it."""
        return self.receiver(number)

    @contextmanager
    def running(self) -> Iterator[ServerProcess]:
        """Run a fresh server. Raises BenchmarkError if it does not start."""
        with tempfile.TemporaryDirectory(prefix=f"bench-{self.name}-") as directory:
            port = free_port()
            home = Path(directory)
            with running(self.command(port, home), port, home, self.source) as server:
                yield server


def content_of(size: int, marker: bytes = b"x") -> bytes:
    """Return ``size`` bytes of text with one ``marker``."""
    return marker + b"x" * (size - len(marker))
