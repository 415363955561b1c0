"""Servers that follow one log in the test's own process, each behind a proxy of its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent

from chat.net.address import Address
from chat.net.engine_url import EngineUrl
from chat.server.cluster.engine_line import EngineLine, EngineVerdict, LogKeys, Redialing, WriterId
from chat.server.cluster.lease import boot_time
from chat.server.cluster.library import LIBRARY, FunctionLibrary
from chat.server.cluster.log_entry import ORIGIN, EntryId, LogEntry, parse_entry
from chat.server.cluster.redis_connection import Dialer
from chat.server.cluster.replicated_log import ReplicatedLog
from chat.server.cluster.replication_limits import ReplicationLimits
from chat.server.cluster.standing import Standing
from chat.structs import replace
from tests.cutting.proxy import Proxy
from tests.server.cluster.checker import View, faults_in
from tests.server.cluster.engine_process import EngineProcess

EPOCH = "epoch"
PREFIX = "test"
# Nobody is taken for dead because the machine of the tests is busy, but failures are noticed quickly.
LIMITS = ReplicationLimits(lease=20.0, renewal=0.1, answer=3.0, retry=0.02, look=0.05)
# For a cluster whose servers die quickly.
HASTY = replace(LIMITS, lease=1.0, answer=0.4)
_PATIENCE = 25.0  # seconds
_EXPIRE = """
local lease = redis.call('HGET', KEYS[1], ARGV[1])
if lease then
  redis.call('HSET', KEYS[1], ARGV[1], (string.gsub(lease, '^(%S+) %d+', '%1 1')))
end
"""
ENDED = (Standing.OVER, Standing.CUT, Standing.BEHIND, Standing.FAILED, Standing.CLOSED)


def until(condition: Callable[[], object], reason: str = "it did not happen in time") -> None:
    """Wait until ``condition`` holds."""
    with gevent.Timeout(_PATIENCE, AssertionError(reason)):
        while not condition():
            gevent.sleep(0.002)


class ClusterServer:
    """One run of a server: its log, what it has applied, and the proxy between it and the engine."""

    def __init__(
        self,
        name: str,
        engine: EngineProcess,
        *,
        limits: ReplicationLimits = LIMITS,
        library: FunctionLibrary = LIBRARY,
        replicas: int = 0,
        url: EngineUrl | None = None,
        **options: Any,
    ) -> None:
        self.name = name
        self.applied: list[LogEntry] = []
        self.appended: list[bytes] = []
        self.told: list[tuple[Standing, str]] = []
        self.proxy = Proxy(engine.address)
        self._frozen_at: float | None = None
        self._skipped = 0.0
        host, port = self.proxy.address
        self.log = ReplicatedLog(
            url or EngineUrl((Address(host, port),), prefix=PREFIX, replicas=replicas),
            name,
            EPOCH,
            apply=self.applied.append,
            tell=lambda standing, reason: self.told.append((standing, reason)),
            limits=limits,
            clock=self._clock,
            library=library,
            **options,
        )

    def start(self) -> ClusterServer:
        self.log.start()
        return self

    def append(self, record: bytes) -> None:
        self.log.append(record)
        self.appended.append(record)

    def has_applied(self, record: bytes) -> bool:
        return any(record in entry.records for entry in reversed(self.applied))

    def say(self, record: bytes) -> None:
        """Append ``record``, and wait until it is read back."""
        self.append(record)
        until(lambda: self.has_applied(record), f"{record!r} was not read back: {self.told}")

    def freeze(self) -> None:
        """Stop as a paused process does: nothing comes or goes, and its clock stands still."""
        self._frozen_at = boot_time()
        self.proxy.hold()

    def thaw(self) -> None:
        self.proxy.release()
        self._frozen_at = None

    def skip(self, seconds: float) -> None:
        """Let this server's clock go on by so much, as if the machine had slept."""
        self._skipped += seconds

    def move_to(self, engine: EngineProcess) -> None:
        """Lead the server to another engine, as a name or a balancer does after a failover."""
        self.proxy.target = engine.address
        for link in self.proxy.links[:]:
            link.end()

    def view(self, length: int) -> View:
        """Return what this run has applied; of a run that goes on, up to entry ``length``."""
        is_settled = self.log.standing is Standing.FOLLOWING
        applied = [entry for entry in self.applied if entry.id.n <= length or not is_settled]
        return View(self.name, self.log.incarnation, applied, self.appended, is_settled)

    def close(self) -> None:
        self.log.close(0)
        self.proxy.close()

    def _clock(self) -> float:
        now = self._frozen_at if self._frozen_at is not None else boot_time()
        return now + self._skipped


