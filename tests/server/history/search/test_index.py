"""The index belongs to one history, is made with a small share of the processor, and may be missing at any time."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chat.server.history.faults import DamagedFile, HistoryFault
from chat.server.history.search import index_reader, index_upkeep, indexer
from chat.server.history.search.index_file import INDEX_FILE
from chat.server.history.search.index_writer import IndexWriter
from chat.server.history.search.indexer import Indexer
from chat.server.history.search.resting import RestingWorker
from chat.server.history.stored import DEFAULT_ROOM
from tests.server.disk import Disk
from tests.server.fakes import FakeClock, wait_until
from tests.server.history.search.searched import LOGS, SearchedHistory


@pytest.fixture
def searched(tmp_path: Path, eager_index: None) -> Iterator[SearchedHistory]:
    searched = SearchedHistory(tmp_path, random.Random(1))
    yield searched
    searched.close()


def change(directory: Path, statement: str) -> None:
    with closing(sqlite3.connect(directory / INDEX_FILE)) as connection, connection:
        connection.execute(statement)


def indexed(directory: Path) -> int:
    with closing(sqlite3.connect(directory / INDEX_FILE)) as connection:
        return int(connection.execute("SELECT max(indexed) FROM logs").fetchone()[0])


@pytest.mark.parametrize(
    "other",
    [
        "UPDATE facts SET value = 'x' WHERE name = 'epoch'",
        "UPDATE facts SET value = 'x' WHERE name = 'form'",
        "PRAGMA user_version = 99",
        "DROP TABLE facts",
    ],
)
def test_an_index_of_something_else_is_not_used_and_then_made_anew(
    searched: SearchedHistory, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched.say(DEFAULT_ROOM, "one", "two")
    searched.is_indexed()
    searched.close()
    change(searched.directory, other)
    # The index says that it has messages that it does not have.
    change(searched.directory, "UPDATE logs SET indexed = 100")
    with monkeypatch.context() as patches:
        patches.setattr(Indexer, "start", lambda self: None)
        searched.open()
        searched.say(DEFAULT_ROOM, "three")
        assert searched.check(DEFAULT_ROOM, "o") == [2, 1]
        assert searched.check(DEFAULT_ROOM, "three") == [3]
        searched.close()
    searched.open()
    searched.is_indexed()
    assert indexed(searched.directory) == 3
    assert searched.check(DEFAULT_ROOM, "thr") == [3]


def test_an_index_that_vanishes_is_made_anew(
    searched: SearchedHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "RETRY", 0.01)
    searched.say(DEFAULT_ROOM, "one", "two")
    searched.is_indexed()
    # Not -shm, which SQLite maps into memory: to touch a map behind the end of its file is a SIGBUS.
    for path in (searched.directory / f"{INDEX_FILE}{end}" for end in ("", "-wal")):
        path.write_bytes(b"no longer a database" * 1000)
    searched.say(DEFAULT_ROOM, "three")
    assert searched.check(DEFAULT_ROOM, "t") == [3, 2]
    assert searched.check(DEFAULT_ROOM, "thr") == [3]
    searched.is_indexed()
    assert searched.check(DEFAULT_ROOM, "two") == [2]
    # This search, too, may be the one that finds the damage.
    searched.is_indexed()
    assert indexed(searched.directory) == 3


def test_a_few_messages_of_a_log_wait_for_more(
    searched: SearchedHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "STEP", 3)
    searched.is_indexed()
    for number in (1, 2):
        searched.say(DEFAULT_ROOM, "one")
        searched.is_indexed()
        assert searched.indexer.status().messages == number
    assert searched.check(DEFAULT_ROOM, "one") == [2, 1]
    searched.say(DEFAULT_ROOM, "one")
    searched.is_indexed()
    assert (indexed(searched.directory), searched.indexer.status().messages) == (3, 0)
    searched.close()
    searched.open()
    searched.is_indexed()
    searched.say(LOGS[1], "one")
    searched.is_indexed()
    assert searched.indexer.status().messages == 1
    assert searched.check(LOGS[1], "one") == [1]


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_crash_while_an_index_is_removed_leaves_nothing_of_it(
    searched: SearchedHistory, is_moved: bool
) -> None:
    searched.say(DEFAULT_ROOM, "one")
    searched.is_indexed()
    searched.close()
    index, former = (searched.directory / name for name in (INDEX_FILE, f"{INDEX_FILE}.old"))
    former.write_bytes(index.read_bytes())
    if is_moved:
        index.rename(former)
        (searched.directory / f"{INDEX_FILE}-wal").write_bytes(b"what was written last")
    searched.open()
    searched.is_indexed()
    assert not former.exists()
    assert searched.check(DEFAULT_ROOM, "one") == [1]
    assert indexed(searched.directory) == 1


def test_an_index_that_cannot_be_written_is_tried_again(
    searched: SearchedHistory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(indexer, "RETRY", 0.01)
    with monkeypatch.context() as patches:
        tries = []

        def fail(*arguments: object) -> None:
            tries.append(arguments)
            raise sqlite3.OperationalError("database or disk is full")

        patches.setattr(IndexWriter, "add", fail)
        searched.say(DEFAULT_ROOM, "one")
        wait_until(lambda: len(tries) > 3, "some tries")
        assert searched.indexer.status().has_failed
        assert searched.indexer.status().messages >= 1
        assert searched.check(DEFAULT_ROOM, "one") == [1]
    searched.is_indexed()
    status = searched.indexer.status()
    assert (status.messages, status.has_failed) == (0, False)
    assert indexed(searched.directory) == 1
    assert len([each for each in caplog.records if "not indexed" in each.message]) == 1


def test_an_index_leaves_the_last_space_of_the_disk_to_messages(
    searched: SearchedHistory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(indexer, "RETRY", 0.01)
    searched.say(DEFAULT_ROOM, "one")
    searched.is_indexed()
    monkeypatch.setattr(index_upkeep, "RESERVE", 1 << 60)
    searched.say(DEFAULT_ROOM, "one")
    wait_until(lambda: searched.indexer.status().has_failed, "the failure")
    assert searched.check(DEFAULT_ROOM, "one") == [2, 1]
    assert indexed(searched.directory) == 1
    assert "for messages" in caplog.text
    monkeypatch.setattr(index_upkeep, "RESERVE", 1)
    searched.is_indexed()
    assert indexed(searched.directory) == 2


@pytest.mark.parametrize("words", ["q", "xq", "q x", "\ufffe", "語", "索語", "ā"])
@pytest.mark.parametrize("scanned", [1, 1000])
def test_few_letters_are_found_wherever_they_stand(
    searched: SearchedHistory, monkeypatch: pytest.MonkeyPatch, words: str, scanned: int
) -> None:
    monkeypatch.setattr(index_reader, "_SCANNED", scanned)
    for text in ("xq", "q", "x q", "a\ufffe", "検索語", "語", "Ā", "qx and more"):
        searched.say(DEFAULT_ROOM, text)
    searched.say(DEFAULT_ROOM, *(["something else"] * 20))
    searched.is_indexed()
    assert searched.check(DEFAULT_ROOM, words)


def test_numbers_that_a_crash_has_given_up_are_no_part_of_the_index(
    searched: SearchedHistory,
) -> None:
    searched.say(DEFAULT_ROOM, "one", "two")
    searched.is_indexed()
    searched.crash()
    searched.say(DEFAULT_ROOM, "two", "three")
    searched.is_indexed()
    state = searched.history.state(DEFAULT_ROOM)
    assert state.lost
    assert indexed(searched.directory) == state.head
    for words in ("o", "tw", "thr", "two"):
        assert searched.check(DEFAULT_ROOM, words)


@pytest.mark.parametrize("is_indexed", [False, True])
def test_a_new_history_in_place_of_a_damaged_one_is_searched(
    searched: SearchedHistory, disk: Disk, is_indexed: bool
) -> None:
    epoch = searched.history.epoch
    searched.say(DEFAULT_ROOM, "one", "two")
    searched.is_indexed()
    assert searched.check(DEFAULT_ROOM, "tw") == [2]
    disk.fault = DamagedFile("cannot use history.db: database disk image is malformed")
    searched.say(DEFAULT_ROOM, "not kept")
    wait_until(lambda: searched.history.is_suspended, "the disk to fail")
    disk.fault = None
    wait_until(lambda: not searched.history.is_suspended, "the new file")
    assert searched.history.epoch != epoch
    searched.said[DEFAULT_ROOM].clear()
    searched.say(DEFAULT_ROOM, "two")
    if is_indexed:
        searched.is_indexed()
    else:
        searched.history._queue.wait_until_written()
    for words in ("two", "tw"):
        assert searched.check(DEFAULT_ROOM, words) == [4]


@pytest.mark.parametrize("missing", ["no such module: fts5", "no such tokenizer: trigram"])
def test_where_sqlite_has_no_full_text_search_the_history_is_searched(
    searched: SearchedHistory, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    def fail(*arguments: object) -> None:
        raise sqlite3.OperationalError(missing)

    with monkeypatch.context() as patches:
        patches.setattr(IndexWriter, "add", fail)
        searched.say(DEFAULT_ROOM, "one", "two")
        wait_until(lambda: searched.indexer.status().has_failed, "the fault")
        assert searched.indexer.generation == 0, "the file stays"
        assert searched.check(DEFAULT_ROOM, "two") == [2]


@pytest.mark.parametrize("fault", [HistoryFault("the disk fails"), ZeroDivisionError()])
def test_indexing_rests_nine_times_as_long_as_it_works_and_longer_after_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    one = Indexer(tmp_path)
    monkeypatch.setattr(one, "_do_some", lambda: 0.2)
    assert one._work() == pytest.approx(1.8)

    def fail() -> float:
        raise fault

    monkeypatch.setattr(one, "_do_some", fail)
    assert one._work() == indexer.RETRY


def test_the_cost_is_that_of_the_thread(tmp_path: Path) -> None:
    _, cost = indexer._measured(lambda: sum(range(300_000)))
    assert cost > 0
    _, idle = indexer._measured(lambda: None)
    assert idle < cost


def test_a_thread_rests_before_its_next_work() -> None:
    clock, used, rests = FakeClock(), FakeClock(), list[float]()
    thread = RestingWorker(1.5, clock, used, rests.append)

    def work(seconds: float) -> None:
        with thread.working():
            clock.now += seconds * 2  # others had the processor, too
            used.now += seconds

    work(2)
    work(4)
    clock.now += 5
    work(1)
    clock.now += 10
    work(1)
    assert rests == [0, 3, 1, 0]
