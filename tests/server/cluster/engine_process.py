"""A real engine for tests: redis-server on a free port of loopback, alone or as a replica."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import gevent
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests import homes
from tests.peers.certificates import Identity

PROGRAM = "redis-server"
needs_engine = pytest.mark.skipif(
    shutil.which(PROGRAM) is None, reason=f"{PROGRAM} is not installed (apt-get install {PROGRAM})"
)
_PORTS = (20_000, 32_000)
_given: set[int] = set()
_START = 10.0  # seconds
_REPEATS = 5  # of a command whose connection was closed
_OPTIONS = (
    ("--bind", "127.0.0.1"),
    ("--appendonly", "yes"),
    ("--appendfsync", "always"),
    ("--save", ""),
    ("--repl-diskless-sync-delay", "0"),
    ("--repl-ping-replica-period", "1"),
)


class EngineProcess:
    """An engine that keeps its data in ``directory`` and outlives ``kill``, as a machine's disk does."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    def start(self) -> None:
        """Start the engine, and wait until it answers."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdout=log,
                stderr=subprocess.STDOUT,
                env=homes.environment(),
            )
        with gevent.Timeout(_START, AssertionError(f"{PROGRAM} does not start: {self.said()}")):
            while not self._answers():
                assert self._process.poll() is None, self.said()
                gevent.sleep(0.005)

    def kill(self) -> None:
        """Kill the engine, if it runs."""
        self.end(signal.SIGKILL)

    def end(self, number: signal.Signals) -> None:
        """End the process by a signal, if it runs, and wait until it has ended."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self._process is not None, "the engine does not run"
        self._process.send_signal(number)

    def call(self, *command: str | bytes | int) -> Any:
        """Return the answer to a command, by a connection of its own.

        Sentinel makes an engine close its connections when it gives it a role: then the command is repeated.
        """
        for _ in range(_REPEATS):
            try:
                return self._call(*command)
            except redis.ConnectionError:
                gevent.sleep(0.05)
        return self._call(*command)

    def _call(self, *command: str | bytes | int) -> Any:
        with redis.Redis(
            port=self.port, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=5
        ) as client:
            return client.execute_command(*command)

    def follow(self, primary: EngineProcess | tuple[str, int]) -> None:
        """Become a replica of the engine ``primary``, or of the one behind an address, and get its data."""
        host, port = primary if isinstance(primary, tuple) else primary.address
        self.call("REPLICAOF", host, port)
        with gevent.Timeout(_START, AssertionError(f"no replication: {self.said()}")):
            while b"master_link_status:up" not in _info(self.call("INFO", "replication")):
                gevent.sleep(0.005)

    def promote(self) -> None:
        """Become the primary."""
        self.call("REPLICAOF", "NO", "ONE")

    def said(self) -> str:
        """Return the end of its log."""
        return "\n".join((self.directory / "log").read_text(errors="replace").splitlines()[-5:])

    def _command(self) -> list[str]:
        return [PROGRAM, *self._words()]

    def _words(self) -> list[str]:
        words = ["--port", str(self.port), "--dir", str(self.directory)]
        return words + [word for pair in _OPTIONS for word in pair]

    def _answers(self) -> bool:
        try:
            return self._call("PING") in (b"PONG", True)
        except redis.RedisError:
            return False


class EncryptedEngine(EngineProcess):
    """An engine that takes only encrypted connections, as ``identity``. ``call`` does not reach it."""

    def __init__(self, directory: Path, identity: Identity) -> None:
        super().__init__(directory)
        self._identity = identity

    def _words(self) -> list[str]:
        files = (
            *("--tls-cert-file", str(self._identity.certificate)),
            *("--tls-key-file", str(self._identity.key)),
        )
        port = ("--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no")
        return [*super()._words(), *port, *files]

    def _answers(self) -> bool:
        return "Ready to accept connections" in self.said()


class SentinelProcess(EngineProcess):
    """A Sentinel that watches ``primary`` as the service ``main``."""

    def __init__(self, directory: Path, primary: EngineProcess) -> None:
        super().__init__(directory)
        host, port = primary.address
        text = f"port {self.port}\nbind 127.0.0.1\ndir {directory}\nsentinel monitor main {host} {port} 1\n"
        text += "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n"
        (directory / "sentinel.conf").write_text(text)

    def _words(self) -> list[str]:
        return [str(self.directory / "sentinel.conf"), "--sentinel"]


def _info(answer: Any) -> bytes:
    """redis-py makes a dict of INFO."""
    return b"\n".join(f"{name}:{value}".encode() for name, value in answer.items())


def free_port() -> int:
    """Return a port of loopback that nobody listens on now, another one each time.

    Not one of those that the kernel gives to connections: it would give it away before the engine, or whatever is to
    listen there, starts or starts again.
    """
    while True:
        port = random.randrange(*_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port
