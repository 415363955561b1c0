"""Marks reach the file a second later, survive a file that cannot be written, and never pass their logs."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import gevent
import pytest

from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import add_account, remove_account
from chat.server.mailboxes import read_marks
from chat.server.mailboxes.read_marks import (
    ALL,
    HERE,
    MAX_PARTNER_MARKS,
    PARTNER,
    ROOM,
    Mark,
    ReadMarks,
)
from chat.server.storage.database import Database, DatabaseThread
from tests.server.fakes import wait_until

LOBBY = Mark(ROOM, "lobby")


@pytest.fixture
def thread(tmp_path: Path) -> Iterator[DatabaseThread]:
    thread = DatabaseThread(Database(tmp_path / "data", busy_timeout=0.05))
    yield thread
    thread.close()


@pytest.fixture
def alice(thread: DatabaseThread) -> bytes:
    return add_account(thread.database, parse_user_name("alice"), "hash").id


def again(thread: DatabaseThread) -> ReadMarks:
    """The marks of a server that starts now."""
    marks = ReadMarks(thread)
    marks.start()
    return marks


@pytest.mark.parametrize("is_reversed", [False, True])
def test_of_marks_with_one_number_the_same_goes_in_any_order(is_reversed: bool) -> None:
    marks, alice = ReadMarks(None), b"alice"
    names = [f"user{number:03}" for number in range(MAX_PARTNER_MARKS)]
    for name in reversed(names) if is_reversed else names:
        marks.put(alice, Mark(PARTNER, name), 7)
    marks.put(alice, Mark(PARTNER, "zoe"), 7)
    assert marks.of(alice, Mark(PARTNER, "user000")) is None
    assert marks.of(alice, Mark(PARTNER, "user001")) == 7


def test_changed_marks_are_written_in_one_transaction(
    thread: DatabaseThread, alice: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_marks, "PERIOD", 0.05)
    marks = again(thread)
    writing = gevent.spawn(marks.run)
    stamps = [thread.database.stamp()]
    for seq in range(1, 100):
        marks.put(alice, LOBBY, seq)
        marks.put(alice, Mark(PARTNER, "bob"), seq)
        if thread.database.stamp() != stamps[-1]:
            stamps.append(thread.database.stamp())
        gevent.sleep(0)
    wait_until(lambda: again(thread).of(alice, LOBBY) == 99, "the marks to be written")
    writing.kill()
    assert again(thread).partner(alice, "bob") == 99
    assert len(stamps) <= 3, "a transaction for each mark"


def test_marks_wait_for_a_file_that_can_be_written_again(
    thread: DatabaseThread, alice: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    marks = again(thread)
    marks.put(alice, LOBBY, 5)
    with (
        caplog.at_level(logging.ERROR),
        closing(sqlite3.connect(thread.database.path)) as other,
    ):
        other.execute("BEGIN EXCLUSIVE")
        marks.write()
        marks.put(alice, LOBBY, 7)
        marks.write()
    assert len(caplog.records) == 1, "a fault is logged once"
    marks.write()
    assert again(thread).of(alice, LOBBY) == 7


def test_one_mark_stands_for_all_partners_when_all_was_read(
    thread: DatabaseThread, alice: bytes
) -> None:
    marks = again(thread)
    for number in range(3):
        marks.put(alice, Mark(PARTNER, f"user{number}"), number)
    marks.write()
    marks.put_all(alice, 50)
    marks.write()
    marks = again(thread)
    assert marks.of(alice, ALL) == 50
    assert marks.of(alice, Mark(PARTNER, "user2")) is None
    assert marks.partner(alice, "user2") == 50


def test_the_number_of_marks_is_bounded(thread: DatabaseThread, alice: bytes) -> None:
    marks = again(thread)
    for number in range(MAX_PARTNER_MARKS + 10):
        marks.put(alice, Mark(PARTNER, f"user{number}"), number)
    marks.write()
    with thread.database.reading() as connection:
        [count] = connection.execute("SELECT count(*) FROM marks").fetchone()
    assert count == MAX_PARTNER_MARKS
    assert again(thread).partner(alice, f"user{MAX_PARTNER_MARKS + 9}") == MAX_PARTNER_MARKS + 9


def test_marks_do_not_pass_logs_that_are_shorter_than_they_were(
    thread: DatabaseThread, alice: bytes
) -> None:
    marks = again(thread)
    marks.put(alice, LOBBY, 900)
    marks.put(alice, HERE, 90)
    marks.put(alice, Mark(PARTNER, "bob"), 20)
    marks.limit(alice, {"lobby": 500}, 30)
    marks.write()
    marks = again(thread)
    assert (marks.of(alice, LOBBY), marks.of(alice, HERE)) == (500, 30)
    assert marks.partner(alice, "bob") == 20


def test_an_account_that_was_removed_gets_no_mark_any_more(
    thread: DatabaseThread, alice: bytes
) -> None:
    marks = again(thread)
    marks.put(alice, LOBBY, 5)
    remove_account(thread.database, parse_user_name("alice"))
    marks.write()
    assert again(thread).of(alice, LOBBY) is None
    marks.put(alice, LOBBY, 6)
    marks.forget(alice)
    assert marks.of(alice, LOBBY) is None
