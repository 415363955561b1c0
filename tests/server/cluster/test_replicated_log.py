"""A server follows the log: batches, bounds, an engine that goes and comes back, and each end."""

from __future__ import annotations

import shutil
from pathlib import Path

import gevent
import pytest

from chat.net.address import Address
from chat.net.engine_url import EngineUrl
from chat.server.cluster.engine_line import EngineVerdict, Redialing
from chat.server.cluster.lease import LeaseRefused
from chat.server.cluster.library import LIBRARY
from chat.server.cluster.log_entry import ORIGIN, EntryId, pack_records
from chat.server.cluster.redis_connection import Dialer, EngineAway
from chat.server.cluster.replicated_log import ReplicatedLog
from chat.server.cluster.standing import Standing
from chat.server.log.log import LogClosed, LogFull
from tests.server.cluster.engine_process import needs_engine
from tests.server.cluster.servers import (
    EPOCH,
    LIMITS,
    PREFIX,
    ByHand,
    TestCluster,
    begin_log,
    cluster,
    faster,
    read_log,
    standings,
    until,
)

pytestmark = needs_engine


class TestAppending:
    def test_all_servers_apply_one_order(self, servers: TestCluster) -> None:
        writers = [servers.start(name) for name in "abc"]
        for number in range(300):
            writers[number % 3].append(b"%d" % number)
            if number % 50 == 0:
                gevent.sleep(0.001)
        assert servers.faults() == []
        assert [standings(writer) for writer in writers] == [[Standing.FOLLOWING]] * 3

    def test_records_that_wait_share_an_entry_of_bounded_size(self, servers: TestCluster) -> None:
        server = servers.start("a", limits=faster(max_entry=1000))
        for _ in range(10):
            server.append(b"x" * 300)
        server.append(b"y" * 5000)
        server.append(b"")
        until(lambda: server.log.waiting == (0, 0))
        assert [len(entry.records) for entry in server.applied] == [3, 3, 3, 1, 1, 1]

    def test_records_that_wait_are_bounded(self, servers: TestCluster) -> None:
        limits = faster(max_waiting=1000, max_waiting_records=5, max_record=900)
        server = servers.start("a", limits=limits)
        server.append(b"x" * 800)
        with pytest.raises(LogFull):
            server.append(b"x" * 300)
        with pytest.raises(ValueError, match="at most 900"):
            server.append(b"x" * 901)
        for _ in range(4):
            server.append(b"")
        with pytest.raises(LogFull):
            server.append(b"")
        until(lambda: server.log.waiting == (0, 0))
        server.say(b"there is room again")

    def test_closing_waits_for_what_was_appended(self, servers: TestCluster) -> None:
        server, other = servers.start("a"), servers.start("b")
        server.append(b"last")
        assert server.log.close(5.0)
        assert server.applied[-1].records == (b"last",)
        with pytest.raises(LogClosed):
            server.append(b"later")
        assert standings(server) == [Standing.FOLLOWING, Standing.CLOSED]
        # A server that leaves ends its lease at once, and another one may have its name.
        until(lambda: len(other.applied) == 2)
        assert other.applied[-1].is_fence
        assert other.applied[-1].id.writer == server.log.incarnation
        servers.start("a")

    def test_closing_without_the_engine_takes_no_longer_than_it_may(
        self, servers: TestCluster
    ) -> None:
        server = servers.start("a")
        servers.engine.kill()
        server.append(b"perhaps")
        assert not server.log.close(0.05)
        assert server.log.waiting[0] == 1


