"""Run our own client with its defaults."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.clients.client import Client
from benchmarks.clients.hosts import OWN_NAME, ChatHost, Host
from benchmarks.processes import CHECKOUT
from chat import __version__


class ChatClient(Client):
    """Run the client by the command that its user types, with all that stands between it and the program."""

    name = "chat"
    program = str(CHECKOUT / "bin" / "chat-client")

    def host(self) -> Host:
        return ChatHost()

    def command(self, port: int, directory: Path) -> list[str]:
        # The other clients do not encrypt either.
        options = (f"--username={OWN_NAME}", f"--address=127.0.0.1:{port}", "--tls=off")
        return [self.program, *options]

    def first_words(self, port: int) -> bytes:
        return f"127.0.0.1:{port}".encode()

    def is_installed(self) -> bool:
        """Return whether the command finds the libraries that it needs."""
        return subprocess.run([self.program, "--version"], capture_output=True).returncode == 0

    def version(self) -> str:
        """Return the version of the server: both are in one package."""
        return f"chat {__version__}, Python {sys.version.split()[0]}"
