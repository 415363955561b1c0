"""Private messages reach the two accounts they are between, whether they are here or not, and nobody else."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history.exchange.html_export import one_page
from chat.server.history.exchange.lines import as_json, as_text, read_all
from chat.server.history.faults import HistoryFault
from chat.server.history.history import HistoryStore
from chat.server.history.reader import Reader
from chat.server.history.stored import DEFAULT_ROOM
from chat.server.log.log import Log, MemoryLog
from chat.server.mailboxes import account_mailboxes
from chat.server.mailboxes.account_mailboxes import AccountMailboxes
from chat.server.storage.database import Database
from tests.server.late_log import LateLog, commit_at_random
from tests.server.mailboxes.town import BOUNDS, PASSWORD, Town
from tests.server.server_in_test import TestServer, open_chat_server
from tests.tiers import quick_first

NAMES = ("alice", "bob", "carol", "dave")
OpenTown = Callable[..., Town]


@pytest.fixture
def open_town(tmp_path: Path) -> Iterator[OpenTown]:
    """A town on a data directory that outlives its server."""
    data = tmp_path / "data"
    towns: list[Town] = []

    @contextmanager
    def open_server(rng: random.Random, *, is_late: bool) -> Iterator[TestServer]:
        """``is_late``: the log commits later, in batches."""
        logs: list[LateLog] = []

        def make_log(timestamp: Callable[[], str]) -> Log:
            logs.append(LateLog(timestamp))
            return logs[-1]

        make = make_log if is_late else MemoryLog
        options = {"data_directory": data, "rate": None, "max_waiting": BOUNDS}
        with open_chat_server(tmp_path, make, **options) as server:
            commits = [gevent.spawn(commit_at_random, log, rng) for log in logs]
            yield server
            gevent.killall(commits)

    def open_one(seed: int, *, is_late: bool = False) -> Town:
        rng = random.Random(seed)
        town = Town(rng, partial(open_server, random.Random(seed), is_late=is_late), Database(data))
        towns.append(town)
        return town

    yield open_one
    for town in towns:
        for name in list(town.here):
            town.leave(name)
        town.close()


def register(town: Town, *names: str) -> None:
    """Let users come, and register their names."""
    for name in names:
        town.come(name)
        town.register(name)


@pytest.mark.usefixtures("cheap_hashes", "eager_index")
@pytest.mark.parametrize("is_late", quick_first([True, False], "the late log shows more"))
@pytest.mark.parametrize("seed", quick_first(range(3), "many seeds"))
def test_random_conversations(
    open_town: OpenTown, seed: int, is_late: bool, tmp_path: Path
) -> None:
    town = open_town(seed, is_late=is_late)
    rng = town.rng
    for _ in range(150):
        name, step = rng.choice(NAMES), rng.random()
        if name not in town.here:
            if step < 0.04 and name in town.accounts:
                town.give_up(name)
            elif step < 0.3:
                town.come(name)
        elif step < 0.05:
            town.register(name) if name not in town.accounts else town.give_up(name)
        elif step < 0.15:
            town.register(name) if name not in town.accounts else town.leave(name)
        elif step < 0.75:
            town.whisper(name, rng.choice(NAMES))
        elif step < 0.8:
            town.block(name, rng.choice(NAMES))
        elif step < 0.92:
            town.read(name, rng.choice(NAMES))
        elif step < 0.98:
            town.check()
        else:
            town.restart()
    town.check()
    town.restart()
    for name in NAMES:
        town.come(name)
    town.check()
    reader = Reader(tmp_path / "data")
    items = list(read_all(reader, DEFAULT_ROOM, None))
    reader.close()
    exported = [*as_json(items), *as_text(items), *one_page(items, "room")]
    assert not any("secret" in line for line in exported)


@pytest.mark.usefixtures("cheap_hashes")
def test_bounds_count_since_the_user_was_here_also_after_a_restart(open_town: OpenTown) -> None:
    town = open_town(0)
    register(town, "alice", "bob")
    for _ in range(2):
        town.leave("bob")
        for _ in range(BOUNDS.of_one + 1):
            town.whisper("alice", "bob")
        town.restart()
        town.come("alice")
        town.whisper("alice", "bob")  # refused still
        town.come("bob")
        town.leave("bob")
        # A crash soon after may forget that bob was here; a stop does not.
        town.restart()
        town.come("alice")
        for _ in range(BOUNDS.of_one + 1):
            town.whisper("alice", "bob")
        town.come("bob")
    town.check()


@pytest.mark.usefixtures("cheap_hashes")
def test_a_login_does_not_wait_for_a_disk_that_stands_still(
    open_town: OpenTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = open_town(0)
    register(town, "alice", "bob")
    town.leave("bob")
    town.whisper("alice", "bob")
    with monkeypatch.context() as slow:
        slow.setattr(account_mailboxes, "PATIENCE", 0.05)
        slow.setattr(HistoryStore, "summaries", lambda *arguments: gevent.sleep(60))
        slow.setattr(AccountMailboxes, "uncounted", 0)
        town.restart()
        bob = town.server.connect()
        assert bob.try_login({"to": "bob", "password": PASSWORD}).type == MessageType.LOGIN
        bob.close()
        town.server.connections_end()
    town.come("bob")  # compares the welcome
    town.check()


@pytest.mark.usefixtures("cheap_hashes")
def test_messages_that_come_before_a_mailbox_is_counted_count_once(
    open_town: OpenTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = open_town(0)
    register(town, "alice", "bob")
    town.leave("bob")
    town.whisper("alice", "bob")
    monkeypatch.setattr(AccountMailboxes, "run", lambda self: None)
    monkeypatch.setattr(AccountMailboxes, "uncounted", 0)
    town.restart()
    town.come("alice")
    town.whisper("alice", "bob")
    town.come("bob")  # compares the welcome
    town.check()


@pytest.mark.usefixtures("cheap_hashes")
def test_a_history_that_cannot_be_read_stops_no_login(
    open_town: OpenTown, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    town = open_town(0)
    register(town, "alice", "bob")
    town.leave("bob")
    town.whisper("alice", "bob")

    def fail(*arguments: object) -> None:
        raise HistoryFault("cannot use history.db: disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(HistoryStore, "summaries", fail)
        town.restart()
        bob = town.server.connect()
        assert bob.try_login({"to": "bob", "password": PASSWORD}).type == MessageType.LOGIN
        private = json.loads(bob.expect(MessageType.LOGIN).content)["private"]
        bob.close()
        town.server.connections_end()
    assert (private["seq"], private["unread"]) == (1, 0)
    assert "disk I/O error" in caplog.text
