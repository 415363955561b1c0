"""Two servers of a cluster in place of the one server of a run; clients meet either of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from random import Random

from chat.net.address import Address
from chat.net.engine_url import EngineUrl
from chat.server.replication.stored.founding import found_cluster
from tests.cutting.server_control import ServerControl
from tests.cutting.slow_disk_server import FAILS, STANDS_STILL
from tests.server.cluster.engine_process import EngineProcess
from tests.server.cluster.servers import PREFIX, expire_lease

_NAMES = ("north", "south")


class TwoServers(ServerControl):
    """Does what ServerControl does, with two servers in ``directory``: of which one is killed, is left to ``rng``.

    Only one of them is dead at a time. The engine has on its disk what it confirms.
    """

    def __init__(self, directory: Path, rng: Random, *options: str) -> None:
        super().__init__(directory / _NAMES[0])
        self._rng = rng
        directory.mkdir(exist_ok=True)
        self._engine = EngineProcess(directory / "engine")
        self._engine.start()
        secret = directory / "secret"
        secret.touch(0o600)
        secret.write_text("the secret of both servers of this run\n")
        host, port = self._engine.address
        self._servers = {
            name: ServerControl(
                directory / name,
                *options,
                f"--cluster=redis://{host}:{port}/{PREFIX}",
                f"--node={name}",
                f"--peer-secret-file={secret}",
                "--peer-listen=127.0.0.1:0",
            )
            for name in _NAMES
        }
        self._killed: str | None = None
        self._is_founded = False

    def any_address(self) -> tuple[str, int]:
        """Return the address of a server, which may be dead."""
        return self._rng.choice(list(self._servers.values())).address

    def start(self) -> None:
        """Start the server that was killed, or both."""
        if not self._is_founded:
            url = EngineUrl((Address(*self._engine.address),), prefix=PREFIX)
            found_cluster(self.directory, url)
            self._is_founded = True
        names = _NAMES if self._killed is None else (self._killed,)
        for name in names:
            self._servers[name].start()
        self._killed = None
        self.address = self._servers[_NAMES[0]].address

    def kill(self) -> None:
        """Kill one of the servers, and let its lease end, which it would do 15 s later."""
        name = self._killed = self._rng.choice(_NAMES)
        self._servers[name].kill()
        expire_lease(self._engine, name)

    def stop(self) -> None:
        """Stop both servers in good order."""
        for server in self._servers.values():
            server.stop()

    def end(self) -> None:
        """See to it that nothing runs."""
        for server in self._servers.values():
            server.end()
        self._engine.kill()

    def slow_down(self, word: str) -> None:
        """Slow the disk of one of the servers down, or let both be fast again.

        A server of a cluster whose disk fails ends: that is another test's.
        """
        if word in (FAILS, STANDS_STILL):
            word = "1"
        names = (self._rng.choice(_NAMES),) if word else _NAMES
        for name in names:
            if self._servers[name].directory.exists():
                self._servers[name].slow_down(word)

    def wait_until_kept(self) -> None:
        """Return at once: a server of a cluster has no history that is suspended."""

    def register(self, *accounts: str, password: str) -> None:
        """Make accounts, before the first start."""
        self._servers[_NAMES[0]].register(*accounts, password=password)

    def make_rooms(self, members: Mapping[str, Collection[str]]) -> None:
        """Make closed rooms, before the first start."""
        self._servers[_NAMES[0]].make_rooms(members)

    def gather(self) -> None:
        """Add up what the servers have counted, and what they complain of."""
        self.crashes = sum(server.crashes for server in self._servers.values())
        self.complaints = [
            complaint for server in self._servers.values() for complaint in server.complaints
        ]