class ByHand:
    """A server that appends by hand. Its entries are published elsewhere, as if their news were lost."""

    def __init__(self, engine: EngineProcess, channel: str = "elsewhere") -> None:
        url = EngineUrl((Address(*engine.address),), prefix=PREFIX)
        keys = LogKeys(PREFIX)
        keys.channel = channel
        self.line = EngineLine(Dialer(url, 3.0).dial(), keys, LIBRARY)
        self.writer = WriterId(EPOCH, "by hand", "token")
        self.counter = 0

    def append(self, payload: bytes, applied: EntryId = ORIGIN) -> EngineVerdict:
        self.counter += 1
        return self.line.append(self.writer, self.counter, applied, payload).verdict

    def take_lease(self, applied: EntryId = ORIGIN) -> EngineVerdict:
        return self.line.take_lease(self.writer, 60.0, applied).verdict


def standings(server: ClusterServer) -> list[Standing]:
    return [standing for standing, _ in server.told]


class TestCluster:
    __test__ = False  # pytest would take it for tests

    """The engine, and all servers that were started, also those that have ended."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.directory = directory
        self.servers: list[ClusterServer] = []
        self.engines: list[EngineProcess] = []
        self.options = options
        self.engine = self.start_engine()
        begin_log(self.engine)

    def start_engine(self) -> EngineProcess:
        engine = EngineProcess(self.directory / f"engine{len(self.engines)}")
        self.engines.append(engine)
        engine.start()
        return engine

    def start(self, name: str, **options: Any) -> ClusterServer:
        server = ClusterServer(name, self.engine, **{**self.options, **options})
        self.servers.append(server)
        return server.start()

    def fail_over(self, replica: EngineProcess) -> None:
        """Kill the primary, and lead all servers to ``replica``."""
        self.engine.kill()
        replica.promote()
        self.engine = replica
        for server in self.servers:
            server.move_to(replica)

    def settle(self) -> None:
        """Wait until the servers that follow the log have read back all that they have appended, and the whole log."""

        def is_settled(server: ClusterServer) -> bool:
            standing = server.log.standing
            if standing in ENDED:
                return True
            is_whole = server.log.applied.n == log_length(self.engine)
            return standing is Standing.FOLLOWING and is_whole and server.log.waiting == (0, 0)

        for server in self.servers:
            until(
                lambda server=server: is_settled(server),  # type: ignore[misc]
                f"{server.name} does not settle: {server.log.applied} {server.log.waiting} {server.told[-4:]}",
            )

    def faults(self) -> list[str]:
        """Settle, and let the checker judge what there is then: a fence may come at any time."""
        self.settle()
        log = read_log(self.engine)
        for server in self.servers:
            until(
                lambda server=server: (  # type: ignore[misc]
                    server.log.applied.n >= len(log) or server.log.standing in ENDED
                ),
                f"{server.name} does not read on: {server.log.applied}",
            )
        return faults_in(log, [server.view(len(log)) for server in self.servers])

    def close(self) -> None:
        for server in self.servers:
            server.close()
        for engine in self.engines:
            engine.kill()


@contextmanager
def cluster(directory: Path, **options: Any) -> Iterator[TestCluster]:
    started = TestCluster(directory, **options)
    try:
        yield started
    finally:
        started.close()


def begin_log(engine: EngineProcess, epoch: str = EPOCH) -> None:
    """Begin the log in ``engine``."""
    url = EngineUrl((Address(*engine.address),), prefix=PREFIX)
    redialing = Redialing(Dialer(url, 3.0), LIBRARY)
    with redialing.line() as line:
        assert line.create(epoch) == epoch
    redialing.close()


def read_log(engine: EngineProcess) -> list[LogEntry]:
    """Return the whole log of ``engine``, read without our code of servers."""
    found = engine.call("XRANGE", f"{PREFIX}:log", "-", "+")
    return [parse_entry(next(iter(fields.values()))) for _, fields in found]


def log_length(engine: EngineProcess) -> int:
    return int(engine.call("HGET", f"{PREFIX}:head", "n") or 0)


def expire_lease(engine: EngineProcess, name: str) -> None:
    """Let the lease of a server end now, as if its time was over, unless it has ended."""
    engine.call("EVAL", _EXPIRE, 1, f"{PREFIX}:leases", name)


def faster(limits: ReplicationLimits = LIMITS, **changes: float) -> ReplicationLimits:
    return replace(limits, **changes)


def names(count: int) -> Iterator[bytes]:
    """Return records that are all different."""
    return (b"record %d" % number for number in range(count))


def chosen(rng: random.Random, weights: dict[str, int]) -> str:
    """Choose one of the keys."""
    return rng.choices(list(weights), list(weights.values()))[0]
