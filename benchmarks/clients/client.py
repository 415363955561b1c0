"""What the load has to know of a terminal client to give it the same work as every other."""

from __future__ import annotations

import os
import tempfile
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.clients.hosts import Host
from benchmarks.clients.stage import Stage
from benchmarks.contender import Contender


class Client(Contender):
    """A client that runs in a terminal, and talks to a ``Host`` of its own."""

    @abstractmethod
    def host(self) -> Host:
        """One that speaks its protocol."""

    @abstractmethod
    def command(self, port: int, directory: Path) -> list[str]:
        """How to start it so that it connects to ``port`` of 127.0.0.1; ``directory`` is its user's home."""

    @abstractmethod
    def first_words(self, port: int) -> bytes:
        """What the terminal shows as soon as the client's screen is there, in one piece."""

    def enter(self, stage: Stage) -> None:
        """Wait until it is in the room, and shows it. Raises BenchmarkError."""
        stage.wait_for(lambda: stage.host.is_inside, "it was in the room")

    @contextmanager
    def running(self) -> Iterator[Stage]:
        """A fresh one, just started, of a user who has no settings."""
        with tempfile.TemporaryDirectory(prefix=f"bench-{self.name}-") as home:
            stage = Stage(self.host())
            with closing(stage):
                stage.start(self.command(stage.port, Path(home)), Path(home), _environment(home))
                yield stage


def _environment(home: str) -> dict[str, str]:
    """A plain one: whoever runs the benchmark may have settings, or a terminal with fewer colours."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": home,
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
    }
