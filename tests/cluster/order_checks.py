"""Check orders: of the answers to a session, of its lines for those who hear them, and of the owners of a name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.cluster.recording import (
    Answered,
    Asked,
    Heard,
    Line,
    Recording,
    Sent,
    Session,
    is_mailbox,
)


def faults_of_answers(recording: Recording) -> Iterator[str]:
    """Each frame of a session has one answer, in the order of the frames."""
    for session in recording.sessions:
        waiting: list[str] = []
        mine: set[str] = set()
        for event in session.events:
            if isinstance(event, Sent | Asked):
                waiting.append(event.nonce)
                mine.add(event.nonce)
            elif (nonce := _answers(recording, session, event)) is not None:
                if waiting and waiting[0] == nonce:
                    waiting.pop(0)
                elif nonce in mine:
                    wanted = waiting[0] if waiting else "nothing"
                    yield f"{session.name} gets an answer to {nonce}, and waits for {wanted}"
                else:
                    yield f"{session.name} hears {nonce}, which a former session of it has said"


def _answers(recording: Recording, session: Session, event: object) -> str | None:
    """Return the nonce of the frame of ``session`` that ``event`` answers."""
    if isinstance(event, Answered):
        return event.nonce
    if isinstance(event, Heard) and event.is_live:
        line = recording.lines.get(event.nonce)
        if line is not None and line.client == session.client:
            return event.nonce
    return None


def faults_of_sending_order(recording: Recording) -> Iterator[str]:
    """The lines of one client come in the order in which its sessions have said them.

    A line that was said twice is left out: nobody knows which of the two it is.
    """
    for session in recording.sessions:
        latest: dict[str, tuple[tuple[int, int], str]] = {}
        for event in session.events:
            if not isinstance(event, Heard) or not event.is_live:
                continue
            line = recording.lines.get(event.nonce)
            if line is not None and len(line.tries) == 1:
                before, nonce = latest.get(line.client, ((0, 0), ""))
                if line.tries[0] <= before:
                    yield f"{session.name} hears {line.nonce} behind {nonce}, which was said later"
                latest[line.client] = (line.tries[0], line.nonce)
    for log, messages in _logs(recording).items():
        at: dict[str, tuple[int, int]] = {}
        for _, line in messages:
            if line.tries[0] <= at.get(line.client, (0, 0)):
                yield f"{log} has {line.nonce} behind a line that {line.client} has said later"
            at[line.client] = line.tries[0]


def faults_of_guest_names(recording: Recording) -> Iterator[str]:
    """A name belongs to one session at each position of a log: lines of two holders of a name never mingle."""
    guests = {session.user for session in recording.sessions if session.is_guest}
    for log, messages in _logs(recording).items():
        holders: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for _, line in messages:
            if line.user not in guests:
                continue
            holder = (line.client, line.tries[0][0])
            past = holders[line.user]
            if past and past[-1] == holder:
                continue
            if holder in past:
                yield f"{log}: {holder[0]} and {past[-1][0]} are both {line.user} at {line.nonce}"
            past.append(holder)


def _logs(recording: Recording) -> dict[str, list[tuple[int, Line]]]:
    """Return all messages of lines that were said once, in the order of each room, by epoch and log."""
    found: dict[str, dict[int, Line]] = defaultdict(dict)
    stored = (message for each in recording.stored for message in each.messages)
    heard = (event for _, event in recording.heard())
    for source in (stored, heard):
        for message in source:
            line = recording.lines.get(message.nonce)
            if line is not None and len(line.tries) == 1 and not is_mailbox(message.log):
                found[f"{message.log} of {message.epoch}"][message.seq] = line
    return {log: sorted(lines.items(), key=lambda each: each[0]) for log, lines in found.items()}
