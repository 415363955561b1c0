"""Judge what servers have applied by what the engine's log has in the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from chat.server.cluster.log_entry import EntryId, LogEntry


class View(NamedTuple):
    """Hold what one run of a server has applied and appended. ``is_settled``: it followed to the end."""

    name: str
    incarnation: str
    applied: Sequence[LogEntry]
    appended: Sequence[bytes]
    is_settled: bool


def faults_in(log: Sequence[LogEntry], views: Iterable[View]) -> list[str]:
    """Describe each fault; ``log`` is what the engine has in the end, from its first entry on."""
    faults = list(_faults_of_log(log))
    expected = [entry for entry in log if not _is_void(entry, log)]
    for view in views:
        faults += _faults_of_view(view, expected)
    records = [record for entry in expected for record in entry.records]
    if len(records) != len(set(records)):
        twice = sorted({record for record in records if records.count(record) > 1})
        faults.append(f"committed twice: {twice[:5]}")
    return faults


def _faults_of_log(log: Sequence[LogEntry]) -> Iterable[str]:
    numbers = [entry.id.n for entry in log]
    if numbers != list(range(1, len(log) + 1)):
        yield "the numbers of the log have holes"
    if any(after.micros < before.micros for before, after in pairwise(log)):
        yield "the time of the log runs back"
    late = [entry.id for entry in log if _is_void(entry, log)]
    if late:
        yield f"the engine has taken entries behind the fence of their writer: {late}"


def _is_void(entry: LogEntry, log: Sequence[LogEntry]) -> bool:
    writer = entry.id.writer
    return any(
        other.is_fence and other.id.writer == writer and other.id.n < entry.id.n for other in log
    )


def _faults_of_view(view: View, expected: Sequence[LogEntry]) -> Iterable[str]:
    applied = list(view.applied)
    if applied != list(expected[: len(applied)]):
        wrong = next(
            (pair for pair in zip(applied, expected, strict=False) if pair[0] != pair[1]), None
        )
        applied_id: EntryId | None = wrong[0].id if wrong else applied[len(expected)].id
        yield f"{view.name} has applied {applied_id}, the log has {wrong[1].id if wrong else None}"
    own = [
        record
        for entry in expected
        if entry.id.writer == view.incarnation
        for record in entry.records
    ]
    if own != list(view.appended[: len(own)]):
        yield f"{view.name}'s records are not in the order in which they were appended"
    if view.is_settled and (len(applied) != len(expected) or len(own) != len(view.appended)):
        yield (
            f"{view.name} followed to the end, but applied {len(applied)} of {len(expected)} entries, "
            f"and {len(own)} of its {len(view.appended)} records are in the log"
        )
