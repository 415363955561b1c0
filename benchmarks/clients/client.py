"""Describe what the load has to know of a terminal client to give it the same work as every other."""

from __future__ import annotations

import os
import tempfile
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.clients.hosts import Host
from benchmarks.clients.stage import COLUMNS, ROWS, Stage
from benchmarks.contender import Contender


class Client(Contender):
    """Describe a client that runs in a terminal, and talks to a ``Host`` of its own."""

    @abstractmethod
    def host(self) -> Host:
        """Return a host that speaks the client's protocol."""

    @abstractmethod
    def command(self, port: int, directory: Path) -> list[str]:
        """Return the command that connects to ``port`` of 127.0.0.1; ``directory`` is the user's home."""

    @abstractmethod
    def first_words(self, port: int) -> bytes:
        """Return what the terminal shows as soon as the client's screen is there, in one piece."""

    def enter(self, stage: Stage) -> None:
        """Wait until the client is in the room, and shows it. Raises BenchmarkError."""
        stage.wait_for(lambda: stage.host.is_inside, "it was in the room")

    @contextmanager
    def running(
        self, host: Host | None = None, columns: int = COLUMNS, rows: int = ROWS
    ) -> Iterator[Stage]:
        """Start a fresh client of a user without settings, in a terminal of this size."""
        with tempfile.TemporaryDirectory(prefix=f"bench-{self.name}-") as home:
            stage = Stage(host or self.host(), columns, rows)
            with closing(stage):
                command = self.command(stage.port, Path(home))
                stage.start(command, Path(home), self.environment(home))
                yield stage

    def environment(self, home: str) -> dict[str, str]:
        """Return a plain environment, without the settings and the terminal of the user who runs the benchmark."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": home,
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
        }
