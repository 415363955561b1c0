"""Run servers that encrypt for each receiver, as TLS needs: ours and Redis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.chat import Chat
from benchmarks.peers.redis import Redis
from benchmarks.tls import make_certificate


class ChatTls(Chat):
    name = "chat-tls"
    encrypted = True

    def options(self, directory: Path) -> Sequence[str]:
        # The load, which has to decrypt, is slower than the server: without larger limits the server would disconnect
        # it.
        limits = ("--rate=0", "--max-file=4G", "--max-backlog=512M")
        return (*limits, "--tls=required", f"--data-directory={directory}")


class RedisTls(Redis):
    name = "redis-tls"
    encrypted = True

    def command(self, port: int, directory: Path) -> list[str]:
        certificate, key = make_certificate(directory)
        plain = super().command(port, directory)
        options = {
            "port": "0",
            "tls-port": str(port),
            "tls-cert-file": str(certificate),
            "tls-key-file": str(key),
            "tls-auth-clients": "no",
            "tls-session-caching": "no",
        }
        return [*plain, *(word for key in options for word in (f"--{key}", options[key]))]
