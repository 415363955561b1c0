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
    """Servers named by letters, and the ``engine``. ``a`` and ``b`` are the first two."""

    def __init__(self, directory: Path, ending: ExitStack, names: str) -> None:
        self._ending = ending
        self._secret = directory / "secret"
        self._secret.write_text(secrets.token_urlsafe(32))
        self._secret.chmod(0o600)
        self.engine = EngineProcess(directory / "engine")
        ending.callback(self.engine.kill)
        self.engine.start()
        self.url = f"redis://127.0.0.1:{self.engine.port}"
        self.directories = {name: directory / name for name in names}
        self.directories["a"].mkdir(mode=0o700)
        found_cluster(self.directories["a"], parse_engine_url(self.url))
        # Before anything was said, all servers have the same data.
        for name in names[1:]:
            shutil.copytree(self.directories["a"], self.directories[name])
        self._ports = {name: free_port() for name in names}
        self.metrics = {name: free_port() for name in names}
        self.processes: dict[str, ServerProcess] = {}
        for name in names:
            self.start(name)
        self.a, self.b = self.processes["a"], self.processes["b"]

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
        # Its data stay when it has ended.
        self._ending.callback(server.end)
        self.processes[name] = server
        return server

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self._ports[name]}"


@contextmanager
def cluster_servers(directory: Path, names: str = "ab") -> Iterator[ClusterServers]:
    """Run a cluster while the block runs."""
    with ExitStack() as ending:
        yield ClusterServers(directory, ending, names)
