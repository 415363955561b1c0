"""Files of earlier versions open, and have what they had."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history.faults import HistoryFault
from chat.server.history.history import HistoryStore
from chat.server.history.pages import PageSize
from chat.server.history.reader import FILE_NAME, Reader
from chat.server.history.stored import DEFAULT_ROOM, StoredRun, mailbox_of

ALL = PageSize(1000, 1 << 20)
ACCOUNT = b"0123456789abcdef"
MAILBOX = mailbox_of(ACCOUNT, "bob")
TEXT, IMAGE, FILE = MessageType.UTF8, MessageType.IMAGE, MessageType.FILE
# What the dump in versions/first.sql has of each run: (sender, author, type, nonces, contents, filename, size, purged).
ROOM = [
    ("bob", ACCOUNT, TEXT, [b"n1", None, b"n3"], [b"one", "zwei ü".encode(), b""], None, 10, ()),
    ("alice", b"", TEXT, [None, None], [b"four", b"five"], None, 8, ()),
    ("alice", b"", IMAGE, [b"n6"], [b"\x89PNG,\xff\x00"], "a.png", 7, ()),
    ("alice", b"", FILE, [None], [b""], "big.iso", 1 << 33, ()),
    ("eve", b"", TEXT, [b"n8"], [b""], None, 6, (8,)),
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    dump = (Path(__file__).parent / "versions" / "first.sql").read_text()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.executescript(dump)
    return tmp_path


def facts_of(run: StoredRun) -> tuple[object, ...]:
    return (
        run.sender,
        run.author,
        run.type,
        list(run.nonces),
        run.contents,
        run.filename,
        run.size,
        tuple(run.purged),
    )


def test_a_file_of_the_first_version_has_its_messages_and_goes_on(directory: Path) -> None:
    history = HistoryStore(directory)
    history.start()
    assert history.epoch == "QFIy5ZqR3bF6Q49E"
    assert list(map(facts_of, history.before(DEFAULT_ROOM, None, ALL).runs)) == ROOM
    [private] = history.before(MAILBOX, None, ALL).runs
    assert (private.sender, private.to, private.contents) == ("alice", "bob", [b"private"])
    history.keep(private._replace(log=DEFAULT_ROOM, first=9))
    history.stop(10)

    again = HistoryStore(directory)
    again.start()
    assert [run.first for run in again.after(DEFAULT_ROOM, 5, None, ALL).runs] == [6, 7, 8, 9]
    again.stop(10)


def test_a_converted_file_has_the_tables_of_a_new_one(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    schemas = []
    for each in (directory, tmp_path / "new"):
        history = HistoryStore(each)
        history.start()
        history.stop(10)
        with closing(sqlite3.connect(each / FILE_NAME)) as connection:
            query = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
            rows = connection.execute(query).fetchall()
        schemas.append([(type, name, " ".join((sql or "").split())) for type, name, sql in rows])
    assert schemas[0] == schemas[1]


def test_a_reader_says_what_to_do_with_a_file_of_an_earlier_version(directory: Path) -> None:
    with pytest.raises(HistoryFault, match=r"another version .* start the server once"):
        Reader(directory)
