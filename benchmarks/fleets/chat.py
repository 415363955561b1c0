"""Run our own servers as a cluster over Redis, which keeps the log as it is recommended for a machine alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fleets.fleet import Fleet
from benchmarks.load import Login
from benchmarks.peers.chat import ORDER, raw_login
from benchmarks.processes import free_port
from chat import __version__
from chat.protocol.descriptor import MessageType, encode_frame

_SECRET = "s" * 40


class ChatFleet(Fleet):
    name = "chat"
    program = "redis-server"

    def version(self) -> str:
        return f"chat {__version__}, Python {sys.version.split()[0]}, {super().version()}"

    def user(self, number: int) -> Login:
        return raw_login(f"user{number:04}")

    def message(self, content: bytes) -> bytes:
        return encode_frame(MessageType.UTF8, b"", content, ORDER)

    def engine_command(self, port: int, directory: Path) -> list[str]:
        words = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", "")
        return [self.program, *words, "--appendonly", "yes", "--appendfsync", "everysec"]

    def url(self, engine: int) -> str:
        """Return the URL of the log in the engine at a port."""
        return f"redis://127.0.0.1:{engine}/bench"

    def commands(self, engine: int, ports: Sequence[int], directory: Path) -> list[list[str]]:
        secret = directory / "secret"
        secret.write_text(_SECRET)
        secret.chmod(0o600)
        commands = []
        for number, port in enumerate(ports):
            # All directories are empty. So the first server begins the log, and the others take a copy.
            options = (
                f"--address=127.0.0.1:{port}",
                f"--data-directory={directory / f'data{number}'}",
                *("--rate=0", "--tls=off", "--history=on", f"--cluster={self.url(engine)}"),
                *(f"--node=server{number}", f"--peer-secret-file={secret}"),
                f"--peer-listen=127.0.0.1:{free_port()}",
            )
            commands.append([sys.executable, "-m", "chat.server.cli", *options])
        return commands
