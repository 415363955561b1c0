"""Judge the evidence of a run. Pure: it talks to nobody, and has no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from tests.cutting.evidence import (
    MAILBOX,
    EpochShown,
    Event,
    Evidence,
    Fate,
    HoleShown,
    LineRecord,
    Message,
    Observed,
    RoomEntered,
    RoomLeft,
    Shown,
    StoredLog,
)
from tests.cutting.stays import faults_of_line, faults_of_stays


def faults(evidence: Evidence) -> list[str]:
    """Describe everything that is wrong; nothing if the run is as it must be."""
    return list(_faults(evidence))


def _faults(evidence: Evidence) -> Iterator[str]:
    for observed in evidence.observed:
        yield from (f"{observed.client}: {complaint}" for complaint in observed.complaints)
    for log, stored in evidence.all_rooms.items():
        yield from _faults_of_stored(f"history of the {log}", stored)
    for account, stored in evidence.mailboxes.items():
        yield from _faults_of_stored(f"history of {account}'s mailbox", stored)
    yield from _faults_of_numbers(evidence)
    for observed in evidence.observed:
        for log in observed.logs if observed.lives else ():
            if log in observed.changing:
                yield from faults_of_stays(evidence, observed, log)
            else:
                yield from _faults_of_what_was_shown(evidence, observed, log)
    yield from _faults_of_privacy(evidence)
    yield from _faults_of_lines(evidence)
    for observed in evidence.observed:
        yield from _faults_of_order(observed)


# History by itself


def _faults_of_stored(name: str, stored: StoredLog) -> Iterator[str]:
    """Each number from 1 to the head has one message, or is in one hole."""
    spans = [(message.seq, message.seq) for message in stored.messages]
    ascending = all(first < second for first, second in pairwise(spans))
    if not ascending:
        yield f"{name} is not in the order of its numbers"
    expected = 1
    for first, last in sorted([*spans, *stored.lost]):
        if first > expected:
            yield f"{name} lacks {expected} to {first - 1}, and does not list them as lost"
        if first < expected:
            yield f"{name} has number {first} twice, or lists it as lost although it is there"
        expected = max(expected, last + 1)
    if expected != stored.head + 1:
        yield f"{name} ends at {expected - 1}, and the server says {stored.head}"
    for body, count in Counter(message.body for message in stored.messages).items():
        if count > 1:
            yield f"{name} has {body!r} {count} times"


# One number, one message; one line, one number


def _all_messages(evidence: Evidence) -> Iterator[tuple[str, str, str, Message]]:
    """List each message that anyone saw, as the name of the witness, the log, the epoch and the message."""
    for log, stored in evidence.all_rooms.items():
        for message in stored.messages:
            yield "history", log, stored.epoch, message
    for account, stored in evidence.mailboxes.items():
        for message in stored.messages:
            yield "history", f"{account}'s mailbox", stored.epoch, message
    for observed in evidence.observed:
        for event in _events(observed):
            if isinstance(event, Shown):
                log = event.log if event.log != MAILBOX else f"{observed.account}'s mailbox"
                yield observed.client, log, event.epoch, event.message


def _faults_of_numbers(evidence: Evidence) -> Iterator[str]:
    known: dict[tuple[str, str, int], Message] = {}
    numbers: dict[tuple[str, str], int] = {}
    lines = {body: each.client for each in evidence.observed for body in each.lines}
    for witness, log, epoch, message in _all_messages(evidence):
        first = known.setdefault((log, epoch, message.seq), message)
        if first != message:
            yield f"number {message.seq} of {log} is {first}, and for {witness} it is {message}"
        number = numbers.setdefault((log, message.body), message.seq)
        if number != message.seq:
            yield f"{message.body!r} is number {number} of {log}, and for {witness} {message.seq}"
        if message.body not in lines:
            yield f"{witness} has {message.body!r} in {log}, which nobody has said"


# What one client showed


def _faults_of_what_was_shown(evidence: Evidence, observed: Observed, log: str) -> Iterator[str]:
    """Its log is dense up to the head, with announced holes only, and nothing comes twice in one life."""
    stored = evidence.stored(log, observed.account)
    who = f"{observed.client}'s log of the {log}"
    known = {message.seq for message in stored.messages}
    reached: int | None = 0
    epoch = ""
    for life in observed.lives:
        is_first = True
        for event in life:
            # The members of this room do not change.
            if event.log != log or isinstance(event, RoomEntered | RoomLeft):
                continue
            if isinstance(event, EpochShown):
                reached, epoch = None, event.epoch
                continue
            first, last = _span(event)
            epoch = event.epoch
            if reached is not None and first > reached + 1:
                yield f"{who} lacks {reached + 1} to {first - 1}, and does not say so"
            # What a process that died had shown, the next one may show again: its screen was empty.
            elif reached is not None and first <= reached and not is_first:
                yield f"{who} has {first} behind {reached}"
            if isinstance(event, HoleShown):
                yield from _faults_of_hole(who, event, stored, known)
            reached, is_first = last, False
    if reached is not None and (reached, epoch or stored.epoch) != (stored.head, stored.epoch):
        yield f"{who} ends at {reached} of epoch {epoch}, and the server's at {stored.head}"
    for event in _events(observed):
        if isinstance(event, Shown) and event.log == log and event.epoch == stored.epoch:
            number = event.message.seq
            if number not in known and not _is_lost(stored, number):
                yield f"{who} has {event.message}, which history does not have"


def _faults_of_hole(who: str, hole: HoleShown, stored: StoredLog, known: set[int]) -> Iterator[str]:
    if hole.epoch != stored.epoch:
        return
    there = [number for number in known if hole.first <= number <= hole.last]
    if there:
        yield f"{who} has a hole from {hole.first} to {hole.last}, and history has {min(there)}"
    elif not (_is_lost(stored, hole.first) and _is_lost(stored, hole.last)):
        yield f"{who} has a hole from {hole.first} to {hole.last} that history does not list"


def _span(event: Shown | HoleShown) -> tuple[int, int]:
    if isinstance(event, HoleShown):
        return event.first, event.last
    return event.message.seq, event.message.seq


def _is_lost(stored: StoredLog, number: int) -> bool:
    return any(first <= number <= last for first, last in stored.lost)


# Private messages


def _faults_of_privacy(evidence: Evidence) -> Iterator[str]:
    for log, stored in evidence.all_rooms.items():
        for message in stored.messages:
            if message.to is not None:
                yield f"the history of the {log} has the private message {message}"
            elif message.log != log:
                yield f"the history of the {log} has the message {message} of another room"
    for account, stored in evidence.mailboxes.items():
        for message in stored.messages:
            if account not in (message.sender, message.to):
                yield f"the mailbox of {account} has the message {message}"
    for observed in evidence.observed:
        for event in _events(observed):
            if isinstance(event, Shown) and _is_foreign(event, observed):
                yield f"{observed.client} saw {event.message} in the {event.log}"


def _is_foreign(event: Shown, observed: Observed) -> bool:
    message = event.message
    if event.log != message.log or event.log not in observed.logs:
        return True
    return message.to is not None and observed.account not in (message.sender, message.to)


# What became of each line


class _Found:
    """Where each body was found, by a table: a long run has ten thousand lines, and a million events."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._rooms = {log: _by_body(stored) for log, stored in evidence.all_rooms.items()}
        self._mailboxes = {name: _by_body(log) for name, log in evidence.mailboxes.items()}
        self._seen = {
            event.message.body
            for observed in evidence.observed
            for event in _events(observed)
            if isinstance(event, Shown)
        }

    def was_seen(self, line: LineRecord) -> bool:
        return line.body in self._seen

    def places(
        self, observed: Observed, line: LineRecord
    ) -> list[tuple[Message | None, StoredLog]]:
        """List the message of the line in each log where it belongs, the own one first; None where it is not."""
        accounts = [observed.account]
        if line.to is not None and line.to != observed.account:
            accounts.append(line.to)
        found = []
        for account in accounts:
            messages = self._mailboxes[account] if line.log == MAILBOX else self._rooms[line.log]
            found.append((messages.get(line.body), self._evidence.stored(line.log, account)))
        return found


