"""Write the shared state behind the log: many changes in one transaction, together with the place in the log."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from gevent.event import Event
from gevent.lock import BoundedSemaphore

from chat.server.history.faults import HistoryFault
from chat.server.process.lasting_fault import LastingFault
from chat.server.replication.stored.place import AppliedPlace, StateChanges, write_state
from chat.server.storage.database import Database, DatabaseFault, DatabaseThread

log = logging.getLogger("chat.server")

PERIOD = 1.0  # seconds between two transactions: each waits for the disk
_RETRY = 5.0  # seconds until the next try, if the disk fails

Work = Callable[[Database], object]


class OneTransaction(Database):
    """A database whose pieces of work are parts of one transaction, which is open on ``connection``."""

    def __init__(self, database: Database, connection: sqlite3.Connection) -> None:
        self.path = database.path
        self._connection = connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection."""
        yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection; undo what the block has done if it raises."""
        run = self._connection.execute
        run("SAVEPOINT work")
        try:
            yield self._connection
        except BaseException:
            run("ROLLBACK TO work")
            raise
        finally:
            run("RELEASE work")


class StateWriter(DatabaseThread):
    """Write what ``write`` gets, in order, about once a second.

    ``flushes`` are called before each transaction: parts that hold changes back give them to ``write`` then.
    ``take_changes`` gets the last place that was written, and returns the present one and what has changed until there;
    ``give_back`` takes what cannot be written. ``until_kept`` waits until history has all messages up to the place on
    the disk: so history is never behind it.
    """

    is_behind = True

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.flushes: Sequence[Callable[[], object]] = ()
        self.take_changes: Callable[
            [AppliedPlace | None], tuple[AppliedPlace, StateChanges] | None
        ] = lambda written: None
        self.give_back: Callable[[StateChanges], object] = lambda changes: None
        self.until_kept: Callable[[], object] = lambda: None
        self._works: list[Work] = []
        self._taken: tuple[AppliedPlace, StateChanges] | None = None
        self._written: AppliedPlace | None = None
        self._is_sealed = self._is_abandoned = False
        self._writing = BoundedSemaphore(1)
        self._is_stopping = Event()
        self._fault = LastingFault("cannot save the state of the cluster; trying again")

    def write(self, work: Work) -> None:
        """Have ``work`` done with the next transaction. Does not wait."""
        if not self._is_sealed:
            self._works.append(work)

    def seal(self) -> None:
        """Write nothing of what changes from now on: the sessions here end, and the log does not say so."""
        if not self._is_sealed:
            self._gather()
            self._is_sealed = True

    def abandon(self) -> None:
        """Write nothing more, since it may be half of an entry."""
        self._is_sealed = self._is_abandoned = True

    def run_to_the_end(self) -> None:
        """Write again and again, until ``stop``. Runs in a greenlet."""
        while not self._is_stopping.wait(PERIOD):
            try:
                self.commit()
                self._fault.clear()
            except (DatabaseFault, HistoryFault) as fault:
                self._fault.note(fault)
                self._is_stopping.wait(_RETRY)

    def stop(self) -> None:
        """Write a last time."""
        self._is_stopping.set()
        try:
            self.commit()
        except (DatabaseFault, HistoryFault) as fault:
            log.error("cannot save the state of the cluster: %s", fault)

    def commit(self) -> None:
        """Write all that was given so far, and the place. Waits for the disk.

        Raises DatabaseFault, and HistoryFault if history is behind for good.
        """
        with self._writing:
            if not self._is_sealed:
                self._gather()
            # Without a wait: from here on, what changes belongs to the next transaction.
            works, self._works = self._works, []
            taken, self._taken = self._taken, None
            if self._is_abandoned or (taken is None and not works):
                return
            try:
                self.until_kept()
                self.run(lambda database: _write(database, works, taken))
            except BaseException:
                # Those of later changes come behind.
                self._works[:0] = works
                if self._is_sealed:
                    # The last changes would be without these.
                    self._is_abandoned = True
                elif taken is not None:
                    self.give_back(taken[1])
                raise
            if taken is not None:
                self._written = taken[0]

    def _gather(self) -> None:
        """Take what has changed. Does not wait."""
        for flush in self.flushes:
            flush()
        self._taken = self.take_changes(self._written)


def _write(
    database: Database, works: Sequence[Work], taken: tuple[AppliedPlace, StateChanges] | None
) -> None:
    with database.writing() as connection:
        together = OneTransaction(database, connection)
        for work in works:
            work(together)
        if taken is not None:
            write_state(connection, *taken)
