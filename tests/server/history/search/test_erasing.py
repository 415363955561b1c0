"""Removed messages leave nothing in the index, also if the server ends in the middle."""

from __future__ import annotations

import random
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chat.server.history.purging import Purge
from chat.server.history.search import index_writer
from chat.server.history.search.index_file import INDEX_FILE
from chat.server.history.search.index_upkeep import IndexUpkeep
from chat.server.history.search.index_writer import IndexWriter
from chat.server.history.stored import DEFAULT_ROOM, MAILBOX, LogName
from chat.server.history.upkeep import expire
from tests.server.history.search.searched import SearchedHistory

SECRET = "Xyzzy"
MAIL = LogName(MAILBOX, "a1")


@pytest.fixture
def searched(tmp_path: Path, eager_index: None) -> Iterator[SearchedHistory]:
    searched = SearchedHistory(tmp_path, random.Random(1))
    yield searched
    searched.close()


def say_a_secret(searched: SearchedHistory, log: LogName = DEFAULT_ROOM) -> int:
    """Say a secret among other texts; return its number when it is indexed."""
    searched.say(log, "before", f"the {SECRET} of all", "after")
    searched.is_indexed()
    number = searched.history.state(log).head - 1
    assert is_in_index(searched.directory)
    assert searched.check(log, SECRET) == [number]
    return number


def is_in_index(directory: Path) -> bool:
    """Whether the files of the index have the secret: as a text, or one of its trigrams."""
    text = SECRET.casefold().encode()
    traces = (text, *(text[start : start + 3] for start in range(len(text) - 2)))
    paths = sorted(directory.glob(f"{INDEX_FILE}*"))
    assert paths
    # By another process: to close a file here would release the locks that SQLite has on it. The next connection would
    # then cut off the memory that the others share, and the process would end by SIGBUS.
    files = [subprocess.run(["cat", path], stdout=subprocess.PIPE).stdout for path in paths]
    return any(trace in data for trace in traces for data in files)


