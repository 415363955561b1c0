"""Each guard of the replicated log: with it nothing goes wrong, and without it the checker finds a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.server.cluster.library import TEMPLATE, FunctionLibrary
from chat.server.cluster.log_reader import LogReader
from chat.server.cluster.standing import Standing
from tests.cutting.proxy import Cut, Manner, Proxy
from tests.server.cluster.engine_process import needs_engine
from tests.server.cluster.servers import (
    ClusterServer,
    TestCluster,
    cluster,
    expire_lease,
    faster,
    read_log,
    until,
)

pytestmark = needs_engine

# The conditions in log.lua that are marked as guards, and the ones that stand in their places.
_LUA_GUARDS = {
    "lease": ("if not lease_of(keys, args[3], args[4]) then", "if false then"),
    "counter": (
        "if counter <= tonumber(redis.call('HGET', keys[4], args[4]) or '0') then",
        "if false then",
    ),
    "identity": ("local found = compare(keys, head, ", "local found = ({compare(keys, head, "),
}


def library_without(*guards: str) -> FunctionLibrary:
    lines = TEMPLATE.splitlines()
    for guard in guards:
        there, instead = _LUA_GUARDS[guard]
        marked = [i for i, line in enumerate(lines) if line.endswith(f"-- guard: {guard}")]
        assert marked, f"no guard {guard!r} in log.lua"
        for number in marked:
            code = lines[number].partition(" -- guard")[0]
            assert there in code
            end = ", 'OK'})[2]" if guard == "identity" else ""
            # The call stays, and its answer is put aside.
            lines[number] = code.replace(there, instead) + end
    return FunctionLibrary("\n".join(lines))


class TestTheCounterOfAWriter:
    """A first try that comes late, behind its repetition, is not committed again."""

    def test_with_the_guard(self, tmp_path: Path) -> None:
        with cluster(tmp_path) as cluster_:
            self.lose_an_answer(cluster_)
            assert cluster_.faults() == []

    def test_without_it(self, tmp_path: Path) -> None:
        with cluster(tmp_path, library=library_without("counter")) as cluster_:
            self.lose_an_answer(cluster_)
            assert any("committed twice" in fault for fault in cluster_.faults())

    def lose_an_answer(self, cluster_: TestCluster) -> None:
        writer, other = cluster_.start("a"), cluster_.start("b")
        until(lambda: writer.log.standing is Standing.FOLLOWING)
        writer.say(b"first")
        link = writer.proxy.link  # the newest: that of the appender
        assert link is not None
        link.hold()
        writer.append(b"second")
        link.cut(Cut(Manner.LATE, 0, up=True, down=True, seconds=0.05))
        until(lambda: writer.has_applied(b"second"))
        until(lambda: link not in writer.proxy.links)
        other.say(b"third")


class TestTheFence:
    """An entry that a paused server has sent, and that comes behind its fence, is not applied."""

    def test_the_engine_refuses_it(self, tmp_path: Path) -> None:
        with cluster(tmp_path) as cluster_:
            self.pause(cluster_)
            assert cluster_.faults() == []

    def test_readers_pass_over_it(self, tmp_path: Path) -> None:
        with cluster(tmp_path, library=library_without("lease")) as cluster_:
            self.pause(cluster_)
            [fault] = cluster_.faults()
            assert "the engine has taken entries behind the fence" in fault

    def test_without_both(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # Only this private name is the guard.
        monkeypatch.setattr(LogReader, "_is_void", lambda reader, entry: False)
        with cluster(tmp_path, library=library_without("lease")) as cluster_:
            self.pause(cluster_)
            assert any("b has applied" in fault for fault in cluster_.faults())

    def pause(self, cluster_: TestCluster) -> None:
        """Stop a server with an entry on its way until the others have fenced it."""
        paused = cluster_.start("a", limits=faster(answer=10.0))
        other = cluster_.start("b")
        paused.say(b"before")
        paused.freeze()
        paused.append(b"late")
        until(lambda: self.is_fenced(cluster_, other))
        paused.thaw()
        until(lambda: paused.log.standing is Standing.OVER)
        paused.log.close(0)
        until(lambda: not paused.proxy.links)  # so the engine has read all that was held
        other.say(b"after")

    def is_fenced(self, cluster_: TestCluster, other: ClusterServer) -> bool:
        expire_lease(cluster_.engine, "a")  # so nobody has to wait for its end
        return any(entry.is_fence for entry in other.applied)


class TestTheIdentityOfEntries:
    """A server that has applied entries which a failover lost leaves the log."""

    def test_with_the_guard(self, tmp_path: Path) -> None:
        with cluster(tmp_path) as cluster_:
            self.lose_entries(cluster_)
            ahead = cluster_.servers[0]
            until(lambda: ahead.log.standing is Standing.CUT)
            # Only what this server has applied, and nobody has now, differs.
            [fault] = cluster_.faults()
            assert "a has applied" in fault
            assert ahead.applied[-1].records == (b"lost",)

    def test_without_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(LogReader, "_goes_on", lambda reader, entry: True)
        with cluster(tmp_path, library=library_without("identity")) as cluster_:
            self.lose_entries(cluster_)
            ahead, other = cluster_.servers
            until(lambda: ahead.has_applied(b"late"))
            until(lambda: ahead.log.standing is Standing.FOLLOWING)
            assert any("a has applied" in fault for fault in cluster_.faults())
            assert not other.has_applied(b"lost")

    def lose_entries(self, cluster_: TestCluster) -> None:
        replica = cluster_.start_engine()
        replica.follow(cluster_.engine)
        ahead, other = cluster_.start("a"), cluster_.start("b")
        ahead.say(b"kept")
        until(lambda: other.has_applied(b"kept"))
        until(lambda: read_log(replica) == read_log(cluster_.engine))
        replica.promote()
        other.move_to(replica)
        ahead.say(b"lost")
        cluster_.fail_over(replica)
        for record in (b"early", b"late"):
            other.say(record)


class TestTheReadBarrier:
    """An entry is applied only when the replica has it."""

    def test_with_the_guard(self, tmp_path: Path) -> None:
        with cluster(tmp_path, replicas=1, limits=faster(answer=0.4)) as cluster_:
            self.fail_over_to_one_that_lags(cluster_, must_wait=True)
            assert cluster_.faults() == []

    def test_without_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(LogReader, "_wait_for_replicas", lambda reader, connection: None)
        with cluster(tmp_path, replicas=1, limits=faster(answer=0.4)) as cluster_:
            self.fail_over_to_one_that_lags(cluster_, must_wait=False)
            assert any("a has applied" in fault for fault in cluster_.faults())

    def fail_over_to_one_that_lags(self, cluster_: TestCluster, *, must_wait: bool) -> None:
        replica = cluster_.start_engine()
        between = Proxy(cluster_.engine.address)
        replica.follow(between.address)
        server = cluster_.start("a")
        server.say(b"kept")
        between.hold()
        server.append(b"perhaps")
        if must_wait:
            until(lambda: "replicas" in server.told[-1][1])
            assert not server.has_applied(b"perhaps")
        else:
            until(lambda: server.has_applied(b"perhaps"))
        between.close()
        cluster_.fail_over(replica)
        # The next replica. A server waits for it before it applies anything.
        third = cluster_.start_engine()
        third.follow(replica)
        if must_wait:
            until(lambda: server.has_applied(b"perhaps"))
        else:
            until(lambda: server.log.standing is Standing.CUT)
