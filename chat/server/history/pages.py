"""Cut pages of bounded size out of runs of messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from chat.server.history.stored import StoredRun

# Larger than every number of a message; SQLite holds it.
NO_END = 2**63 - 1


class PageSize(NamedTuple):
    """Bound a page: messages, and bytes of contents. A page has one message at least, however large."""

    messages: int
    bytes: int


class Cut(NamedTuple):
    """Hold the runs of a page in order. ``more``: others are left in the direction in which the page was cut."""

    runs: list[StoredRun]
    more: bool


def first_page(runs: Iterable[StoredRun], after: int, before: int | None, size: PageSize) -> Cut:
    """Return the first messages over ``after`` and under ``before`` out of ``runs``, which are in order."""
    page: list[StoredRun] = []
    room, space = size
    for run in runs:
        part = run.slice(after, before)
        if part is None:
            continue
        fitting = _fitting([len(content) for content in part.contents], room, space, not page)
        if fitting:
            page.append(_cut(part, part.first - 1, part.first + fitting))
        if fitting < len(part.contents):
            return Cut(page, True)
        room -= fitting
        space -= part.bytes
    return Cut(page, False)


def last_page(runs: Iterable[StoredRun], before: int | None, size: PageSize) -> Cut:
    """Return the last messages under ``before`` out of ``runs``, which come newest first; the page is in order."""
    page: list[StoredRun] = []
    room, space = size
    for run in runs:
        part = run.slice(0, before)
        if part is None:
            continue
        sizes = [len(content) for content in reversed(part.contents)]
        fitting = _fitting(sizes, room, space, not page)
        if fitting:
            page.append(_cut(part, part.last - fitting, part.last + 1))
        if fitting < len(part.contents):
            return Cut(page[::-1], True)
        room -= fitting
        space -= part.bytes
    return Cut(page[::-1], False)


def _fitting(sizes: list[int], room: int, space: int, is_first: bool) -> int:
    """Return how many of the first ``sizes`` fit into a page with ``room`` messages and ``space`` bytes left."""
    count = 0
    for size in sizes:
        if count == room or (size > space and not (is_first and count == 0)):
            break
        space -= size
        count += 1
    return count


def _cut(run: StoredRun, after: int, before: int) -> StoredRun:
    part = run.slice(after, before)
    assert part is not None, "at least one message fits"
    return part