def _by_body(stored: StoredLog) -> dict[str, Message]:
    return {message.body: message for message in reversed(stored.messages)}


def _faults_of_lines(evidence: Evidence) -> Iterator[str]:
    missing = 0
    found = _Found(evidence)
    for observed in evidence.observed:
        for line in observed.lines.values():
            if line.log in observed.changing:
                yield from faults_of_line(observed, line, was_seen=found.was_seen(line))
                continue
            places = found.places(observed, line)
            yield from _faults_of_fate(evidence, observed, line, found)
            missing += line.fate is Fate.ANSWERED and not all(message for message, _ in places)
    if evidence.durable and missing:
        yield f"{missing} answered lines are not in history"
    # A suspension may take any number, and lists them.
    if not evidence.suspensions and missing > evidence.crashes * evidence.bound:
        yield f"{missing} answered lines are missing after {evidence.crashes} crashes"


def _faults_of_fate(
    evidence: Evidence, observed: Observed, line: LineRecord, found: _Found
) -> Iterator[str]:
    places = found.places(observed, line)
    name = f"{observed.client}'s line {line.body!r}"
    if line.fate in (Fate.REFUSED, Fate.TYPED):
        if any(message for message, _ in places) or found.was_seen(line):
            yield f"{name} was said although it is {line.fate.value}"
    elif line.fate is Fate.WAITING:
        yield f"{name} was neither answered nor marked"
    elif line.fate is Fate.ANSWERED:
        message, stored = places[0]
        own = message.seq if message is not None else 0
        is_lost = _is_lost(stored, line.seq) if line.has_number else bool(stored.lost)
        if own and own != line.seq and line.has_number:
            yield f"{name} is number {own}, and its echo said {line.seq}"
        if not own and not is_lost:
            yield f"{name} was answered as {line.seq}; history neither has it nor lists it as lost"
    elif line.fate is Fate.PERHAPS and evidence.durable and not evidence.suspensions:
        yield f"{name} is {line.fate.value}, and the server forgets nothing"
    if (
        line.to is not None
        and evidence.durable
        and len({bool(message) for message, _ in places}) > 1
    ):
        yield f"{name} is in one of its two mailboxes alone"
    for message, _ in places:
        if message is not None and (message.sender, message.to, message.room) != (
            observed.account,
            line.to,
            line.room,
        ):
            yield f"{name} became {message}"


def _faults_of_order(observed: Observed) -> Iterator[str]:
    """Lines that were said once, in one session, have numbers in the order in which they were said."""
    last: dict[tuple[str, int], LineRecord] = {}
    for line in observed.lines.values():
        if line.fate is not Fate.ANSWERED or len(line.sessions) != 1:
            continue
        key = (line.log, line.sessions[0])
        before = last.get(key)
        if before is not None and before.epoch == line.epoch and before.seq >= line.seq:
            yield (
                f"{observed.client} said {before.body!r} before {line.body!r},"
                f" and they are {before.seq} and {line.seq}"
            )
        last[key] = line


def _events(observed: Observed) -> Iterator[Event]:
    for life in observed.lives:
        yield from life
