"""Judge what a client showed of rooms that are removed and made again, and whose members come and go. Pure.

History need not have what was said there: nobody can read what was said before a room was made again, or while it was
closed. So what clients showed is compared with itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.cutting.evidence import (
    EpochShown,
    Evidence,
    Fate,
    HoleShown,
    LineRecord,
    Observed,
    RoomEntered,
    RoomLeft,
    Shown,
)


def faults_of_stays(evidence: Evidence, observed: Observed, log: str) -> Iterator[str]:
    """Between entering and leaving, a log is dense, and nothing comes twice in one life of the process."""
    who = f"{observed.client}'s log of the {log}"
    reached: int | None = None
    is_new, is_in, epoch = True, False, ""
    for life in observed.lives:
        # A new process has not been told yet where it is. It goes on where the last one was.
        is_in, is_first = False, True
        for event in life:
            if event.log != log:
                continue
            if isinstance(event, RoomLeft):
                is_new, is_in, reached = True, False, None
            elif isinstance(event, RoomEntered):
                reached = event.last if is_new else reached
                is_new, is_in, epoch = False, True, event.epoch
            elif isinstance(event, EpochShown):
                reached, epoch = None, event.epoch
            else:
                first, last = _span(event)
                if not is_in:
                    yield f"{who} has {first}, and the client is not in the room"
                if reached is not None and first > reached + 1:
                    yield f"{who} lacks {reached + 1} to {first - 1}, and does not say so"
                elif reached is not None and first <= reached and not is_first:
                    yield f"{who} has {first} behind {reached}"
                reached, is_first, epoch = last, False, event.epoch
    if is_in and reached is not None and (epoch, reached) != evidence.changing[log]:
        yield f"{who} ends at {reached} of epoch {epoch}, and the server's at {evidence.changing[log]}"


def faults_of_line(observed: Observed, line: LineRecord, *, was_seen: bool) -> Iterator[str]:
    """A line that was refused was said to nobody, and each has an end."""
    name = f"{observed.client}'s line {line.body!r}"
    if line.fate in (Fate.REFUSED, Fate.TYPED) and was_seen:
        yield f"{name} was said although it is {line.fate.value}"
    elif line.fate is Fate.WAITING:
        yield f"{name} was neither answered nor marked"
    elif line.fate is Fate.ANSWERED and line.has_number and not was_seen:
        yield f"{name} was answered as {line.seq}, and nobody has seen it"


def _span(event: Shown | HoleShown) -> tuple[int, int]:
    if isinstance(event, HoleShown):
        return event.first, event.last
    return event.message.seq, event.message.seq
