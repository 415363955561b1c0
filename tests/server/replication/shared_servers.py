"""Several real servers that share a log in a real engine."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chat.net.address import Address
from chat.net.engine_url import EngineUrl
from chat.server.replication.stored.founding import found_cluster
from tests.end_to_end.server_process import ServerProcess
from tests.peers.wire_client import WireClient
from tests.server.cluster.engine_process import EngineProcess
from tests.server.cluster.servers import PREFIX, expire_lease


class SharedServers:
    """An engine, and servers by their names, with their data in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.engine = EngineProcess(directory / "engine")
        self.engine.start()
        self.secret = directory / "secret"
        self.secret.touch(0o600)
        self.secret.write_text("the secret of all servers of this test\n")
        self.servers: dict[str, ServerProcess] = {}
        self.peer_listen = "127.0.0.1:0"
        self._clients: list[WireClient] = []

    @property
    def url(self) -> EngineUrl:
        return EngineUrl((Address(*self.engine.address),), prefix=PREFIX)

    def data_of(self, name: str) -> Path:
        return self.directory / name

    def found(self, name: str) -> None:
        """Let the data of a server be the beginning of the cluster."""
        self.data_of(name).mkdir(exist_ok=True)
        found_cluster(self.data_of(name), self.url)

    def start(
        self, name: str, *options: str, kind: Callable[..., ServerProcess] = ServerProcess
    ) -> ServerProcess:
        """Start a server; return when it listens."""
        host, port = self.engine.address
        server = kind(
            f"--data-directory={self.data_of(name)}",
            "--history=on",
            f"--cluster=redis://{host}:{port}/{PREFIX}",
            f"--node={name}",
            f"--peer-secret-file={self.secret}",
            f"--peer-listen={self.peer_listen}",
            *options,
        )
        self.servers[name] = server
        return server

    def kill(self, name: str) -> None:
        """Kill a server as a loss of power does, and keep its data."""
        server = self.servers.pop(name)
        server.send_signal(signal.SIGKILL)
        server.wait()
        server.end()

    def end_lease(self, name: str) -> None:
        """Let the lease of a killed server end now, and not in 15 s. Another server notices within 5 s."""
        expire_lease(self.engine, name)

    def stop(self, name: str) -> None:
        """Stop a server in good order, and keep its data."""
        server = self.servers.pop(name)
        assert server.stop() == 0, server.log
        assert "Traceback" not in server.log, server.log
        server.end()

    def join(self, server: str, name: str, **options: Any) -> WireClient:
        """Return a user who is connected to ``server``."""
        return self.remember(WireClient.joined(self.servers[server].address, name, **options))

    def remember(self, client: WireClient) -> WireClient:
        """Return ``client``, which is closed at the end."""
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()
        for name in list(self.servers):
            self.servers.pop(name).end()
        self.engine.kill()


@contextmanager
def shared_servers(directory: Path, *names: str) -> Iterator[SharedServers]:
    """Run servers with these names while the block runs; they must not log a fault."""
    town = SharedServers(directory)
    try:
        if names:
            # The first begins a cluster, and each of the others takes a copy.
            for name in names:
                town.start(name)
        yield town
        for server in town.servers.values():
            assert "Traceback" not in server.log, server.log
    finally:
        town.close()
        shutil.rmtree(directory, ignore_errors=True)
