"""Ranges of numbers: the messages of a log that are lost, and those between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from chat.client.connection.events import RoomHistory

# First and last number of each range.
Ranges: TypeAlias = Sequence[tuple[int, int]]


def last_kept(facts: RoomHistory) -> int:
    """Return the number of the last message that the server can show; 0 if there is none."""
    last = facts.last
    for start, end in sorted(facts.lost, reverse=True):
        if start <= last <= end:
            last = start - 1
    return last if last >= facts.oldest else 0


def parts_of(first: int, last: int, lost: Ranges) -> Iterator[tuple[int, int, bool]]:
    """Cut ``first`` to ``last`` into parts that are lost, and parts that are not."""
    for start, end in sorted(lost):
        if end < first or start > last or first > last:
            continue  # ranges of two answers may overlap
        if start > first:
            yield first, start - 1, False
        yield max(first, start), min(last, end), True
        first = end + 1
    if first <= last:
        yield first, last, False


def count_kept(first: int, last: int, lost: Ranges) -> int:
    """Count the numbers from ``first`` to ``last`` that are not lost."""
    return sum(
        end - start + 1 for start, end, is_lost in parts_of(first, last, lost) if not is_lost
    )


def first_of_last(count: int, first: int, last: int, lost: Ranges) -> int:
    """Return the number from which on there are ``count`` numbers up to ``last`` that are not lost, or ``first``."""
    for start, end, is_lost in reversed(list(parts_of(first, last, lost))):
        if is_lost:
            continue
        if end - start + 1 > count:
            return end - count + 1
        count -= end - start + 1
    return first
