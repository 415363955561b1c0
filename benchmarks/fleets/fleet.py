"""Describe several servers that share one chat: each user hears the users of all servers."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.contender import Contender
from benchmarks.load import Login
from benchmarks.processes import ProcessTree, ServerProcess, free_port, running


class Servers(NamedTuple):
    """Hold the running servers, and the engine between them."""

    all: Sequence[ServerProcess]
    engine: ProcessTree

    def cpu(self) -> float:
        """Return the seconds of CPU time that all servers have used, without the engine."""
        return sum(server.cpu() for server in self.all)


class Fleet(Contender):
    """Describe servers of one kind with their engine. The sizes of messages are as those of ``Peer``."""

    @abstractmethod
    def user(self, number: int) -> Login:
        """Return the login of a user, who also hears what they say."""

    @abstractmethod
    def message(self, content: bytes) -> bytes:
        """Return what a user sends for everyone to get ``content``."""

    @abstractmethod
    def engine_command(self, port: int, directory: Path) -> list[str]:
        """Return the command line of the engine."""

    @abstractmethod
    def commands(self, engine: int, ports: Sequence[int], directory: Path) -> list[list[str]]:
        """Return the command line of each server. ``engine`` is the port of the engine, which runs."""

    @contextmanager
    def running(self, count: int) -> Iterator[Servers]:
        """Run ``count`` fresh servers with a fresh engine. Raises BenchmarkError if one does not start."""
        with (
            tempfile.TemporaryDirectory(prefix=f"bench-{self.name}-") as directory,
            ExitStack() as stack,
        ):
            homes = [Path(directory, name) for name in ("engine", *map(str, range(count)))]
            for home in homes:
                home.mkdir()
            port = free_port()
            command = self.engine_command(port, homes[0])
            engine = stack.enter_context(running(command, port, homes[0]))
            ports = [free_port() for _ in range(count)]
            commands = self.commands(port, ports, Path(directory))
            servers = [
                stack.enter_context(running(*each))
                for each in zip(commands, ports, homes[1:], strict=True)
            ]
            yield Servers(servers, engine)
