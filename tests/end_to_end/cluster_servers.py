"""Two real servers of one cluster, and their engine, as processes of their own."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from chat.net.engine_url import parse_engine_url
from chat.server.replication.stored.founding import found_cluster
from tests.end_to_end.server_process import ServerProcess
from tests.server.cluster.engine_process import EngineProcess, free_port


class ClusterServers:
    """The servers ``a`` and ``b``, and the ``engine``."""

    def __init__(self, directory: Path, ending: ExitStack) -> None:
        self._ending = ending
        self._secret = directory / "secret"
        self._secret.write_text(secrets.token_urlsafe(32))
        self._secret.chmod(0o600)
        self.engine = EngineProcess(directory / "engine")
        ending.callback(self.engine.kill)
        self.engine.start()
        self.url = f"redis://127.0.0.1:{self.engine.port}"
        self.directories = {name: directory / name for name in "ab"}
        self.directories["a"].mkdir(mode=0o700)
        found_cluster(self.directories["a"], parse_engine_url(self.url))
        # Before anything was said, all servers have the same data.
        shutil.copytree(self.directories["a"], self.directories["b"])
        self._ports = {name: free_port() for name in "ab"}
        self.metrics = {name: free_port() for name in "ab"}
        self.a = self.start("a")
        self.b = self.start("b")

    def start(self, name: str, *options: str) -> ServerProcess:
        """Start the server ``name``, and wait until it listens."""
        address = f"127.0.0.1:{self._ports[name]}"
        server = ServerProcess(
            "--history=on",
            f"--data-directory={self.directories[name]}",
            f"--cluster={self.url}",
            f"--node={name}",
            f"--public-address={address}",
            f"--peer-listen=127.0.0.1:{free_port()}",
            f"--peer-secret-file={self._secret}",
            f"--metrics-address=127.0.0.1:{self.metrics[name]}",
            "--rate=0",
            *options,
            address=address,
        )
        self._ending.callback(server.end)
        return server

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self._ports[name]}"


@contextmanager
def cluster_servers(directory: Path) -> Iterator[ClusterServers]:
    """Run a cluster while the block runs."""
    with ExitStack() as ending:
        yield ClusterServers(directory, ending)
