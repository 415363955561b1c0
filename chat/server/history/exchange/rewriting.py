"""Write the history file anew, with imported messages of a room among those that it has, in the order of time.

Messages of a room count from 1 without gaps, so each message behind an imported one gets another number. Hence the
file begins a new epoch, and clients begin anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from chat.server.history.exchange.staging import StagedMessages
from chat.server.history.pages import PageSize
from chat.server.history.reader import Reader
from chat.server.history.rows import PackedRun, pack
from chat.server.history.stored import Hole, LogName, LogState, StoredRun
from chat.server.history.writer import Writer

# A transaction has at most so many runs, or bytes of contents, and messages of one hour. Rows do not go over the end of
# a transaction, and old messages are removed by rows.
_RUNS, _BYTES = 4096, 4 << 20
_HOUR = len("2026-11-24T09")
_PAGE = PageSize(4096, 4 << 20)

Item = StoredRun | Hole


class Renumbering:
    """Gives the items of a room new numbers, in their order. Follows ``marks``, which are former numbers."""

    def __init__(self, marks: Iterable[int] = ()) -> None:
        self.last = 0
        self._marks = sorted(set(marks), reverse=True)
        self._moved: dict[int, int] = {}
        self._has_former = False

    def number(self, item: Item, *, is_former: bool) -> Item:
        """Return ``item`` with its new numbers. ``is_former``: its numbers until now are those that marks mean."""
        first = self.last + 1
        shift = first - item.first
        self._has_former |= is_former
        while is_former and self._marks and self._marks[-1] <= item.last:
            mark = self._marks.pop()
            # A mark before the item means that all before it was read: also what is imported there now.
            self._moved[mark] = max(self.last, mark + shift)
        self.last = item.last + shift
        if isinstance(item, Hole):
            return Hole(first, self.last)
        purged = frozenset(number + shift for number in item.purged)
        return item._replace(first=first, purged=purged)

    def moved(self) -> dict[int, int]:
        """Return the new numbers of all marks, by the former numbers; nothing if no number was given before."""
        if not self._has_former:
            return {}
        return {**self._moved, **dict.fromkeys(self._marks, self.last)}


def merge(
    reader: Reader, room: LogName, staged: StagedMessages, numbers: Renumbering
) -> Iterator[Item]:
    """Return what ``room`` has and the ``staged`` messages, by time, with new numbers. Raises HistoryFault."""
    new = staged.messages(room, by_number=False)
    upcoming = next(new, None)
    holes = list(reader.logs()[room].lost)
    for run in _runs_of(reader, room):
        while holes and holes[0].first < run.first:
            yield numbers.number(holes.pop(0), is_former=True)
        while upcoming is not None and upcoming.timestamp < run.timestamp:
            yield numbers.number(upcoming, is_former=False)
            upcoming = next(new, None)
        yield numbers.number(run, is_former=True)
    for hole in holes:
        yield numbers.number(hole, is_former=True)
    while upcoming is not None:
        yield numbers.number(upcoming, is_former=False)
        upcoming = next(new, None)


def in_order_of_time(room: LogName, staged: StagedMessages, numbers: Renumbering) -> Iterator[Item]:
    """Return the ``staged`` messages by time, with numbers from 1. Raises HistoryFault."""
    for run in staged.messages(room, by_number=False):
        yield numbers.number(run, is_former=False)


def with_own_numbers(room: LogName, staged: StagedMessages) -> Iterator[Item]:
    """Return the messages and holes of a whole export with the numbers that they have. Raises HistoryFault."""
    holes = staged.holes()
    hole = next(holes, None)
    for run in staged.messages(room, by_number=True):
        while hole is not None and hole.first < run.first:
            yield hole
            hole = next(holes, None)
        yield run
    while hole is not None:
        yield hole
        hole = next(holes, None)


def write_anew(
    directory: Path, former: Reader | None, room: LogName, items: Iterable[Item]
) -> Path:
    """Write a history file into the new ``directory``: ``items`` of ``room``, and all other logs of ``former``.

    Returns its path. Raises HistoryFault.
    """
    states = former.logs() if former is not None else {}
    others = former.all_runs(without=room) if former is not None else iter(())
    writer = Writer(directory, bound=0)
    try:
        writer.add_logs(dict.fromkeys([*states, room]))
        batch = _Batch(writer, room)
        first: int | None = None
        run = next(others, None)
        for item in items:
            if first is None:
                first = item.first
            while (
                isinstance(item, StoredRun) and run is not None and run.timestamp < item.timestamp
            ):
                batch.add(run)
                run = next(others, None)
            batch.add(item)
        while run is not None:
            batch.add(run)
            run = next(others, None)
        batch.write()
        _set_states(writer, {name: state for name, state in states.items() if name != room})
        with writer.changing() as change:
            change("UPDATE logs SET oldest = ? WHERE id = ?", (first or 1, writer.id_of(room)))
        writer.checkpoint()
    except BaseException:
        writer.abandon()
        raise
    writer.close()
    return writer.path


def _set_states(writer: Writer, states: Mapping[LogName, LogState]) -> None:
    """Give logs the numbers that they had: the last messages, or all, may be removed already."""
    with writer.changing() as change:
        for name, state in states.items():
            id = writer.id_of(name)
            change(
                "UPDATE logs SET head = ?, head_time = ?, oldest = ? WHERE id = ?",
                (state.head, state.time, state.oldest, id),
            )
            for hole in state.lost:
                change("INSERT INTO lost VALUES (?, ?, ?)", (id, *hole))


class _Batch:
    """Writes runs and holes in transactions of a sensible size."""

    def __init__(self, writer: Writer, room: LogName) -> None:
        self._writer = writer
        self._room = room
        self._runs: list[PackedRun] = []
        self._holes: list[tuple[LogName, Hole]] = []
        self._bytes = 0

    def add(self, item: Item) -> None:
        if isinstance(item, Hole):
            self._holes.append((self._room, item))
            return
        hour = self._runs[0].facts.timestamp[:_HOUR] if self._runs else None
        is_full = len(self._runs) >= _RUNS or self._bytes >= _BYTES
        if is_full or hour not in (None, item.timestamp[:_HOUR]):
            self.write()
        self._runs.append(pack(item))
        self._bytes += item.bytes

    def write(self) -> None:
        self._writer.write(self._runs, self._holes)
        self._runs, self._holes, self._bytes = [], [], 0


def messages_of(reader: Reader, room: LogName) -> Iterator[StoredRun]:
    """Return the messages of ``room`` in order, each as a run of one. Raises HistoryFault."""
    return (message for run in _runs_of(reader, room) for message in run.messages())


def _runs_of(reader: Reader, room: LogName) -> Iterator[StoredRun]:
    after = 0
    while True:
        page = reader.after(room, after, None, _PAGE)
        yield from page.runs
        if not page.more:
            return
        after = page.runs[-1].last
