"""Disasters that come once: each is a script for a run of a small cluster, whose checker judges what users saw."""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from pathlib import Path
from random import Random

import gevent

from tests.cluster.cluster_stage import ClusterStage
from tests.cluster.run import ClusterRun
from tests.cluster.tested_server import TestedServer
from tests.hostile.trouble import Ballast
from tests.peers.wire_client import WireClient, WireFrame

_NO_SOCKET = shutil.ignore_patterns("*.sock")
_RFC_3339 = "%Y-%m-%dT%H:%M:%S.%fZ"
_TALK = 2.0  # seconds
_NEW_EPOCH = 20.0  # seconds in which servers begin again, and users come back and talk


class Disaster:
    """Two servers, a Redis, and users who talk. ``may_lose``: answered lines may be missing, and epochs may change."""

    def __init__(
        self,
        directory: Path,
        *,
        may_lose: bool = False,
        engine_options: tuple[str, ...] = (),
        servers: int = 2,
        pause: float = 0.15,
    ) -> None:
        self.stage = ClusterStage(
            *(directory, Random(3)),
            count=12,
            pause=pause,
            servers=servers,
            has_replica=False,
            is_hasty=True,
            engine_options=engine_options,
        )
        self.stage.recording.may_lose = may_lose
        self.told: list[str] = []

    @property
    def engine_directory(self) -> Path:
        return self.stage.engines.all[0].directory

    def faults(self) -> list[str]:
        """Let it happen; return what the checker finds."""
        run = ClusterRun(self.stage, rng=Random(4), script=self.happen)
        return run.run(self.told.append)

    def happen(self) -> None:
        """Cause the disaster, and repair what people have to repair."""
        raise NotImplementedError

    def talk(self, seconds: float = _TALK) -> None:
        gevent.sleep(seconds)

    def epochs(self) -> set[str]:
        return {heard.epoch for _, heard in self.stage.recording.heard()}

    def kill_all(self) -> None:
        """Let all machines lose their power."""
        for server in self.stage.servers.values():
            server.kill()
        for engine in self.stage.engines.all:
            engine.kill()

    def start_all(self) -> None:
        for engine in self.stage.engines.all:
            engine.start()
        self.start_servers()

    def start_servers(self) -> None:
        starting = [gevent.spawn(each.start) for each in self.stage.servers.values()]
        gevent.joinall(starting, raise_error=True)


class PowerLoss(Disaster):
    """All machines lose power. The engine has everything on its disk that it has confirmed."""

    def happen(self) -> None:
        self.talk()
        self.kill_all()
        self.start_all()
        self.talk()


class EngineLosesItsEnd(Disaster):
    """The machine of the engine loses power, and its disk lacks the end of the log: it syncs once a second."""

    def happen(self) -> None:
        self.talk()
        [engine] = self.stage.engines.all
        engine.kill()
        files = sorted(self.engine_directory.glob("appendonlydir/*.incr.aof"))
        with files[-1].open("r+b") as file:
            file.truncate(max(0, files[-1].stat().st_size - 20_000))
        engine.start()
        self.talk(_NEW_EPOCH)


class EngineFromBackup(Disaster):
    """The engine is put back to where it was some seconds ago, while the servers go on."""

    def happen(self) -> None:
        [engine] = self.stage.engines.all
        backup = self.engine_directory.with_name("backup")
        self.talk()
        engine.kill()
        shutil.copytree(self.engine_directory, backup)
        engine.start()
        self.talk()
        engine.kill()
        shutil.rmtree(self.engine_directory)
        shutil.copytree(backup, self.engine_directory)
        engine.start()
        self.talk(_NEW_EPOCH)


class ServerFromBackup(Disaster):
    """A server is put back to where it was some seconds ago, and gets the rest from the log."""

    def happen(self) -> None:
        adam, _ = self.stage.servers.values()
        backup = adam.directory.with_name("backup")
        self.talk()
        adam.kill()
        shutil.copytree(adam.directory, backup, ignore=_NO_SOCKET)
        adam.start()
        self.talk()
        adam.kill()
        shutil.rmtree(adam.directory)
        shutil.copytree(backup, adam.directory)
        adam.start()
        self.talk()