class TestReading:
    def test_a_new_server_reads_what_was_said_before(self, servers: TestCluster) -> None:
        first = servers.start("a", limits=faster(max_entry=1))
        for number in range(40):
            first.append(b"%d" % number)
        until(lambda: len(first.applied) == 40)
        assert servers.faults() == []
        second = servers.start("b")
        third = servers.start("c", applied=first.log.applied)
        servers.settle()
        assert second.applied == first.applied
        first.say(b"more")
        until(lambda: third.has_applied(b"more"))
        assert third.applied == first.applied[40:]

    def test_large_entries_are_read_in_several_calls(self, servers: TestCluster) -> None:
        first = servers.start("a")
        for number in range(5):
            first.say(b"%d" % number + b"x" * 700_000)
        by_hand = ByHand(servers.engine)
        answer = by_hand.line.read(by_hand.writer, ORIGIN, 16)
        assert (answer.value, len(answer.entries)) == (5, 2)
        servers.start("b")
        assert servers.faults() == []

    def test_news_that_were_lost_are_found(self, servers: TestCluster) -> None:
        server, silent = servers.start("a"), ByHand(servers.engine)
        until(lambda: server.log.standing is Standing.FOLLOWING)
        assert silent.take_lease() is EngineVerdict.OK
        assert silent.append(pack_records([b"at the end"])) is EngineVerdict.OK
        until(lambda: server.has_applied(b"at the end"))  # by the head that a renewal tells
        assert silent.append(pack_records([b"before others"])) is EngineVerdict.OK
        server.say(b"by a hole")
        assert [entry.records[0] for entry in server.applied] == [
            *(b"at the end", b"before others", b"by a hole")
        ]
        assert standings(server) == [Standing.FOLLOWING]

    def test_a_subscription_that_is_silent(self, servers: TestCluster) -> None:
        server = servers.start("a", limits=faster(answer=0.3))
        until(lambda: server.log.standing is Standing.FOLLOWING)
        _, subscription, _ = server.proxy.links  # behind that of the lease
        subscription.hold()
        server.say(b"found in the log itself")
        until(lambda: (Standing.AWAY, "the engine is silent") in server.told)
        until(lambda: server.log.standing is Standing.FOLLOWING)
        assert servers.faults() == []

    def test_an_entry_of_another_version_ends_it(self, servers: TestCluster) -> None:
        server, later = servers.start("a"), ByHand(servers.engine, f"{PREFIX}:entries")
        later.take_lease()
        later.append(b"no records")
        until(lambda: server.log.standing is Standing.FAILED)
        assert server.applied == []

    def test_a_fault_in_apply_ends_it(self, servers: TestCluster) -> None:
        def fail(entry: object) -> None:
            raise RuntimeError("a bug")

        url = EngineUrl((Address(*servers.engine.address),), prefix=PREFIX)
        told: list[tuple[Standing, str]] = []
        log = ReplicatedLog(
            *(url, "a", EPOCH),
            apply=fail,
            tell=lambda standing, reason: told.append((standing, reason)),
            limits=LIMITS,
        )
        log.start()
        log.append(b"x")
        until(lambda: log.standing is Standing.FAILED)
        assert told[-1] == (Standing.FAILED, "RuntimeError: a bug")
        log.close(0)


class TestNames:
    def test_two_servers_with_one_name(self, servers: TestCluster) -> None:
        first = servers.start("a")
        with pytest.raises(LeaseRefused, match="another server is running under the name 'a'"):
            servers.start("a")
        first.say(b"still here")

    def test_the_name_of_a_dead_server_is_free_after_its_lease(self, servers: TestCluster) -> None:
        dead = ByHand(servers.engine)
        dead.line.take_lease(dead.writer, 0.2, ORIGIN)
        until(lambda: self.is_there(servers))
        assert read_log(servers.engine)[0].is_fence
        assert dead.append(b"") is EngineVerdict.OVER

    def is_there(self, servers: TestCluster) -> bool:
        try:
            servers.start("by hand")
        except LeaseRefused:
            return False
        return True


