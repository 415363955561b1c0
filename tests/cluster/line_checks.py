"""Check what became of each line, and what the servers keep."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.cluster.recording import (
    LOBBY,
    Fate,
    Fetched,
    Line,
    Recording,
    Stored,
    mailbox_of,
)


def faults_of_stored(recording: Recording) -> Iterator[str]:
    """All servers keep the same, each number once, and nothing that nobody has said."""
    first_of: dict[str, Stored] = {}
    for stored in recording.stored:
        who = f"{stored.log} at {stored.server}"
        yield from _faults_of_one(who, stored)
        first = first_of.setdefault(stored.log, stored)
        if (first.epoch, first.head) != (stored.epoch, stored.head):
            yield (
                f"{who} ends at {stored.head} of epoch {stored.epoch}, and at {first.server} "
                f"at {first.head} of epoch {first.epoch}"
            )
        elif difference := {_kept(m) for m in first.messages} ^ {_kept(m) for m in stored.messages}:
            yield f"{who} and {first.server} differ: {sorted(difference)[:3]}"


def _kept(message: object) -> tuple[object, ...]:
    return tuple(message)[1:8] if isinstance(message, tuple) else ()


def _faults_of_one(who: str, stored: Stored) -> Iterator[str]:
    for nonce, count in Counter(message.nonce for message in stored.messages).items():
        if count > 1:
            yield f"{who} has {nonce} {count} times"
    # Of a closed room and of a room that was made again, a reader may not see the beginning.
    numbers = [message.seq for message in stored.messages]
    expected = numbers[0] if numbers else stored.head + 1
    for number in [*numbers, stored.head + 1]:
        missing = [each for each in range(expected, number) if not _is_in(stored.lost, each)]
        if missing:
            yield f"{who} lacks {missing[:3]}, and does not list them as lost"
        expected = number + 1


def _is_in(ranges: tuple[tuple[int, int], ...], number: int) -> bool:
    return any(first <= number <= last for first, last in ranges)


def faults_of_lines(recording: Recording) -> Iterator[str]:
    """An answered line is there once, a refused one never; nobody waits for ever, and nothing comes from nowhere."""
    yield from _faults_of_contents(recording)
    places = _places(recording)
    epochs = {heard.epoch for _, heard in recording.heard()}
    logs = {(each.log, each.epoch) for each in recording.stored}
    for line in recording.lines.values():
        if not line.tries:
            continue
        found = places.get(line.nonce, {})
        if line.fate is Fate.WAITING:
            yield f"{line.nonce} is not answered, and its sender does not know what became of it"
        elif line.fate is Fate.REFUSED and found:
            yield f"{line.nonce} was refused, and is in {sorted(found)}"
        elif line.fate is Fate.PERHAPS and len(epochs) < 2 and not _is_undecidable(recording, line):
            yield f"{line.nonce} is marked as perhaps said, and no epoch has changed"
        elif line.is_answered:
            yield from _faults_of_answered(recording, line, found, logs)


def _is_undecidable(recording: Recording, line: Line) -> bool:
    """Tell whether no history can have the line: the mailboxes of guests are not kept."""
    of_guest = line.to is not None and line.client in recording.guests
    return of_guest or line.log in recording.removable or recording.may_lose


def _places(recording: Recording) -> dict[str, dict[str, int]]:
    """Return the number of each line in each log that is kept, by nonce."""
    places: dict[str, dict[str, int]] = defaultdict(dict)
    for stored in recording.stored:
        for message in stored.messages:
            places[message.nonce][stored.log] = message.seq
    return places


def _faults_of_answered(
    recording: Recording, line: Line, found: dict[str, int], logs: set[tuple[str, str]]
) -> Iterator[str]:
    kept = {log for log, _ in logs}
    should = [line.place] if line.to is None else [line.place, mailbox_of(line.to)]
    for log in should:
        if log not in kept or log in recording.removable:
            continue  # a guest's mailbox, or a room that was made again
        if log not in found:
            if not recording.may_lose:
                yield f"{line.nonce} was answered, and is lost: {log} does not have it"
        elif log == line.place and (log, line.epoch) in logs and found[log] != line.seq:
            yield f"{line.nonce} was answered as {line.seq} of {log}, and is {found[log]}"


def _faults_of_contents(recording: Recording) -> Iterator[str]:
    """Each message is a line that its sender has said there, and each content that was fetched is the right one."""
    for session, heard in recording.heard():
        line = recording.lines.get(heard.nonce)
        if line is None or not line.tries:
            yield f"{session.name} hears {heard.nonce} in {heard.log}, which nobody has said"
        elif (line.digest, line.user) != (heard.digest, heard.sender):
            yield f"{session.name} hears {heard.nonce} in another form, or from {heard.sender}"
    for session in recording.sessions:
        for event in session.events:
            if isinstance(event, Fetched) and event.digest:
                line = recording.lines.get(event.nonce)
                if line is None or line.digest != event.digest:
                    yield f"{session.name} got a wrong content of {event.nonce}"


def lost_lines(recording: Recording) -> list[str]:
    """Return the nonces of answered lines that are not kept, for the figures."""
    places = _places(recording)
    kept = {each.log for each in recording.stored} or {LOBBY}
    return [
        line.nonce
        for line in recording.lines.values()
        if line.is_answered and line.place in kept - recording.removable
        if line.place not in places.get(line.nonce, {})
    ]
