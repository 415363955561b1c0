"""A server finds its way to the log: with nothing, with old data, with data of its own, or without a log."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.cluster.engine_line import LogKeys
from chat.server.cluster.log_entry import parse_entry
from chat.server.history.reader import FILE_NAME as HISTORY_FILE
from chat.server.history.reader import Reader
from chat.server.replication.stored.founding import CannotFound, leave_cluster, note_cut
from chat.server.replication.stored.place import read_state
from chat.server.storage.database import FILE_NAME as DATABASE_FILE
from chat.server.storage.database import Database
from tests.end_to_end.server_process import ServerProcess, eventually
from tests.peers.wire_client import WireClient
from tests.server.cluster.engine_process import needs_engine
from tests.server.cluster.servers import PREFIX
from tests.server.replication.shared_servers import SharedServers, shared_servers

pytestmark = needs_engine


@pytest.fixture
def town(tmp_path: Path) -> Iterator[SharedServers]:
    with shared_servers(tmp_path / "town") as started:
        yield started


def said(town: SharedServers, server: str, count: int) -> list[tuple[str, int]]:
    """The last ``count`` messages that a newcomer is shown."""
    client = town.remember(WireClient(town.servers[server].address))
    client.try_login({"to": "newcomer", "replay": count})
    client.expect(MessageType.LOGIN)
    frames = [client.read_frame() for _ in range(count)]
    client.close()
    return [(frame.text, frame.header["seq"]) for frame in frames]


def place_of(town: SharedServers, server: str) -> int:
    """The number of the last entry that a server has on its disk."""
    with Database(town.data_of(server)).reading() as connection:
        state = read_state(connection)
    assert state is not None
    return state.place.applied.n


def test_the_first_begins_and_the_second_has_all_that_was_said(town: SharedServers) -> None:
    town.start("north")
    alice = town.join("north", "alice")
    for number in range(3):
        alice.say(f"{number}")
        alice.expect_text(f"{number}", "alice")

    town.start("south")

    assert said(town, "south", 3) == [("0", 1), ("1", 2), ("2", 3)]
    bob = town.join("south", "bob")
    assert bob.welcome["users"] == ["alice", "bob"]
    bob.say("3")
    bob.expect_text("3", "bob", seq=4)


@pytest.mark.thorough("test_operating_a_cluster.py says why a server cannot take part")
def test_data_of_a_server_alone_begins_a_cluster_only_when_asked(town: SharedServers) -> None:
    alone = ServerProcess(f"--data-directory={town.data_of('north')}", "--history=on")
    alice = WireClient.joined(alone.address, "alice")
    alice.say("before")
    seen = alice.expect_text("before", "alice").header
    alice.close()
    assert alone.stop() == 0

    with pytest.raises(AssertionError, match="chat-server cluster init"):
        town.start("north")
    town.found("north")
    town.start("north")
    town.start("south")

    client = town.remember(WireClient(town.servers["south"].address))
    client.try_login({"to": "alice", "replay": 1})
    client.expect(MessageType.LOGIN)
    frame = client.read_frame()
    assert (frame.text, frame.header["seq"], frame.header["timestamp"]) == (
        "before",
        1,
        seen["timestamp"],
    )


def test_a_server_that_was_away_for_too_long_takes_a_copy(town: SharedServers) -> None:
    town.start("north")
    town.start("south")
    alice = town.join("north", "alice")
    town.stop("south")
    for number in range(20):
        alice.say(f"{number}")
        alice.expect_text(f"{number}", "alice")
    # What the server has not applied is trimmed; what it is copied from has the rest on its disk.
    head = int(town.engine.call("HGET", f"{PREFIX}:head", "n"))
    eventually(lambda: place_of(town, "north") == head)
    town.engine.call("XTRIM", f"{PREFIX}:log", "MAXLEN", "=", 2)

    server = town.start("south")

    server.wait_for_line("a copy takes its place: the log does not reach back")
    assert said(town, "south", 2) == [("18", 19), ("19", 20)]


@pytest.mark.thorough("test_a_log_that_lacks_its_end_and_that_nobody_follows_begins_anew")
def test_an_engine_that_has_lost_everything_gets_a_new_epoch(town: SharedServers) -> None:
    town.start("north")
    town.start("south")
    alice = town.join("north", "alice")
    alice.say("before")
    alice.expect_text("before", "alice")
    epoch = alice.welcome["epoch"]
    for name in ("south", "north"):
        town.stop(name)
    town.engine.call("FLUSHALL")

    server = town.start("north")
    server.wait_for_line("begins again here, under a new epoch")
    town.start("south").wait_for_line(
        "a copy takes its place: the engine has the log of another epoch"
    )

    assert said(town, "south", 1) == [("before", 1)]
    bob, carol = town.join("north", "bob"), town.join("south", "carol")
    assert bob.welcome["epoch"] == carol.welcome["epoch"] != epoch
    carol.say("after")
    *_, after = bob.read_until(MessageType.UTF8, b"after")
    assert after.header["seq"] == 2


def test_an_engine_that_loses_an_empty_log_gets_it_again(town: SharedServers) -> None:
    town.found("north")
    epoch = epoch_of(town, "north")
    town.engine.call("FLUSHALL")
    town.start("north").wait_for_line("has lost its log, which was empty")
    town.start("south")
    assert epoch_of(town, "south") == epoch


def test_a_log_that_lacks_its_end_and_that_nobody_follows_begins_anew(town: SharedServers) -> None:
    town.start("north")
    alice = town.join("north", "alice")
    alice.say("before")
    alice.expect_text("before", "alice")
    epoch = alice.welcome["epoch"]
    town.start("south")
    for name in ("south", "north"):
        town.stop(name)
    note_cut(Database(town.data_of("north")))

    town.start("north").wait_for_line("begins again here, under a new epoch")
    town.start("south").wait_for_line(
        "a copy takes its place: the engine has the log of another epoch"
    )

    bob = town.join("south", "bob")
    assert bob.welcome["epoch"] != epoch
    assert said(town, "south", 1) == [("before", 1)]


@pytest.mark.thorough("test_a_server_that_was_away_for_too_long_takes_a_copy")
def test_a_server_that_is_ahead_of_a_log_that_others_follow_takes_a_copy(
    town: SharedServers,
) -> None:
    town.start("north")
    town.start("south")
    town.stop("north")
    note_cut(Database(town.data_of("north")))
    alice = town.join("south", "alice")
    alice.say("after")
    alice.expect_text("after", "alice")

    town.start("north").wait_for_line("a copy takes its place: this server has what the log lacks")

    assert said(town, "north", 1) == [("after", 1)]
    assert town.join("north", "bob").welcome["epoch"] == alice.welcome["epoch"]


@pytest.mark.thorough("takes 14 s, for a lease to end; the two tests above show what follows")
def test_a_history_that_is_ahead_of_the_log_is_noticed(town: SharedServers) -> None:
    town.start("north")
    alice = town.join("north", "alice")
    alice.say("before")
    alice.expect_text("before", "alice")
    before = town.data_of("north").with_name("before")
    town.stop("north")
    shutil.copytree(town.data_of("north"), before)
    entries = town.engine.call("XLEN", f"{PREFIX}:log")
    town.start("north")
    alice = town.join("north", "alice")
    alice.say("lost")
    alice.expect_text("lost", "alice")
    town.stop("north")
    # The place of before, with the history of now; and the engine has lost what came between.
    shutil.copy(before / DATABASE_FILE, town.data_of("north"))
    lose_end(town, entries)

    with pytest.raises(AssertionError, match="has lost messages that this server has"):
        town.start("north")
    town.start("north").wait_for_line("begins again here, under a new epoch")

    assert said(town, "north", 2) == [("before", 1), ("lost", 2)]


def lose_end(town: SharedServers, length: int) -> None:
    """Let the engine have the first ``length`` entries only."""
    kept = town.engine.call("XRANGE", f"{PREFIX}:log", "-", "+")[:length]
    gone = town.engine.call("XRANGE", f"{PREFIX}:log", "-", "+")[length:]
    town.engine.call("XDEL", f"{PREFIX}:log", *(id for id, _ in gone))
    last = parse_entry(next(iter(kept[-1][1].values())))
    facts = ("n", last.id.n, "writer", last.id.writer, "counter", last.id.counter)
    town.engine.call("HSET", f"{PREFIX}:head", *facts)
    town.engine.call("XSETID", f"{PREFIX}:log", kept[-1][0])


@pytest.mark.thorough(
    "starts many servers; the engine's settings are checked in tests/server/cluster"
)
def test_a_durable_server_demands_an_engine_that_keeps_what_it_confirms(
    town: SharedServers,
) -> None:
    town.engine.call("CONFIG", "SET", "appendfsync", "everysec")

    with pytest.raises(AssertionError, match="--durable demands appendfsync always"):
        town.start("north", "--durable")

    town.engine.call("CONFIG", "SET", "appendfsync", "always")
    town.start("north", "--durable")
    alice = town.join("north", "alice")
    alice.say("kept")
    alice.expect_text("kept", "alice", seq=1)


def epoch_of(town: SharedServers, server: str) -> str:
    with closing(Reader(town.data_of(server))) as reader:
        return reader.epoch()


def test_the_last_server_ends_the_log_and_goes_on_alone_with_its_places(
    town: SharedServers,
) -> None:
    town.start("north")
    town.start("south")
    alice = town.join("south", "alice")
    alice.say("hello")
    alice.expect_text("hello", "alice")
    alice.close()
    epoch = epoch_of(town, "north")
    town.stop("north")
    with pytest.raises(CannotFound, match="another server follows the log"):
        leave_cluster(town.data_of("north"), town.url)
    bob = town.join("south", "bob")
    bob.say("only here")
    bob.expect_text("only here", "bob")
    bob.close()
    town.stop("south")

    assert "epoch" not in leave_cluster(town.data_of("south"), town.url)
    assert "a new epoch begins" in leave_cluster(town.data_of("north"), town.url)

    assert town.engine.call("EXISTS", f"{PREFIX}:log", f"{PREFIX}:head") == 0
    assert (epoch_of(town, "south"), epoch_of(town, "north") == epoch) == (epoch, False)


def test_after_the_end_of_a_cluster_no_server_begins_another_one_by_itself(
    town: SharedServers,
) -> None:
    for name in ("north", "south"):
        town.start(name)
    town.stop("north")
    town.stop("south")
    leave_cluster(town.data_of("south"), town.url)
    for name in ("north", "empty"):
        with pytest.raises(AssertionError, match="leave` has ended the log"):
            town.start(name)

    # Until the operator begins one. Then it may end again as any other, if the engine loses it.
    town.found("south")
    town.start("south")
    town.start("empty")
    town.start("north").wait_for_line("a copy takes its place")
    for name in ("north", "empty", "south"):
        town.stop(name)
    town.engine.call("DEL", *LogKeys(PREFIX).all)
    town.start("south").wait_for_line("it begins again here, under a new epoch")


def test_a_server_that_lacks_the_end_of_the_log_leaves_under_a_new_epoch(
    town: SharedServers,
) -> None:
    town.start("north")
    town.start("south")
    town.stop("north")
    bob = town.join("south", "bob")
    bob.say("only here")
    bob.expect_text("only here", "bob")
    town.stop("south")

    assert "a new epoch begins" in leave_cluster(town.data_of("north"), town.url)


def test_an_older_history_does_not_fit(town: SharedServers) -> None:
    town.start("north")
    town.stop("north")
    older = shutil.copy(town.data_of("north") / HISTORY_FILE, town.directory)
    town.start("north")
    alice = town.join("north", "alice")
    alice.say("hello")
    alice.expect_text("hello", "alice")
    town.stop("north")
    for former in town.data_of("north").glob(f"{HISTORY_FILE}*"):
        former.unlink()
    shutil.copy(older, town.data_of("north"))

    with pytest.raises(AssertionError, match="the history lacks messages that were said before"):
        town.start("north")