class TestACutLog:
    def test_everything_is_gone(self, servers: TestCluster) -> None:
        server = servers.start("a")
        server.say(b"gone")
        servers.engine.call("FLUSHALL")
        until(lambda: server.log.standing is Standing.CUT)

    def test_another_log_is_there(self, servers: TestCluster) -> None:
        server = servers.start("a")
        server.say(b"gone")
        servers.engine.call("FLUSHALL")
        begin_log(servers.engine)
        until(lambda: server.log.standing is Standing.CUT)

    def test_a_backup_was_restored(self, servers: TestCluster, tmp_path: Path) -> None:
        server, other = servers.start("a"), servers.start("b")
        server.say(b"kept")
        until(lambda: other.has_applied(b"kept"))
        kept = servers.engine.directory / "appendonlydir"
        servers.engine.kill()
        shutil.copytree(kept, tmp_path / "copy")
        servers.engine.start()
        other.log.close(1.0)
        server.say(b"lost")
        servers.engine.kill()
        shutil.rmtree(kept)
        shutil.copytree(tmp_path / "copy", kept)
        servers.engine.start()
        until(lambda: server.log.standing is Standing.CUT)

    def test_a_server_that_has_another_past_cannot_begin(self, servers: TestCluster) -> None:
        first = servers.start("a")
        first.say(b"here")
        for applied in (EntryId(1, "else", 1), EntryId(9, first.log.incarnation, 1)):
            with pytest.raises(LeaseRefused) as refused:
                servers.start("b", applied=applied)
            assert refused.value.standing is Standing.CUT

    def test_the_engine_is_not_there_at_the_beginning(self, servers: TestCluster) -> None:
        servers.engine.kill()
        with pytest.raises(EngineAway):
            servers.start("a")


class TestTrimming:
    def test_entries_that_a_server_has_not_applied_stay(self, servers: TestCluster) -> None:
        server, slow = servers.start("a"), ByHand(servers.engine)
        for number in range(5):
            server.say(b"%d" % number)
        slow.take_lease(server.applied[1].id)
        assert slow.line.trim(slow.writer, 3600).value == 0
        # A server tells with each renewal what it has applied. That entry stays, to be compared.
        until(lambda: slow.line.trim(slow.writer, 0).value and log_begin(servers) == 2)
        assert [entry.id.n for entry in read_log(servers.engine)] == [2, 3, 4, 5]
        slow.take_lease(server.applied[-1].id)
        until(lambda: slow.line.trim(slow.writer, 0).value and log_begin(servers) == 5)
        server.say(b"more")

    def test_a_server_behind_the_log(self, servers: TestCluster) -> None:
        server, other = servers.start("a"), ByHand(servers.engine)
        for number in range(5):
            server.say(b"%d" % number)
        server.log.close(1.0)
        other.line.trim(other.writer, 0)
        for applied in (ORIGIN, server.applied[1].id):
            answer = other.line.read(other.writer, applied, 10)
            assert answer.verdict is EngineVerdict.BEHIND
            with pytest.raises(LeaseRefused) as refused:
                servers.start("b", applied=applied)
            assert refused.value.standing is Standing.BEHIND

    def test_a_server_falls_behind(self, servers: TestCluster) -> None:
        """Only by force: the functions do not remove what a server with a lease has not applied."""
        server, silent = servers.start("a"), ByHand(servers.engine)
        server.say(b"first")
        silent.take_lease()
        server.proxy.hold()
        for _ in range(3):
            silent.append(pack_records([b"unheard"]))
        servers.engine.call("XTRIM", f"{PREFIX}:log", "MAXLEN", 1)
        server.proxy.release()
        until(lambda: server.log.standing is Standing.BEHIND)
        assert not server.has_applied(b"unheard")


def log_begin(servers: TestCluster) -> int:
    return read_log(servers.engine)[0].id.n


def test_the_time_comes_from_the_engine_and_never_runs_back(servers: TestCluster) -> None:
    server = servers.start("a")
    server.say(b"now")
    later = server.applied[-1].micros + 3_600_000_000
    servers.engine.call("HSET", f"{PREFIX}:head", "time", later)
    server.say(b"while the clock is behind")
    assert server.applied[-1].micros == later


def test_only_one_server_begins_a_log(tmp_path: Path) -> None:
    with cluster(tmp_path) as started:
        url = EngineUrl((Address(*started.engine.address),), prefix=PREFIX)
        with Redialing(Dialer(url, 3.0), LIBRARY).line() as line:
            assert line.create("another epoch") == EPOCH
            started.engine.call("XADD", f"{PREFIX}:log", "1-0", "e", "remains")
            started.engine.call("DEL", f"{PREFIX}:head")
            assert line.create("another epoch") is None


def test_entries_are_kept_long_enough(tmp_path: Path) -> None:
    with cluster(tmp_path) as started, pytest.raises(ValueError, match="3600 s at least"):
        started.start("a", limits=faster(keep=60.0))
