"""Check who is heard: only users who are there, may speak, and speak to those who hear them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.cluster.log_checks import entered_at_login
from tests.cluster.recording import (
    LOBBY,
    Answered,
    Asked,
    Came,
    Entered,
    Heard,
    Left,
    Named,
    Recording,
    Session,
    Told,
    Went,
    is_mailbox,
    mailbox_of,
)

_SILENCED = {"mute": "unmute", "ban": "unban"}


def faults_of_people(recording: Recording) -> Iterator[str]:
    """In the order of each session, a user comes once, goes once, and is heard only in between.

    So nobody is heard after their removal, kick or ban, and no two users have one name.
    """
    for session in recording.sessions:
        here: dict[str, set[str]] = {}
        for event in session.events:
            if isinstance(event, Entered):
                here.pop(event.log, None)
                if event.users is not None:
                    here[event.log] = set(event.users)
            elif isinstance(event, Named):
                told = here.setdefault(event.log, set(event.users))
                if told != event.users:
                    wrong = sorted(told ^ event.users)
                    yield f"{session.name} has heard of others in {event.log} than are there: {wrong}"
            elif isinstance(event, Left):
                here.pop(event.log, None)
            elif isinstance(event, Came | Went):
                yield from _note(session, here, event)
            elif isinstance(event, Heard) and event.is_live:
                log = LOBBY if is_mailbox(event.log) else event.log
                if log in here and event.sender not in here[log]:
                    yield f"{session.name} hears {event.nonce} in {event.log}, and {event.sender} is not there"


def _note(session: Session, here: dict[str, set[str]], event: Came | Went) -> Iterator[str]:
    users = here.get(event.log)
    if users is None:
        return
    if isinstance(event, Came):
        if event.user in users:
            yield f"{session.name} hears that {event.user} comes to {event.log}, and they are there"
        users.add(event.user)
    else:
        if event.user not in users:
            yield f"{session.name} hears that {event.user} leaves {event.log}, and they are not there"
        users.discard(event.user)


def faults_of_silenced(recording: Recording) -> Iterator[str]:
    """A moderator hears nothing of a user between the answer to a mute or ban, and asking for its end.

    One client alone mutes and bans a user, so its knowledge goes on in its next session.
    """
    silenced: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for session in recording.sessions:
        of_client = silenced[session.client]
        asked: dict[str, Asked] = {}
        for event in session.events:
            if isinstance(event, Asked):
                asked[event.nonce] = event
                for way, end in _SILENCED.items():
                    if event.command == end:
                        of_client[way].discard(event.target)
            elif isinstance(event, Answered) and event.code == "done":
                question = asked.get(event.nonce)
                if question is not None and question.command in _SILENCED:
                    of_client[question.command].add(question.target)
            elif isinstance(event, Heard) and event.is_live:
                for way, users in of_client.items():
                    if event.sender in users:
                        yield f"{session.name} hears {event.nonce} of {event.sender} after their {way}"


def faults_of_privacy(recording: Recording) -> Iterator[str]:
    """A message comes only in the log where it was said, to those who are in the room, or to the two users."""
    for session in recording.sessions:
        inside: set[str] = set()
        for event in session.events:
            if isinstance(event, Entered):
                inside.add(event.log)
            elif isinstance(event, Left) or (isinstance(event, Told) and event.code == "removed"):
                inside.discard(event.log)
            elif isinstance(event, Heard):
                yield from _faults_of_heard(recording, session, event, inside)
    for stored in recording.stored:
        for message in stored.messages:
            line = recording.lines.get(message.nonce)
            if line is not None and stored.log not in _logs_of(line.log, line.to, line.user):
                yield f"{stored.log} at {stored.server} has {message.nonce}, said in {line.log or line.to}"


def _faults_of_heard(
    recording: Recording, session: Session, heard: Heard, inside: set[str]
) -> Iterator[str]:
    line = recording.lines.get(heard.nonce)
    if line is None:
        return
    mine = mailbox_of(session.user)
    if heard.log not in _logs_of(line.log, line.to, line.user):
        yield f"{session.name} hears {heard.nonce} in {heard.log}, said in {line.log or line.to}"
    elif is_mailbox(heard.log) and heard.log != mine:
        yield f"{session.name} hears {heard.nonce} of {heard.log}"
    # Users find their own lines also after they have left.
    elif heard.log not in (mine, *inside) and (heard.is_live or line.client != session.client):
        yield f"{session.name} hears {heard.nonce} in {heard.log}, and is not in that room"


def _logs_of(log: str, to: str | None, sender: str) -> tuple[str, ...]:
    return (log,) if to is None else (mailbox_of(sender), mailbox_of(to))


def faults_of_memberships(recording: Recording) -> Iterator[str]:
    """A registered user who has joined a lasting room is in it until they leave, also in their next sessions."""
    members: dict[str, set[str]] = defaultdict(set)
    for session in recording.sessions:
        if session.is_guest:
            continue
        rooms = members[session.client]
        if missing := rooms - entered_at_login(session):
            yield f"{session.name} is not in {sorted(missing)} any more, and has not left"
            rooms -= missing
        for event in session.events:
            if isinstance(event, Entered) and event.log in recording.lasting:
                rooms.add(event.log)
            elif isinstance(event, Left) or (isinstance(event, Asked) and event.command == "part"):
                rooms.discard(event.log)
