"""Run our own client with its defaults: this checkout's, or that of a commit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.clients.client import Client
from benchmarks.clients.hosts import OWN_NAME, ChatHost, Host
from benchmarks.commits import Commit, name_at
from benchmarks.processes import CHECKOUT
from chat import __version__

# What the command does that pip installs.
_START = "import sys; from chat.start import client; sys.exit(client())"


class ChatClient(Client):
    """Run the client by the command that its user types, with all that stands between it and the program."""

    name = "chat"
    program = str(CHECKOUT / "bin" / "chat-client")

    def host(self) -> Host:
        return ChatHost()

    def command(self, port: int, directory: Path) -> list[str]:
        # The other clients do not encrypt either.
        options = (f"--username={OWN_NAME}", f"--address=127.0.0.1:{port}", "--tls=off")
        return [*self.start(), *options]

    def start(self) -> list[str]:
        """Return the words that start the program, without its options."""
        return [self.program]

    def first_words(self, port: int) -> bytes:
        return f"127.0.0.1:{port}".encode()

    def is_installed(self) -> bool:
        """Return whether the command finds the libraries that it needs."""
        return subprocess.run([self.program, "--version"], capture_output=True).returncode == 0

    def version(self) -> str:
        """Return the version of the server: both are in one package."""
        return f"chat {__version__}, Python {sys.version.split()[0]}"


class ComparedClient(ChatClient):
    """Run the package of a commit, or of this checkout beside it: both start in the same way."""

    def __init__(self, commit: Commit | None = None) -> None:
        self._commit = commit
        self._source, self._python = CHECKOUT, Path(sys.executable)
        if commit is not None:
            self.name = name_at(self.name, commit)
            self._source, self._python = commit.source, commit.python

    def start(self) -> list[str]:
        return [str(self._python), "-c", _START]

    def environment(self, home: str) -> dict[str, str]:
        return {**super().environment(home), "PYTHONPATH": str(self._source)}

    def is_installed(self) -> bool:
        return True

    def version(self) -> str:
        return super().version() if self._commit is None else self._commit.description
