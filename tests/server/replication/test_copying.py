"""The data of a server is copied by a process of its own, which fails with a reason and ends with its server."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chat.server.history.faults import HistoryFault
from chat.server.history.reader import FILE_NAME as HISTORY
from chat.server.process.helper_process import helper_command, helper_environment
from chat.server.replication.stored import copying
from chat.server.replication.stored.copying import copy_data
from chat.server.storage.database import FILE_NAME as DATABASE
from tests.end_to_end.server_process import eventually


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two databases, each with a row of its own."""
    directory = tmp_path / "data"
    directory.mkdir()
    for name in (DATABASE, HISTORY):
        with closing(sqlite3.connect(directory / name)) as connection, connection:
            connection.execute("CREATE TABLE t (name TEXT)")
            connection.execute("INSERT INTO t VALUES (?)", (name,))
    return directory


@pytest.fixture
def into(tmp_path: Path) -> Path:
    directory = tmp_path / "into"
    directory.mkdir()
    return directory


@pytest.fixture
def locked(data: Path) -> Iterator[Path]:
    """Data whose history nobody can read for now."""
    with closing(sqlite3.connect(data / HISTORY, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield data


def test_both_databases_are_copied(data: Path, into: Path) -> None:
    copy_data(data, into)
    for name in (DATABASE, HISTORY):
        with closing(sqlite3.connect(into / name)) as connection:
            assert connection.execute("SELECT name FROM t").fetchall() == [(name,)]
        assert (into / name).stat().st_mode & 0o777 == 0o600


def test_a_copy_that_cannot_be_made_has_a_reason(data: Path, into: Path) -> None:
    (data / HISTORY).unlink()
    with pytest.raises(HistoryFault, match=rf"cannot use {data / HISTORY}: unable to open"):
        copy_data(data, into)


def test_a_process_that_is_killed_makes_no_copy(
    data: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "helper_command", lambda *words: ["sh", "-c", "kill -9 $$"])
    with pytest.raises(HistoryFault, match="ended with status -9"):
        copy_data(data, into)


def test_those_who_talk_come_first_and_it_ends_with_its_server(locked: Path, into: Path) -> None:
    """The copy would wait for half a minute."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    process = subprocess.Popen(
        helper_command(copying.__name__, str(locked), str(into)),
        stdin=subprocess.PIPE,
        env=helper_environment(),
    )
    with process:
        assert process.stdin is not None
        low = min(own + 10, 19)
        eventually(lambda: os.getpriority(os.PRIO_PROCESS, process.pid) == low)
        process.stdin.close()
        assert process.wait(10) == 1
