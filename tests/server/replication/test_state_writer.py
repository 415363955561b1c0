"""The state on the disk ends where the log has ended for this server."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.server.cluster.log_entry import EntryId
from chat.server.history.faults import HistoryFault
from chat.server.history.stored import DEFAULT_ROOM
from chat.server.replication.stored.place import AppliedPlace, StateChanges, make_tables, read_state
from chat.server.replication.stored.state_writer import StateWriter
from chat.server.storage.database import Database, DatabaseFault


class Written:
    """A writer whose place is one entry further at each look, and the database that it writes."""

    def __init__(self, directory: Path) -> None:
        self.database = Database(directory)
        with self.database.writing() as connection:
            make_tables(connection)
            connection.execute("CREATE TABLE tried (mark TEXT)")
        self.writer = StateWriter(self.database)
        self.n = 0
        self.given_back: list[StateChanges] = []
        self.writer.take_changes = self._take
        self.writer.give_back = self.given_back.append

    def _take(self, written: AppliedPlace | None) -> tuple[AppliedPlace, StateChanges] | None:
        place = AppliedPlace("epoch", EntryId(self.n, "run", self.n))
        if place == written:
            return None
        return place, StateChanges({DEFAULT_ROOM: self.n}, {}, {})

    def note(self, mark: str) -> None:
        def work(database: Database) -> None:
            with database.writing() as connection:
                connection.execute("INSERT INTO tried VALUES (?)", (mark,))

        self.n += 1
        self.writer.write(work)

    def fail_once(self) -> None:
        """Let the disk refuse what was noted, and nothing that follows."""

        def fail() -> None:
            self.writer.until_kept = lambda: None
            raise DatabaseFault("the disk is full")

        self.writer.until_kept = fail
        with pytest.raises(DatabaseFault):
            self.writer.commit()

    def stored(self) -> tuple[int, list[str]]:
        with self.database.reading() as connection:
            state = read_state(connection)
            marks = [mark for (mark,) in connection.execute("SELECT mark FROM tried")]
        return (state.place.applied.n if state is not None else 0), marks


@pytest.fixture
def written(tmp_path: Path) -> Written:
    (tmp_path / "data").mkdir()
    return Written(tmp_path / "data")


def test_what_changes_after_the_end_of_the_log_is_not_written(written: Written) -> None:
    written.note("before")
    written.writer.seal()
    written.note("after")
    written.writer.seal()
    written.writer.stop()
    assert written.stored() == (1, ["before"])


def test_nothing_is_written_when_the_log_may_have_ended_within_an_entry(written: Written) -> None:
    written.note("before")
    written.writer.commit()
    written.note("half of an entry")
    written.writer.abandon()
    written.note("after")
    written.writer.stop()
    assert written.stored() == (1, ["before"])


def test_the_last_changes_are_not_written_without_those_before(written: Written) -> None:
    written.note("first")

    def fail_at_the_end_of_the_log() -> None:
        # While the disk is asked, the log ends.
        written.note("last")
        written.writer.seal()
        written.writer.until_kept = lambda: None
        raise DatabaseFault("the disk is full")

    written.writer.until_kept = fail_at_the_end_of_the_log
    with pytest.raises(DatabaseFault):
        written.writer.commit()
    written.writer.stop()
    assert written.stored() == (0, [])


def test_a_failed_transaction_is_tried_again_with_what_came_later(written: Written) -> None:
    written.note("first")
    written.fail_once()
    assert written.given_back
    written.note("second")
    written.writer.commit()
    assert written.stored() == (2, ["first", "second"])


def test_a_place_that_could_not_be_written_is_written_though_the_log_stands_still(
    written: Written,
) -> None:
    written.note("first")
    written.fail_once()
    for _ in range(2):
        written.writer.commit()
        assert written.stored() == (1, ["first"])


def test_a_history_that_is_behind_holds_the_place_back(
    written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise HistoryFault("the disk has failed")

    written.note("before")
    written.writer.commit()
    written.note("behind")
    written.writer.until_kept = fail
    written.writer.stop()
    assert written.stored() == (1, ["before"])
    assert "cannot save the state of the cluster: the disk has failed" in caplog.text
