"""Servers of one cluster in the test's own process, over a log in memory in place of an engine."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from chat.net.address import parse_address
from chat.net.engine_url import parse_engine_url
from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import add_account
from chat.server.cluster.log_entry import ORIGIN, EntryId, LogEntry
from chat.server.cluster.standing import Standing
from chat.server.history.writer import open_writer
from chat.server.log.log import LogClosed
from chat.server.replication import cluster
from chat.server.replication.shared_log import NowhereContent
from chat.server.replication.stored.place import (
    AppliedPlace,
    StateChanges,
    make_tables,
    write_state,
)
from chat.server.settings import Settings
from chat.server.storage.database import Database
from tests.cheap_hashes import hash_cheaply
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer

_MICROS = 1_000_000


class Engine:
    """Commits what servers append, one record to an entry, and gives it to all of them.

    While the engine ``is_held``, it commits only what ``commit`` says. ``offset`` are seconds that its clock is ahead.
    """

    def __init__(self) -> None:
        self.is_held = False
        self.offset = 0.0
        self.entries: list[LogEntry] = []
        self._waiting: list[tuple[str, bytes]] = []
        self._servers: list[ServersLog] = []
        self._runs: dict[str, int] = {}
        self._due = Event()
        self._running = gevent.spawn(self._run)

    @property
    def waiting(self) -> int:
        """The number of records that are not committed."""
        return len(self._waiting)

    def stop(self) -> None:
        self._running.kill()

    def make_log(self, url: object, name: str, epoch: str, **options: Any) -> ServersLog:
        """Take the place of ``ReplicatedLog``."""
        return ServersLog(self, name, epoch, **options)

    def name_run(self, name: str) -> str:
        """Return a name for a run of a server that no earlier run has had."""
        self._runs[name] = count = self._runs.get(name, 0) + 1
        return f"run of {name}" if count == 1 else f"run {count} of {name}"

    def append(self, writer: str, record: bytes) -> None:
        self._waiting.append((writer, record))
        self._due.set()

    def release(self) -> None:
        """Commit all that waits, and what comes from now on."""
        self.is_held = False
        self._due.set()
        wait_until(lambda: not self._waiting, "the records to be committed")

    def commit(self, count: int = 1) -> None:
        """Commit the first ``count`` records that wait."""
        for _ in range(count):
            writer, record = self._waiting.pop(0)
            self._add(writer, (record,))

    def join(self, server: ServersLog) -> None:
        """Give a server all entries behind its place, and those to come."""
        self._servers.append(server)
        for entry in self.entries[server.applied.n :]:
            server.take(entry)

    def leave(self, server: ServersLog) -> None:
        """End a server: the others apply a fence."""
        if server in self._servers:
            self._servers.remove(server)
            self._add(server.incarnation, (), is_fence=True)

    def has_nothing_of(self, writer: str) -> bool:
        return all(each != writer for each, _ in self._waiting)

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            # Not inside ``append``: an engine answers later.
            while self._waiting and not self.is_held:
                self.commit()

    def _add(self, writer: str, records: tuple[bytes, ...], *, is_fence: bool = False) -> None:
        before = self.entries[-1].id if self.entries else ORIGIN
        id = EntryId(before.n + 1, writer, before.n + 1)
        micros = int((time.time() + self.offset) * _MICROS)
        entry = LogEntry(id, before, micros, is_fence, records)
        self.entries.append(entry)
        for server in list(self._servers):
            server.take(entry)


class ServersLog:
    """Stands for the ``ReplicatedLog`` of one server."""

    waiting = (0, 0)
    fenced: tuple[str, ...] = ()

    def __init__(
        self,
        engine: Engine,
        name: str,
        epoch: str,
        *,
        apply: Callable[[LogEntry], object],
        tell: Callable[[Standing, str], object],
        applied: EntryId,
        **options: object,
    ) -> None:
        self.incarnation = engine.name_run(name)
        self.epoch = epoch
        self.applied = applied
        self.reader = self.lease = self  # for ``fenced`` and ``check``
        self._engine, self._apply, self._tell = engine, apply, tell
        self._is_closed = False

    @property
    def head(self) -> int:
        return len(self._engine.entries)

    def start(self) -> None:
        self._engine.join(self)
        self._tell(Standing.FOLLOWING, "")

    def check(self) -> None:
        """Find that the lease lasts: nobody pauses this server."""

    def take(self, entry: LogEntry) -> None:
        """Apply an entry."""
        # As the reader does: a state that is written meanwhile must not be told to be further than it is.
        self._apply(entry)
        self.applied = entry.id

    def append(self, record: bytes) -> None:
        if self._is_closed:
            raise LogClosed
        self._engine.append(self.incarnation, record)

    def fail(self, reason: str) -> None:
        raise AssertionError(reason)

    def close(self, timeout: float) -> bool:
        self._is_closed = True
        wait_until(lambda: self._engine.has_nothing_of(self.incarnation), "the last records")
        self._engine.leave(self)
        self._tell(Standing.CLOSED, "")
        return True


class NoLinks:
    """Stands for the connections between servers: each has its data and its contents already."""

    servers: object = None
    address = None

    def __init__(self, settings: Settings) -> None:
        pass

    def use(self, *parts: object) -> None:
        """Take the parts that have contents."""

    def arrive(self, tell: object) -> None:
        """Leave the data as they are."""

    def open(self, run: str) -> None:
        """Serve nobody."""

    def stop(self) -> None:
        """End nothing."""

    await_content = staticmethod(NowhereContent)


class Twins:
    """Two servers of one cluster, ``adam`` and ``berta``, which begin with the same data. More may come."""

    def __init__(self, engine: Engine, directory: Path, changes: dict[str, Any]) -> None:
        self.engine = engine
        self._directory, self._changes = directory, changes
        self._all: list[TestServer] = []
        self.adam, self.berta = self.start("adam"), self.start("berta")

    def start(self, name: str) -> TestServer:
        """Start a server with the data of its name. It has applied the log when this returns."""
        settings = Settings(
            address=parse_address("127.0.0.1:0"),
            spool_directory=self._directory,
            data_directory=self._directory / name,
            history=True,
            cluster=parse_engine_url("redis://127.0.0.1:1"),
            node=name,
        )
        server = TestServer(dataclasses.replace(settings, **self._changes))
        self._all.append(server)
        return server

    def restart(self, name: str) -> TestServer:
        """Stop a server, and start it again with its data."""
        [stopped] = [each for each in self._all if each.parts.settings.node == name]
        stopped.server.stop()
        stopped.close_guests()
        self._all.remove(stopped)
        again = self.start(name)
        if stopped is self.adam:
            self.adam = again
        elif stopped is self.berta:
            self.berta = again
        return again

    def copy(self, name: str, to: str) -> None:
        """Copy the data of a server, as they are on its disk, for a new one."""
        source, target = self._directory / name, self._directory / to
        target.mkdir()
        for file in ("chat.db", "history.db"):
            with closing(sqlite3.connect(source / file)) as connection:
                connection.execute("VACUUM INTO ?", (str(target / file),))

    @property
    def both(self) -> tuple[TestServer, TestServer]:
        return self.adam, self.berta

    def write(self) -> None:
        """Have the files follow the log to where it is now."""
        for server in self.both:
            assert server.parts.cluster is not None
            server.parts.cluster.writer.commit()

    def database(self, server: TestServer) -> Database:
        """Return the database of a server."""
        assert server.parts.database is not None
        return server.parts.database.database

    def close(self) -> None:
        self.engine.release()
        for server in self._all:
            server.close_guests()
        directories = [server.parts.directory for server in self._all]
        wait_until(lambda: not any(map(len, directories)), "all sessions to leave")
        for server in self._all:
            server.close()
        self.engine.stop()


def found(directory: Path, names: tuple[str, ...] = ("adam", "berta")) -> None:
    """Make the data of the first server the beginning of a cluster, and those of the others copies of it.

    The first one may have a database already.
    """
    first = directory / names[0]
    first.mkdir(exist_ok=True)
    writer = open_writer(first, bound=0, durable=True)
    writer.close()
    with Database(first).writing() as connection:
        make_tables(connection)
        write_state(connection, AppliedPlace(writer.opened.epoch), StateChanges({}, {}, {}))
    for name in names[1:]:
        shutil.copytree(first, directory / name)


@contextmanager
def open_twins(directory: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Iterator[Twins]:
    """Run two servers with the default settings except for ``changes``; the data are from ``found``."""
    engine = Engine()
    monkeypatch.setattr(cluster, "ReplicatedLog", engine.make_log)
    monkeypatch.setattr(cluster, "PeerLinks", NoLinks)
    twins = Twins(engine, directory, changes)
    try:
        yield twins
    finally:
        twins.close()


def found_with_account(directory: Path, name: str, password: str) -> Path:
    """Do what ``found`` does, with an account; return the data directory of the first server."""
    first = directory / "adam"
    first.mkdir()
    add_account(Database(first), parse_user_name(name), hash_cheaply(password))
    found(directory)
    return first


@contextmanager
def open_commanded_twins(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    """Run two servers, of which the first takes commands of the operator."""
    with open_twins(directory, monkeypatch) as twins:
        control = twins.adam.parts.make_control_server(directory / "adam", list)
        control.start()
        yield twins
        control.stop()
