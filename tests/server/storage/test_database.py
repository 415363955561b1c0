"""The file that outlives the server: its modes, its transactions, and what is said when it cannot be used."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from chat.server.storage import database as database_module
from chat.server.storage.database import (
    UNREAD,
    Database,
    DatabaseFault,
    DatabaseThread,
    settled,
    table_version,
)
from tests.starting.programs import Program

INSERT = "INSERT INTO mutes VALUES (?, NULL, 'op', NULL, 0)"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "data", busy_timeout=0.05)


@pytest.fixture
def thread(database: Database) -> Iterator[DatabaseThread]:
    thread = DatabaseThread(database)
    yield thread
    thread.close()


def mute(database: Database, *names: str) -> None:
    with database.writing() as connection:
        connection.executemany(INSERT, [(name,) for name in names])


def muted(database: Database) -> list[str]:
    with database.reading() as connection:
        return [name for (name,) in connection.execute("SELECT name_key FROM mutes ORDER BY 1")]


def test_what_was_written_is_there_for_the_next_who_opens_it(database: Database) -> None:
    mute(database, "eve", "mallory")

    assert muted(Database(database.path.parent)) == ["eve", "mallory"]


def test_it_starts_with_empty_tables(database: Database) -> None:
    with database.reading() as connection:
        for table in ("users", "bans", "mutes"):
            assert connection.execute(f"SELECT * FROM {table}").fetchall() == []


def test_nobody_else_may_look(database: Database) -> None:
    mute(database, "eve")

    assert stat.S_IMODE(database.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(database.path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_makes_belongs_to_whose_the_directory_is(database: Database) -> None:
    database.path.parent.mkdir()
    os.chown(database.path.parent, 65534, 65534)

    mute(database, "eve")

    assert database.path.stat().st_uid == 65534
    os.chown(database.path.parent, 0, 65534)
    mute(database, "mallory")
    assert database.path.stat().st_uid == 65534  # and is not taken away again


def test_a_directory_that_is_there_stays_as_it_is(database: Database) -> None:
    database.path.parent.mkdir(mode=0o750)

    mute(database, "eve")

    assert stat.S_IMODE(database.path.parent.stat().st_mode) == 0o750


def test_what_fails_half_way_did_not_happen(database: Database) -> None:
    with pytest.raises(DatabaseFault, match="UNIQUE"):
        mute(database, "eve", "mallory", "eve")

    assert muted(database) == []


def test_a_change_is_seen_by_its_stamp(database: Database) -> None:
    assert database.stamp() is None
    mute(database, "eve")
    first = database.stamp()

    mute(database, *(f"mallory{n}" for n in range(1000)))

    assert database.stamp() not in (None, first)


def test_two_programs_may_make_it_at_once(database: Database) -> None:
    database = Database(database.path.parent)  # with its usual patience
    threads = [threading.Thread(target=mute, args=(database, f"eve{n}")) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(muted(database)) == 8


# When it cannot be used


def test_a_writer_that_has_waited_long_enough_for_another_is_told(database: Database) -> None:
    mute(database, "eve")
    sentence = r"chat\.db: another program has kept it locked for"
    with database.writing(), pytest.raises(DatabaseFault, match=sentence):
        mute(database, "mallory")

    mute(database, "mallory")


def test_what_is_no_database_is_left_alone(database: Database) -> None:
    database.path.parent.mkdir()
    database.path.write_text("Dear diary, " * 1000)

    with pytest.raises(DatabaseFault, match="not a database"):
        muted(database)

    assert database.path.read_text().startswith("Dear diary")


def test_what_a_newer_version_wrote_is_left_alone(database: Database) -> None:
    mute(database, "eve")
    with database.writing() as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(DatabaseFault, match="newer version"):
        mute(database, "mallory")


def schema_of(path: Path) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT type, name, tbl_name FROM sqlite_master ORDER BY name")
    found = rows.fetchall()
    connection.close()
    return found


@pytest.mark.parametrize("version", range(1, len(database_module._STEPS)))
def test_a_file_of_an_earlier_version_keeps_its_users_and_gets_all_tables(
    tmp_path: Path, database: Database, version: int
) -> None:
    database.path.parent.mkdir()
    with sqlite3.connect(database.path) as connection:
        for step in database_module._STEPS[:version]:
            for statement in step:
                connection.execute(statement)
        columns = "key, name, password, created"
        connection.execute(f"INSERT INTO users ({columns}) VALUES ('eve', 'Eve', 'hash', 7)")
        if version > 1:
            connection.execute("UPDATE users SET id = randomblob(16)")
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()

    mute(database, "mallory")

    with database.reading() as connection:
        [user] = connection.execute("SELECT name, password, length(id) FROM users").fetchall()
    assert user == ("Eve", "hash", 16)
    new = Database(tmp_path / "new")
    mute(new, "mallory")
    assert schema_of(database.path) == schema_of(new.path)


def test_a_file_that_was_cut_off_when_it_was_new_is_made_anew(database: Database) -> None:
    database.path.parent.mkdir()
    database.path.touch()

    assert muted(database) == []


def test_a_place_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DatabaseFault, match=r"chat\.db: (Not a directory|File exists)"):
        muted(Database(tmp_path / "file"))


WRITER = """
import sys
from pathlib import Path
from chat.server.storage.database import Database
database = Database(Path(sys.argv[1]))
n = 0
while True:
    with database.writing() as connection:
        connection.execute("DELETE FROM mutes")
        connection.executemany(
            "INSERT INTO mutes VALUES (?, ?, 'op', NULL, 0)", [(f"eve{i}", n) for i in range(300)]
        )
    n += 1
    print(n, flush=True)
