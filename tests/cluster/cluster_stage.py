"""Several servers that share a log in an engine, with a replica and Sentinel or alone."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from random import Random

import gevent

from chat.net.engine_url import parse_engine_url
from chat.server.cluster.log_entry import LogEntry, parse_entry
from chat.server.replication.stored.founding import found_cluster
from tests.cluster.engines import Engines, EngineView
from tests.cluster.people import MODERATOR, OPEN_ROOMS, PASSWORD
from tests.cluster.recording import EngineEntry
from tests.cluster.server_program import HASTY
from tests.cluster.stage import Stage
from tests.cluster.tested_server import TestedServer
from tests.cluster.trouble import CLUSTER, Kind
from tests.cutting.proxy import Proxy
from tests.server.cluster.engine_process import free_port

PREFIX = "test"
_NAMES = ("adam", "berta", "cesar", "dora")
MOST_SERVERS = len(_NAMES)
_NONCE = re.compile(rb"[a-z]+(?:-[a-z0-9]+)*_\d+_[0-9a-f]{8}")
_DEAD = (0.0, 0.5, 3.0, 10.0)  # seconds for which a killed engine is dead
_WAYS = ((True, True), (True, False), (False, True))


class ClusterStage(Stage):
    """``servers`` servers. With ``has_replica`` the engine has a replica and Sentinel.

    ``is_hasty``: others take a silent server for dead soon.
    """

    weights: Mapping[Kind, int] = CLUSTER
    sets_clock_back = True  # the time of messages is that of the engine

    def __init__(
        self,
        directory: Path,
        rng: Random,
        *,
        count: int,
        pause: float,
        servers: int,
        has_replica: bool = True,
        is_hasty: bool = False,
        engine_options: tuple[str, ...] = (),
    ) -> None:
        self._names = _NAMES[:servers]
        self.server_options = [HASTY] if is_hasty else []
        self.engines = Engines(directory, *engine_options, has_replica=has_replica)
        self.views: dict[str, EngineView] = {}
        self._peer_proxies: dict[str, Proxy] = {}
        self._directory = directory
        super().__init__(directory, rng, count=count, pause=pause)
        self.recording.lasting = frozenset(OPEN_ROOMS)
        self._choice = Random(rng.random())
        self.server_deeds = {Kind.ENGINE_LINE: self._hold_engine, Kind.PEER_LINE: self._hold_peers}
        self.engine_deeds = {
            Kind.ENGINE_KILL: self._kill_engine,
            Kind.ENGINE_PAUSE: self._pause_engine,
            Kind.ENGINE_HELD: self._cut_engine_off,
        }

    def make_servers(self, directory: Path) -> list[TestedServer]:
        return [TestedServer(name, directory / name, self.server_options) for name in self._names]

    def start_servers(self) -> None:
        self.engines.start()
        secret = self._directory / "secret"
        secret.touch(0o600)
        secret.write_text(f"{secrets.token_hex(32)}\n")
        for server in self.servers.values():
            self._join_cluster(server, secret)
        first, *others = self.servers.values()
        first.register(self.accounts, PASSWORD, MODERATOR)
        found_cluster(first.directory, parse_engine_url(self.views[first.name].url))
        for server in others:
            for file in first.directory.glob("*.db"):
                shutil.copy(file, server.directory)
        gevent.joinall(
            [gevent.spawn(server.start) for server in self.servers.values()], raise_error=True
        )

    def _join_cluster(self, server: TestedServer, secret: Path) -> None:
        view = EngineView(self.engines, prefix=PREFIX, replicas=len(self.engines.all) - 1)
        self.views[server.name] = view
        listen = ("127.0.0.1", free_port())
        peers = self._peer_proxies[server.name] = Proxy(listen)
        host, port = server.proxy.address
        server.cluster_options = (
            f"--cluster={view.url}",
            f"--node={server.name}",
            f"--public-address={host}:{port}",
            f"--peer-listen=127.0.0.1:{listen[1]}",
            f"--peer-address=127.0.0.1:{peers.address[1]}",
            f"--peer-secret-file={secret}",
        )

    def gather(self) -> None:
        super().gather()
        self.engines.settle()
        entries = self.read_entries()
        self.recording.entries = entries
        # A session is with the incarnation that has written its lines.
        writers = {nonce: entry.writer for entry in entries for nonce in entry.nonces}
        runs = {
            (line.client, line.tries[0][0]): writers[line.nonce]
            for line in self.recording.lines.values()
            if len(line.tries) == 1 and line.nonce in writers
        }
        for session in self.recording.sessions:
            session.run = runs.get((session.client, session.number), "")

    def read_entries(self) -> list[EngineEntry]:
        """Return the whole log, read without our code of servers. All engines must run."""
        found = self.engines.primary.call("XRANGE", f"{PREFIX}:log", "-", "+")
        return [_entry(parse_entry(next(iter(fields.values())))) for _, fields in found]

    def close(self) -> None:
        super().close()
        for view in self.views.values():
            view.close()
        for proxy in self._peer_proxies.values():
            proxy.close()
        self.engines.close()

    # Trouble

    def _hold_engine(self, server: TestedServer, seconds: float) -> None:
        up, down = self._choice.choice(_WAYS)
        self.views[server.name].hold(up=up, down=down)
        gevent.sleep(seconds)
        self.views[server.name].release()

    def _hold_peers(self, server: TestedServer, seconds: float) -> None:
        up, down = self._choice.choice(_WAYS)
        self._peer_proxies[server.name].hold(up=up, down=down)
        gevent.sleep(seconds)
        self._peer_proxies[server.name].release()

    def _kill_engine(self, seconds: float) -> str:
        engine = self._choice.choice(self.engines.all)
        engine.kill()
        gevent.sleep(self._choice.choice(_DEAD))
        engine.start()
        return self._settled(engine.directory.name)

    def _pause_engine(self, seconds: float) -> str:
        engine = self._choice.choice(self.engines.all)
        engine.pause()
        gevent.sleep(seconds)
        engine.resume()
        return self._settled(engine.directory.name)

    def _cut_engine_off(self, seconds: float) -> str:
        """Cut an engine off from Sentinel and from the other engine, while servers reach it."""
        engine = self._choice.choice(self.engines.all)
        up, down = self._choice.choice(_WAYS)
        engine.proxy.hold(up=up, down=down)
        gevent.sleep(seconds)
        engine.proxy.release()
        return self._settled(engine.directory.name)

    def _settled(self, name: str) -> str:
        # A second failure before would be more than a cluster of two engines survives.
        self.engines.settle()
        return f"{name}; the primary is {self.engines.primary.directory.name}"


def _entry(entry: LogEntry) -> EngineEntry:
    nonces = {each.decode() for record in entry.records for each in _NONCE.findall(record)}
    return EngineEntry(entry.id.n, entry.id.writer, entry.is_fence, entry.micros, frozenset(nonces))
