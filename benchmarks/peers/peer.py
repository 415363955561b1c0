"""What the load has to know of a server to give it the same work as every other."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contender import Contender
from benchmarks.load import Login
from benchmarks.processes import CHECKOUT, ServerProcess, free_port, running

# Each in the messages of one sender only, and in nothing that a server puts around them.
MARKERS = (b"%", b"&")


class Peer(Contender):
    """A kind of server. Every message that ``message`` makes comes to each receiver in one and the same size.

    ``senders_receive``: who sends is one of the receivers, and sees his own messages come back. Where that is not
    so, senders are connections of their own. ``source`` is where a server in Python finds our packages.
    """

    source = CHECKOUT
    is_server = True  # or only the least that one must do
    senders_receive = True
    encrypted = False  # TLS is spoken; such a one is given what its work says is for it too
    max_content = 64 * 1024
    max_receivers = 100_000
    announces = False  # who comes and goes is told to everyone
    at_a_time = 100  # logins under way: no more than the kernel keeps for it (listen(2), backlog)

    @abstractmethod
    def command(self, port: int, directory: Path) -> list[str]:
        """How to start it on ``port`` of 127.0.0.1; files may be put in ``directory``."""

    @abstractmethod
    def receiver(self, number: int) -> Login:
        """The login of one who hears what everyone hears."""

    @abstractmethod
    def sender(self, number: int) -> Login:
        """The login of one who sends to everyone."""

    @abstractmethod
    def message(self, content: bytes) -> bytes:
        """What a sender sends for everyone to get ``content``."""

    def user(self, number: int) -> Login:
        """The login of one who may be written to alone."""
        raise NotImplementedError

    def private_message(self, number: int, content: bytes) -> bytes:
        """What a user sends for user ``number`` alone to get ``content``."""
        raise NotImplementedError

    def idler(self, number: int) -> Login:
        """The login of one of those who are just there, as the usual client of this server does it."""
        return self.receiver(number)

    @contextmanager
    def running(self) -> Iterator[ServerProcess]:
        """A fresh one. Raises BenchmarkError if it does not start."""
        with tempfile.TemporaryDirectory(prefix=f"bench-{self.name}-") as directory:
            port = free_port()
            home = Path(directory)
            with running(self.command(port, home), port, home, self.source) as server:
                yield server


def content_of(size: int, marker: bytes = b"x") -> bytes:
    """``size`` bytes of text with one ``marker``."""
    return marker + b"x" * (size - len(marker))
