"""The objects of ``--json`` about rooms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from chat.client.answers.listings import ListedRoom
from chat.client.connection.events import (
    EnteredRoom,
    HereCount,
    Invited,
    LeftRoom,
    RoomChanged,
    RoomFacts,
    TopicChanged,
)
from chat.client.conversation.ui_events import RoomListing
from chat.local_time import utc_timestamp
from chat.protocol.notices import LeaveReason


def json_timestamp(moment: datetime) -> str:
    """Return a time as all objects have it: RFC 3339 in UTC, with as many digits as it needs."""
    return utc_timestamp(moment, "auto")


def room_facts(facts: RoomFacts) -> dict[str, Any]:
    """Return what is told of a room that the user is in."""
    return {
        "room": facts.name,
        "kind": facts.kind,
        "topic": facts.topic,
        "here": facts.here,
        "owner": facts.is_owner or None,
        "users": list(facts.users) or None,
    }


def _entered(event: EnteredRoom) -> dict[str, Any]:
    return {
        "type": "entered-room",
        **room_facts(event.facts),
        "elsewhere": event.receipt is None or None,
        "timestamp": json_timestamp(event.timestamp),
    }


def _left(event: LeftRoom) -> dict[str, Any]:
    return {
        "type": "left-room",
        "room": event.room,
        "reason": event.reason,
        "message": event.sentence,
        "elsewhere": True if _is_elsewhere(event) else None,
        "timestamp": json_timestamp(event.timestamp),
    }


def _is_elsewhere(event: LeftRoom) -> bool:
    return event.receipt is None and event.reason == LeaveReason.PARTED.value


def _topic(event: TopicChanged) -> dict[str, Any]:
    return {
        "type": "topic",
        "room": event.room,
        "topic": event.topic,
        "username": event.user,
        "timestamp": json_timestamp(event.timestamp),
    }


def _about(kind: str) -> Callable[[RoomChanged | Invited], dict[str, Any]]:
    return lambda event: {
        "type": kind,
        "room": event.room,
        "username": event.user,
        "message": event.sentence,
        "timestamp": json_timestamp(event.timestamp),
    }


def _here(event: HereCount) -> dict[str, Any]:
    return {
        "type": "here",
        "room": event.room,
        "here": event.here,
        "announced": event.announced or None,
        "timestamp": json_timestamp(event.timestamp),
    }


def _listing(event: RoomListing) -> dict[str, Any]:
    return {
        "type": "rooms",
        "id": event.tag,
        "rooms": list(map(_listed, event.rooms)),
        "more": event.has_more or None,
    }


def _listed(room: ListedRoom) -> dict[str, Any]:
    told = {"room": room.name, "kind": room.kind, "topic": room.topic, "here": room.here}
    return {
        **{key: value for key, value in told.items() if value is not None},
        "joined": room.is_joined,
    }


ROOM_WRITERS: dict[type, Callable[[Any], dict[str, Any]]] = {
    EnteredRoom: _entered,
    LeftRoom: _left,
    TopicChanged: _topic,
    RoomChanged: _about("room-changed"),
    Invited: _about("invited"),
    HereCount: _here,
    RoomListing: _listing,
}
