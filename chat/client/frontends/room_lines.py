"""The words about rooms that all frontends share, and the lines of plain mode about them.

All returned text is sanitized for a terminal.
"""

from __future__ import annotations

from chat.client.connection.events import (
    EnteredRoom,
    Invited,
    LeftRoom,
    RoomFacts,
    TopicChanged,
)
from chat.client.conversation.ui_events import RoomListing
from chat.client.frontends.wording import some_names
from chat.protocol.commands import RoomKind
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.sanitize import lines_of, sanitize

# Before the name of a room. No name begins with it, so no name can be taken for a room.
SIGN = "#"
_KINDS = {
    RoomKind.CLOSED.value: " (closed)",
    RoomKind.ANNOUNCEMENTS.value: " (for announcements)",
}


# Why the user is not in a room any more, also after a login.
_REASONS = {
    LeaveReason.REMOVED.value: ": an owner removed you, or the room is gone",
    NoticeCode.NO_SUCH_ROOM.value: ": the room is gone",
    NoticeCode.NOT_INVITED.value: ": it is closed, and you are not invited",
    NoticeCode.TOO_MANY_ROOMS.value: ": you are in too many rooms",
}


def room_sign(room: str) -> str:
    """Return a room as lines name it, such as ``#dev``."""
    return f"{SIGN}{sanitize(room)}"


def entered_lines(facts: RoomFacts, username: str) -> list[str]:
    """Return lines about a room that the user ``username`` is in from now on: the other users, and the topic."""
    kind = _KINDS.get(facts.kind or "", "")
    others = [name for name in facts.users if name != username]
    company = f", with {some_names(others)}" if others else crowd_words(facts.here)
    return [f"you are in the room{kind}{company}", *topic_lines(facts.topic)]


def crowd_words(here: int | None) -> str:
    """Return how many users are in a room whose users are not named, to follow "you are in the room"."""
    return "" if here is None or here <= 1 else f", one of {here} users"


def topic_lines(topic: str | None) -> list[str]:
    """Return a line about the topic of a room, if it has one."""
    return [f"the topic is: {' '.join(lines_of(topic))}"] if topic else []


def elsewhere_words(event: EnteredRoom | LeftRoom) -> str:
    """Return whose act it was, if not that of this client."""
    return "" if event.receipt is not None else " on another device"


def left_line(event: LeftRoom) -> str:
    """Return a line about a room that the user is not in any more."""
    if event.reason == LeaveReason.PARTED.value:
        return f"you have left the room{elsewhere_words(event)}"
    why = _REASONS.get(event.reason or "", "")
    if event.sentence is not None:
        why = f": {sanitize(event.sentence)}"
    return f"you are not in the room any more{why}"


def topic_changed_line(event: TopicChanged) -> str:
    """Return a line about a new topic, and who has set it."""
    who = "somebody" if event.user is None else sanitize(event.user)
    if not event.topic:
        return f"{who} removed the topic"
    return f"{who} changed the topic: {' '.join(lines_of(event.topic))}"


def invited_line(event: Invited) -> str:
    """Return a line about an invitation, and how to accept it."""
    who = "somebody" if event.user is None else sanitize(event.user)
    name = sanitize(event.room)
    return f"{who} invites you to the room {name}: /join {name} enters it"


def room_list_lines(listing: RoomListing) -> list[str]:
    """Return a table of rooms: the name, the number of users, and what the room is about."""
    if not listing.rooms:
        begun = listing.request.prefix
        return [f"no room begins with {sanitize(begun)}" if begun else "no rooms"]
    names = [sanitize(room.name) for room in listing.rooms]
    width = max(map(len, names))
    lines = ["rooms:"]
    for room, name in zip(listing.rooms, names, strict=True):
        marks = [room.kind] if room.kind not in (None, RoomKind.OPEN.value) else []
        marks += ["you are in it"] if room.is_joined else []
        marked = f" ({', '.join(filter(None, marks))})" if marks else ""
        topic = f": {' '.join(lines_of(room.topic))}" if room.topic else ""
        here = "" if room.here is None else f"  {room.here} here"
        lines.append(f"{name:<{width}}{here}{marked}{topic}")
    if listing.has_more:
        lines.append("there are more: /rooms de lists those that begin with de")
    return lines
