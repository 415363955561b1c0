"""Read the answers of a server that are lists: the user's devices, and the users whom they block."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from chat.client.connection.session_state import read_timestamp
from chat.protocol.errors import HeaderError
from chat.protocol.strict_json import decode_json


class KnownDevice(NamedTuple):
    """A device that the server remembers: when it came first and last, whether it is here now, and is this one."""

    name: str
    first: datetime
    last: datetime
    is_here: bool = False
    is_this: bool = False


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
    """Return the names in the answer to ``blocks``; None for an answer of another form."""
    entries = _array(answer)
    if entries is None or not all(isinstance(entry, str) for entry in entries):
        return None
    return tuple(entries)


def _array(answer: str) -> list[Any] | None:
    try:
        value = decode_json(answer)
    except ValueError:
        return None
    return value if isinstance(value, list) else None


def _device(entry: Any) -> KnownDevice:
    name = entry["name"]
    if not isinstance(name, str):
        raise TypeError
    first, last = read_timestamp(entry["first"]), read_timestamp(entry["last"])
    return KnownDevice(name, first, last, entry.get("here") is True, entry.get("current") is True)
