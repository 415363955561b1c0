"""An engine is away for a while, or cannot take entries: the records wait for it, or the server ends."""

from __future__ import annotations

import pytest

from chat.server.cluster.log_entry import pack_records
from chat.server.cluster.standing import Standing
from chat.server.log.log import LogClosed
from tests.server.cluster.engine_process import needs_engine
from tests.server.cluster.servers import (
    LIMITS,
    PREFIX,
    ByHand,
    TestCluster,
    expire_lease,
    faster,
    standings,
    until,
)

pytestmark = needs_engine


def test_an_engine_comes_back(servers: TestCluster) -> None:
    server = servers.start("a")
    server.say(b"before")
    servers.engine.kill()
    server.append(b"meanwhile")
    until(lambda: server.log.standing is Standing.AWAY)
    assert server.told[-1][1]  # a reason for the operator
    servers.engine.start()
    until(lambda: server.has_applied(b"meanwhile"))
    until(lambda: server.log.standing is Standing.FOLLOWING)
    assert servers.faults() == []


def test_it_is_told_once(servers: TestCluster) -> None:
    """A connection that nobody has used meanwhile is no reason to tell it again."""
    server = servers.start("a", limits=faster(renewal=1.0))
    until(lambda: server.log.standing is Standing.FOLLOWING)
    servers.engine.kill()
    until(lambda: server.log.standing is Standing.AWAY)
    servers.engine.start()
    until(lambda: server.log.standing is Standing.FOLLOWING)
    silent = ByHand(servers.engine)
    silent.take_lease(server.log.applied)
    silent.append(pack_records([b"found at the next renewal"]))
    until(lambda: server.has_applied(b"found at the next renewal"))
    assert standings(server) == [Standing.FOLLOWING, Standing.AWAY, Standing.FOLLOWING]


def test_the_lease_runs_out_first(servers: TestCluster) -> None:
    idle, server = servers.start("idle"), servers.start("a")
    server.say(b"before")
    servers.engine.kill()
    server.append(b"never")
    server.skip(LIMITS.lease)
    idle.skip(LIMITS.lease)
    until(lambda: idle.log.standing is Standing.OVER)
    until(lambda: server.log.standing is Standing.OVER)
    with pytest.raises(LogClosed):
        server.append(b"later")
    servers.engine.start()
    for name in ("a", "idle"):
        expire_lease(servers.engine, name)
    other = servers.start("b")
    other.say(b"after")
    assert not server.has_applied(b"after")
    assert [entry.is_fence for entry in other.applied] == [False, True, True, False]
    assert servers.faults() == []


def test_it_is_out_of_memory(servers: TestCluster) -> None:
    """Nothing is said then, but servers keep their leases, and all goes on later."""
    server = servers.start("a")
    server.say(b"before")
    servers.engine.call("CONFIG", "SET", "maxmemory", "1")
    server.append(b"meanwhile")
    until(lambda: server.log.standing is Standing.AWAY)
    assert "maxmemory" in server.told[-1][1]
    before = end_of_lease(servers)
    until(lambda: end_of_lease(servers) > before)
    servers.engine.call("CONFIG", "SET", "maxmemory", "0")
    until(lambda: server.has_applied(b"meanwhile"))
    assert servers.faults() == []


def end_of_lease(servers: TestCluster) -> int:
    [lease] = servers.engine.call("HVALS", f"{PREFIX}:leases")
    return int(lease.split()[1])


def test_it_has_lost_our_functions(servers: TestCluster) -> None:
    server = servers.start("a")
    servers.engine.call("FUNCTION", "FLUSH")
    server.say(b"with functions again")
    assert servers.faults() == []
