"""Removed messages are gone from the disk, and the others stay readable."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history.pages import PageSize
from chat.server.history.purging import Purge, purge
from chat.server.history.reader import FILE_NAME, Reader
from chat.server.history.rows import PackedRun, pack
from chat.server.history.stored import DEFAULT_ROOM, MAILBOX, LogName, StoredRun
from chat.server.history.upkeep import expire, used_bytes
from chat.server.history.writer import Writer

MAIL = LogName(MAILBOX, "a1")
PAGE = PageSize(100_000, 1 << 30)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(tmp_path, bound=100)
    for name in (DEFAULT_ROOM, MAIL):
        writer.add_logs([name])
    yield writer
    writer.close()


def run_of_texts(
    first: int,
    *texts: bytes,
    log: LogName = DEFAULT_ROOM,
    sender: str = "alice",
    day: int = 1,
    type: MessageType = MessageType.UTF8,
    filename: str | None = None,
) -> PackedRun:
    time = f"2026-11-{day:02d}T09:30:00.000000Z"
    nonces = [b"n%d" % (first + index) for index in range(len(texts))]
    size = sum(map(len, texts))
    run = StoredRun(log, first, time, sender, None, b"", type, nonces, texts, filename, size)
    return pack(run)


def remove(writer: Writer, **wanted: Any) -> int:
    """Purge as the server does, but at once."""
    return purge(lambda function, *values: function(writer, *values), Purge(**wanted))


def read(directory: Path, log: LogName = DEFAULT_ROOM) -> dict[int, bytes]:
    runs = Reader(directory).after(log, 0, None, PAGE).runs
    return {each.first: each.contents[0] for run in runs for each in run.messages()}


def is_on_disk(directory: Path, text: bytes) -> bool:
    return any(text in path.read_bytes() for path in directory.iterdir())


def test_the_pages_of_the_file_hold_a_run_and_can_be_given_back(
    writer: Writer, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        facts = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "auto_vacuum", "journal_mode")
        ]
    assert facts == [8192, 2, "wal"]


def test_a_purged_message_leaves_a_mark_and_nothing_of_its_content(
    writer: Writer, tmp_path: Path
) -> None:
    writer.write([run_of_texts(1, b"before", b"a very secret text", b"after")])
    assert is_on_disk(tmp_path, b"a very secret text")
    assert remove(writer, number=2) == 1
    assert not is_on_disk(tmp_path, b"a very secret text")
    assert read(tmp_path) == {1: b"before", 2: b"", 3: b"after"}
    [run] = Reader(tmp_path).after(DEFAULT_ROOM, 0, None, PAGE).runs
    assert run.purged == {2}
    assert (run.sender, list(run.nonces)) == ("alice", [b"n1", b"n2", b"n3"])


def test_the_name_of_a_purged_file_goes_too(writer: Writer, tmp_path: Path) -> None:
    name = "very-secret-plan.txt"
    writer.write([run_of_texts(1, b"content", type=MessageType.FILE, filename=name)])
    assert remove(writer, number=1) == 1
    assert not is_on_disk(tmp_path, name.encode())


@pytest.mark.parametrize("number", [0, 4, 1000])
def test_a_number_without_a_message_is_not_purged(writer: Writer, number: int) -> None:
    writer.write([run_of_texts(1, b"1", b"2", b"3")])
    assert remove(writer, number=number) == 0
    assert b"" not in read(writer.path.parent).values()


def test_a_message_is_purged_once(writer: Writer) -> None:
    writer.write([run_of_texts(1, b"1")])
    assert [remove(writer, number=1) for _ in range(2)] == [1, 0]


def test_the_messages_of_a_user_are_purged_in_all_logs(writer: Writer, tmp_path: Path) -> None:
    writer.write([run_of_texts(number, b"alice's %d" % number) for number in range(1, 1200)])
    writer.write([run_of_texts(1200, b"bob's", sender="bob")])
    writer.write([run_of_texts(1, b"alice's mail", log=MAIL, sender="Alice")])
    assert remove(writer, user="ALICE") == 1200
    assert not is_on_disk(tmp_path, b"alice's")
    assert read(tmp_path)[1200] == b"bob's"
    assert len(read(tmp_path)) == 1200


def test_a_large_purge_lets_new_messages_be_written_in_between(writer: Writer) -> None:
    writer.write([run_of_texts(number, b"x" * 60_000) for number in range(1, 301)])
    number = 301

    def call(function: Callable[..., Any], *values: Any) -> Any:
        nonlocal number
        writer.write([run_of_texts(number, b"new", sender="bob")])
        number += 1
        return function(writer, *values)

    assert purge(call, Purge(user="alice")) == 300
    left = read(writer.path.parent)
    assert number > 304, "one transaction would hold up what is said"
    assert [left[each] for each in range(301, number)] == [b"new"] * (number - 301)


def test_messages_before_a_time_are_purged(writer: Writer, tmp_path: Path) -> None:
    writer.write([run_of_texts(day, b"on day %d" % day, day=day) for day in range(1, 6)])
    assert remove(writer, before="2026-11-03T00:00:00Z") == 2
    assert read(tmp_path) == {1: b"", 2: b"", 3: b"on day 3", 4: b"on day 4", 5: b"on day 5"}


def test_old_messages_are_removed_with_their_holes(writer: Writer, tmp_path: Path) -> None:
    writer.write([run_of_texts(number, b"old" * 3000, day=1) for number in range(1, 1300)])
    writer.write([run_of_texts(1, b"mail", log=MAIL, day=2)])
    writer.write([run_of_texts(1300, b"new", day=9)])
    rounds, latest = 0, writer.states()
    while states := expire(writer, "2026-11-05T00:00:00Z", None):
        rounds += 1
        latest = states
    assert rounds > 1, "one transaction would hold up what is said meanwhile"
    assert read(tmp_path) == {1300: b"new"}
    assert (latest[DEFAULT_ROOM].head, latest[DEFAULT_ROOM].oldest) == (1300, 1300)
    assert (latest[MAIL].head, latest[MAIL].oldest) == (1, 2)


def test_the_oldest_messages_go_when_there_are_too_many(writer: Writer, tmp_path: Path) -> None:
    for number in range(1, 4000, 100):
        writer.write([run_of_texts(number + each, b"x" * 1000) for each in range(100)])
    while expire(writer, None, 1 << 20):
        pass
    assert used_bytes(writer) <= 1 << 20
    left = read(tmp_path)
    assert max(left) == 4000
    assert 550 < len(left) < 1000
    writer.checkpoint()
    assert (tmp_path / "history.db").stat().st_size < 3 << 20