class Flushed(Disaster):
    """Somebody gives the command FLUSHALL to the engine."""

    def happen(self) -> None:
        self.talk()
        self.stage.engines.primary.call("FLUSHALL")
        self.talk(_NEW_EPOCH)


class EngineOutOfMemory(Disaster):
    """The engine has no memory left for a while."""

    def happen(self) -> None:
        self.talk()
        engine = self.stage.engines.primary
        used = engine.call("INFO", "memory")["used_memory"]
        engine.call("CONFIG", "SET", "maxmemory", used)
        self.talk(6.0)
        engine.call("CONFIG", "SET", "maxmemory", 0)
        self.talk()


class FullDisk(Disaster):
    """The disk of one server is full for a while. ``disk`` is a small file system, where its data are."""

    def __init__(self, directory: Path, disk: Path) -> None:
        super().__init__(directory)
        self._disk = disk
        first = next(iter(self.stage.servers))
        adam = TestedServer(first, disk / "data", self.stage.server_options)
        self.stage.servers[first].close()
        self.stage.servers[first] = adam

    def happen(self) -> None:
        self.talk()
        ballast = Ballast(self._disk)
        for _ in range(20):
            ballast.fill()
            self.talk(0.2)
        ballast.drop()
        self.talk()


class OneNameTwice(Disaster):
    """A second server has the name of the first one, and a copy of its data."""

    def happen(self) -> None:
        adam, _ = self.stage.servers.values()
        self.talk()
        copy = adam.directory.with_name("copy")
        shutil.copytree(adam.directory, copy, ignore=_NO_SOCKET)
        twin = TestedServer("twin", copy, self.stage.server_options)
        twin.cluster_options = adam.cluster_options
        starting = gevent.spawn(twin.start)
        self.talk(6.0)  # longer than a lease
        self.has_come_in = twin.is_running
        starting.kill()
        twin.close()
        self.talk()


class KilledBetweenFileAndRecord(Disaster):
    """Users send large files, and a server is killed again and again: before and after the record of a file."""

    def happen(self) -> None:
        for actor in self.stage.actors:
            actor.send_files()
        adam, berta = self.stage.servers.values()
        for server in (adam, berta, adam):
            self.talk(1.3)
            server.kill()
            server.start()
        self.talk()


class PausedForLong(Disaster):
    """A server is paused for longer than its lease, while users stay connected to it: ``witnesses``.

    ``late`` counts the messages that they heard and that were said after the fence.
    """

    def __init__(self, directory: Path, *, seconds: float) -> None:
        super().__init__(directory)
        self.late = self.heard = 0
        self._seconds = seconds

    def happen(self) -> None:
        adam, _ = self.stage.servers.values()
        witnesses = [WireClient.joined(adam.address, f"witness-{n}") for n in range(5)]
        try:
            self.talk()
            adam.pause()
            self.talk(self._seconds)
            adam.resume()
            frames = [frame for witness in witnesses for frame in _read_to_end(witness)]
        finally:
            for witness in witnesses:
                witness.close()
        [first] = [entry for entry in self.stage.read_entries() if entry.is_fence][:1]
        said = [
            f.header["timestamp"]
            for f in frames
            if "seq" in f.header and f.header.get("from") != "server"
        ]
        fence = datetime.fromtimestamp(first.micros / 1e6, timezone.utc).strftime(_RFC_3339)
        self.heard = len(said)
        self.late = sum(timestamp > fence for timestamp in said)
        self.talk()


def _read_to_end(witness: WireClient) -> list[WireFrame]:
    frames = []
    try:
        while True:
            frames.append(witness.read_frame())
    except (EOFError, ConnectionError):
        return frames


class TwoPythons(Disaster):
    """Each server runs under another interpreter of ``pythons``; both are killed once."""

    def __init__(self, directory: Path, pythons: list[str]) -> None:
        super().__init__(directory)
        for server, python in zip(self.stage.servers.values(), pythons, strict=True):
            server.python = python

    def happen(self) -> None:
        for server in self.stage.servers.values():
            self.talk()
            server.kill()
            server.start()
        self.talk()