@pytest.mark.parametrize("log", [DEFAULT_ROOM, MAIL])
@pytest.mark.parametrize("others", [0, 3000])
def test_a_purged_message_is_erased(searched: SearchedHistory, log: LogName, others: int) -> None:
    for _ in range(others // 50):
        searched.say(log, *(f"other text {number}" for number in range(50)))
    number = say_a_secret(searched, log)
    sender = searched.said[log][number].sender
    if log == DEFAULT_ROOM:
        searched.history.purge(Purge(number=number))
    else:
        searched.history.purge(Purge(user=sender.upper()))
    assert not is_in_index(searched.directory)
    del searched.said[log][number]
    assert searched.check(log, SECRET) == []
    if log == DEFAULT_ROOM:
        searched.check(log, "before")


def test_a_message_that_is_purged_before_it_is_indexed_never_gets_there(
    searched: SearchedHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched.say(DEFAULT_ROOM, "before")
    searched.is_indexed()
    with monkeypatch.context() as patches:
        patches.setattr(searched.indexer, "_work", lambda: 0.001)
        [number] = searched.say(DEFAULT_ROOM, SECRET)
        searched.history._queue.wait_until_written()
        searched.history.purge(Purge(number=number))
        del searched.said[DEFAULT_ROOM][number]
        assert searched.check(DEFAULT_ROOM, SECRET) == []
    searched.is_indexed()
    assert not is_in_index(searched.directory)
    assert searched.check(DEFAULT_ROOM, "before") == [1]
    assert searched.indexer.generation == 0, "the index was not made anew"


def test_a_message_that_is_too_old_is_erased(searched: SearchedHistory) -> None:
    number = say_a_secret(searched)
    searched.say(DEFAULT_ROOM, "later")
    searched.is_indexed()
    remove_oldest(searched, number)
    searched.is_indexed()
    assert not is_in_index(searched.directory)
    assert searched.check(DEFAULT_ROOM, "later") == [number + 2]


def remove_oldest(searched: SearchedHistory, number: int) -> None:
    """Remove the messages up to ``number``; those that share a row of the file with younger ones stay."""
    time = searched.said[DEFAULT_ROOM][number].time
    states = searched.history.call(expire, time + "~", None)
    for name, state in states.items():
        said = searched.said[name]
        searched.said[name] = {each: said[each] for each in said if each >= state.oldest}
    searched.history.note_removed(states)


def test_old_shards_go_as_a_whole_and_the_file_does_not_grow(
    searched: SearchedHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_writer, "SHARD", 200)
    sizes = []
    for _ in range(30):
        for _ in range(4):
            searched.say(DEFAULT_ROOM, *(searched.text() for _ in range(50)))
            searched.say(MAIL, "a mail")
        searched.is_indexed()
        if len(searched.said[DEFAULT_ROOM]) > 600:
            remove_oldest(searched, searched.history.state(DEFAULT_ROOM).head - 450)
            searched.is_indexed()
        with closing(sqlite3.connect(searched.directory / INDEX_FILE)) as connection:
            sizes.append(connection.execute("PRAGMA page_count").fetchone()[0])
            blocks = connection.execute("SELECT min(first) FROM blocks WHERE log = 1").fetchone()
            assert blocks[0] == searched.history.state(DEFAULT_ROOM).oldest
    assert max(sizes[15:]) <= max(sizes[:15]) * 1.3
    searched.check(DEFAULT_ROOM, "ba")
    searched.check(MAIL, "a mail")
    remove_oldest(searched, searched.history.state(DEFAULT_ROOM).head)
    searched.is_indexed()
    size = (searched.directory / INDEX_FILE).stat().st_size
    assert size < max(sizes) * 4096 / 2, "the space is given back"


# A crash in the middle: what the former run left undone is done at the next start


def crash_in(
    method: str, kind: type[object], before: bool = True
) -> Callable[[pytest.MonkeyPatch], None]:
    """Let the call of a method end the work, before or after it has done its own."""

    def prepare(monkeypatch: pytest.MonkeyPatch) -> None:
        really = getattr(kind, method)

        def end(*arguments: object, **options: object) -> None:
            if not before:
                really(*arguments, **options)
            raise Crash

        monkeypatch.setattr(kind, method, end)

    return prepare


class Crash(Exception):
    """The process ends here."""


@pytest.mark.parametrize(
    "crash",
    [
        crash_in("finish_purge", IndexUpkeep),
        crash_in("erase", IndexWriter),
        crash_in("erase", IndexWriter, before=False),
        crash_in("erase_traces", IndexWriter),
        crash_in("erase_traces", IndexWriter, before=False),
        crash_in("checkpoint", IndexWriter),
    ],
    ids=["unknown", "not erased", "erased and lost", "traces", "traces lost", "in the log"],
)
def test_a_purge_that_a_crash_interrupts_is_finished(
    searched: SearchedHistory,
    crash: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number = say_a_secret(searched)
    with monkeypatch.context() as patches:
        crash(patches)
        with pytest.raises(Crash):
            searched.history.purge(Purge(number=number))
    del searched.said[DEFAULT_ROOM][number]
    assert searched.check(DEFAULT_ROOM, SECRET) == []
    searched.crash()
    searched.is_indexed()
    assert not is_in_index(searched.directory)
    assert searched.check(DEFAULT_ROOM, SECRET) == []
    assert searched.check(DEFAULT_ROOM, "before"), "the rest is there"


def test_the_removal_of_old_messages_is_finished_after_a_crash(searched: SearchedHistory) -> None:
    number = say_a_secret(searched)
    time = searched.said[DEFAULT_ROOM][number].time
    searched.history.call(expire, time + "~", None)
    searched.said[DEFAULT_ROOM].clear()
    searched.crash()
    searched.is_indexed()
    assert not is_in_index(searched.directory)


def test_an_index_that_cannot_be_erased_is_removed(
    searched: SearchedHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = say_a_secret(searched)
    with monkeypatch.context() as patches:

        def fail(*arguments: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        patches.setattr(IndexWriter, "erase", fail)
        assert searched.history.purge(Purge(number=number)) == 1
        del searched.said[DEFAULT_ROOM][number]
        assert not (searched.directory / INDEX_FILE).exists()
        assert len(searched.check(DEFAULT_ROOM, "after")) == 1
    searched.is_indexed()
    assert not is_in_index(searched.directory)
    assert len(searched.check(DEFAULT_ROOM, "after")) == 1
