"""Read the answers of a server that are lists: the user's devices, names of users, and rooms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from chat.client.connection.session.timestamps import read_timestamp
from chat.protocol.errors import HeaderError
from chat.protocol.json_fields import is_number
from chat.protocol.strict_json import decode_whole_json


class KnownDevice(NamedTuple):
    """A device that the server remembers: when it came first and last, whether it is here now, and is this one."""

    name: str
    first: datetime
    last: datetime
    is_here: bool = False
    is_this: bool = False


class ListedRoom(NamedTuple):
    """A room in a server's list: its name and kind, its topic, how many users are in it, and whether this user is."""

    name: str
    kind: str | None = None
    topic: str | None = None
    here: int | None = None
    is_joined: bool = False


def read_devices(answer: str) -> tuple[KnownDevice, ...] | None:
    """Return the devices in the answer to ``devices``; None for an answer of another form."""
    found: list[KnownDevice] = []
    for entry in _array(answer) or ():
        try:
            found.append(_device(entry))
        except (HeaderError, KeyError, TypeError, AttributeError):
            return None
    return tuple(found) if _array(answer) is not None else None


def read_names(answer: str) -> tuple[str, ...] | None:
    """Return the names in the answer to ``blocks`` or ``names``; None for an answer of another form."""
    entries = _array(answer)
    if entries is None or not all(isinstance(entry, str) for entry in entries):
        return None
    return tuple(entries)


def read_rooms(answer: str) -> tuple[ListedRoom, ...] | None:
    """Return the rooms in the answer to ``rooms``; None for an answer of another form."""
    entries = _array(answer)
    if entries is None or not all(isinstance(entry, dict) for entry in entries):
        return None
    return tuple(_room(entry) for entry in entries if isinstance(entry.get("room"), str))


def _room(entry: Mapping[str, Any]) -> ListedRoom:
    kind, topic, here = entry.get("kind"), entry.get("topic"), entry.get("here")
    return ListedRoom(
        entry["room"],
        kind if isinstance(kind, str) else None,
        topic if isinstance(topic, str) else None,
        here if is_number(here) else None,
        entry.get("joined") is True,
    )


def _array(answer: str) -> list[Any] | None:
    try:
        value = decode_whole_json(answer)
    except ValueError:
        return None
    return value if isinstance(value, list) else None


def _device(entry: Any) -> KnownDevice:
    name = entry["name"]
    if not isinstance(name, str):
        raise TypeError
    first, last = read_timestamp(entry["first"]), read_timestamp(entry["last"])
    return KnownDevice(name, first, last, entry.get("here") is True, entry.get("current") is True)
