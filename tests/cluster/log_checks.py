"""Check the numbers of messages: one order in each log, the same for all, without holes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import chain

from tests.cluster.recording import (
    Entered,
    Heard,
    Left,
    Recording,
    Session,
    Told,
    is_mailbox,
)


def faults_of_numbers(recording: Recording) -> Iterator[str]:
    """Within an epoch, a number of a log is one message for everyone, and a message has one number.

    If an engine may lose the end of its log, only what is kept is compared: users may hear lost numbers again.
    """
    known: dict[tuple[str, str, int], tuple[str, Heard]] = {}
    numbers: dict[tuple[str, str, str], int] = {}
    for witness, heard in _all_heard(recording):
        place = (heard.epoch, heard.log, heard.seq)
        first_witness, first = known.setdefault(place, (witness, heard))
        if _identity(first) != _identity(heard):
            yield (
                f"number {heard.seq} of {heard.log} is {_identity(first)} for {first_witness}, "
                f"and {_identity(heard)} for {witness}"
            )
        number = numbers.setdefault((heard.epoch, heard.log, heard.nonce), heard.seq)
        if number != heard.seq:
            yield f"{heard.nonce} is number {number} and number {heard.seq} of {heard.log}, so {witness}"
    latest: dict[tuple[str, str], Heard] = {}
    for (epoch, log, _), (_, heard) in sorted(known.items()):
        before = latest.setdefault((epoch, log), heard)
        if heard.time < before.time:
            yield f"the time of {log} runs back from number {before.seq} to {heard.seq}"
        latest[epoch, log] = heard


def _all_heard(recording: Recording) -> Iterator[tuple[str, Heard]]:
    stored = (
        (f"history of {each.server}", message)
        for each in recording.stored
        for message in each.messages
    )
    if recording.may_lose:
        return stored
    heard = ((session.name, _told(session, heard)) for session, heard in recording.heard())
    return chain(heard, stored)


def _told(session: Session, heard: Heard) -> Heard:
    """Tell the private messages of a guest's sessions apart: each session counts from 1."""
    if session.is_guest and is_mailbox(heard.log):
        return heard._replace(log=f"{heard.log} in {session.name}")
    return heard


def _identity(heard: Heard) -> tuple[str, str, str, str]:
    return heard.sender, heard.nonce, heard.time, heard.digest


def faults_of_live_numbers(recording: Recording) -> Iterator[str]:
    """Messages that come live in a session have no hole. They begin behind the head that the server told.

    Perhaps not right behind: a client fetches messages that waited for the disk when it came.
    """
    for session in recording.sessions:
        reached: dict[str, tuple[str, int] | None] = {}
        for event in session.events:
            if isinstance(event, Entered):
                reached[event.log] = None if event.head is None else ("", event.head)
            elif isinstance(event, Told) and event.code == "epoch":
                reached = dict.fromkeys(reached)
            elif isinstance(event, Heard) and event.is_live:
                before = reached.get(event.log)
                if before is not None and _is_wrong(before, event):
                    yield f"{session.name} hears {event.seq} of {event.log} behind {before[1]}"
                reached[event.log] = (event.epoch, event.seq)


def _is_wrong(before: tuple[str, int], heard: Heard) -> bool:
    epoch, seq = before
    return heard.seq <= seq if epoch == "" else epoch == heard.epoch and heard.seq != seq + 1


def faults_of_views(recording: Recording) -> Iterator[str]:
    """At the end, the view of each client is whole: from where it began up to the head of the log.

    A view begins when the client comes into the room. Guests have none at the end: they begin anew with each session.
    """
    if recording.may_lose:
        return
    heads = {(each.epoch, each.log): each.head for each in recording.stored}
    lost = {(each.epoch, each.log): each.lost for each in recording.stored}
    for client, sessions in _by_client(recording).items():
        for log, (epoch, began, numbers) in _views_at_the_end(sessions).items():
            head = heads.get((epoch, log))
            if head is None:
                continue
            holes = lost[epoch, log]
            missing = [
                number
                for number in range(began + 1, head + 1)
                if number not in numbers and not any(a <= number <= b for a, b in holes)
            ]
            if missing:
                yield f"{client} lacks {len(missing)} of {log}, such as {missing[:3]}, and has caught up"
            if numbers and max(numbers) > head:
                yield f"{client} has {max(numbers)} of {log}, and history ends at {head}"


def _by_client(recording: Recording) -> dict[str, list[Session]]:
    found: dict[str, list[Session]] = defaultdict(list)
    for session in recording.sessions:
        if not session.is_guest:
            found[session.client].append(session)
    return found


def _views_at_the_end(sessions: list[Session]) -> dict[str, tuple[str, int, set[int]]]:
    """Return the epoch, the head at the beginning, and the numbers, by log."""
    views: dict[str, tuple[str, int, set[int]]] = {}
    for session in sessions:
        # In a room that the welcome does not have, the client is not any more.
        views = {log: view for log, view in views.items() if log in entered_at_login(session)}
        for event in session.events:
            if isinstance(event, Entered):
                # A welcome goes on with the view; a user who joins begins a new one.
                if event.at_login and event.log in views:
                    continue
                views.pop(event.log, None)
                if event.head is not None:
                    views[event.log] = ("", event.head, set())
            elif isinstance(event, Left):
                views.pop(event.log, None)
            elif isinstance(event, Heard) and event.log in views:
                _add(views, event)
    return views


def entered_at_login(session: Session) -> set[str]:
    """Return the rooms that the welcome has."""
    return {event.log for event in session.events if isinstance(event, Entered) and event.at_login}


def _add(views: dict[str, tuple[str, int, set[int]]], heard: Heard) -> None:
    epoch, began, numbers = views[heard.log]
    if not epoch:
        views[heard.log] = (heard.epoch, began, {heard.seq})
    elif epoch != heard.epoch:
        views[heard.log] = (heard.epoch, heard.seq - 1, {heard.seq})
    else:
        numbers.add(heard.seq)