"""


@pytest.mark.parametrize("delay", [0.0, 0.001, 0.003, 0.006, 0.01])
def test_a_writer_that_is_killed_leaves_the_old_or_the_new(
    database: Database, delay: float
) -> None:
    command = [sys.executable, "-c", WRITER, str(database.path.parent)]
    writer = Program[str](command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert writer.stdout is not None
    with writer.stdout:
        said = int(writer.stdout.readline())
        gevent.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        said = max([said, *(int(line) for line in writer.stdout)])

    with Database(database.path.parent).reading() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT until, count(*) FROM mutes GROUP BY until").fetchall()
    # All of one transaction: of the last that was reported, or of the one that was under way.
    assert rows in ([(said - 1, 300)], [(said, 300)])


# In the server


def test_others_run_while_the_thread_works(thread: DatabaseThread, database: Database) -> None:
    began, may_end = threading.Event(), threading.Event()

    def work(given: Database) -> str:
        assert given is database
        began.set()
        may_end.wait(30)
        return "done"

    waiting = gevent.spawn(thread.run, work)
    while not began.is_set():
        gevent.sleep(0)
    may_end.set()  # only possible if we run meanwhile

    assert waiting.get(timeout=30) == "done"


def test_one_thing_at_a_time(thread: DatabaseThread) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(_: Database) -> None:
        inside.append(1)
        most.append(len(inside))
        inside.pop()

    gevent.joinall([gevent.spawn(thread.run, work) for _ in range(50)], raise_error=True)

    assert max(most) == 1


def test_what_fails_in_the_thread_fails_for_who_asked(
    thread: DatabaseThread, capfd: pytest.CaptureFixture[str]
) -> None:
    def work(database: Database) -> None:
        with database.writing() as connection:
            connection.execute(INSERT, ("eve",))
            connection.execute(INSERT, ("eve",))

    with pytest.raises(DatabaseFault, match="UNIQUE"):
        thread.run(work)
    assert thread.run(muted) == []
    assert capfd.readouterr().err == ""  # nobody else need know


def test_a_thread_that_was_given_back_can_be_had_again(thread: DatabaseThread) -> None:
    thread.run(muted)
    thread.close()

    assert thread.run(muted) == []


def test_an_error_of_the_caller_can_be_told_apart(database: Database) -> None:
    mute(database, "eve")
    with database.writing() as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(INSERT, ("eve",))


def test_only_a_stamp_that_shows_the_next_change_is_remembered() -> None:
    now = time.time_ns()
    assert settled(None) is None
    assert settled((now, 1, 1)) == UNREAD
    old = (now - 10**9, 1, 1)
    assert settled(old) == old


# What others have in memory


def test_a_table_has_another_version_after_each_change_of_it_and_no_other(
    database: Database,
) -> None:
    def versions() -> dict[str, int]:
        with database.reading() as connection:
            return {table: table_version(connection, table) for table in ("users", "bans", "mutes")}

    changes = (
        ("users", "INSERT INTO users VALUES ('eve', 'eve', 'hash', 0, 0, x'01')"),
        ("users", "UPDATE users SET moderator = 1"),
        ("users", "DELETE FROM users"),
        ("bans", "INSERT INTO bans VALUES ('name', 'eve', NULL, 'op', NULL, 0, NULL)"),
        ("bans", "INSERT OR REPLACE INTO bans VALUES ('name', 'eve', 1, 'op', NULL, 0, NULL)"),
        ("bans", "DELETE FROM bans"),
        ("mutes", "INSERT INTO mutes VALUES ('eve', NULL, 'op', NULL, 0)"),
        ("mutes", "UPDATE mutes SET until = 1"),
        ("mutes", "DELETE FROM mutes"),
        (None, "INSERT INTO marks VALUES (x'01', 'room', 'lobby', 5)"),
    )
    for table, statement in changes:
        before = versions()
        with database.writing() as connection:
            connection.execute(statement)
        after = versions()
        changed = {name for name in after if before[name] != after[name]}
        assert changed == ({table} if table else set()), statement


def test_a_removed_account_leaves_no_marks_and_no_blocks(database: Database) -> None:
    with database.writing() as connection:
        connection.execute("INSERT INTO users VALUES ('eve', 'eve', 'hash', 0, 0, x'01')")
        connection.execute("INSERT INTO marks VALUES (x'01', 'room', 'lobby', 5)")
        connection.execute("INSERT INTO marks VALUES (x'02', 'room', 'lobby', 6)")
        connection.execute(
            "INSERT INTO blocks VALUES (x'01', 'name', 'mallory', 'Mallory', 'mallory', 0)"
        )
        connection.execute("DELETE FROM users WHERE key = 'eve'")
        assert connection.execute("SELECT account FROM marks").fetchall() == [(b"\x02",)]
        assert connection.execute("SELECT * FROM blocks").fetchall() == []
