"""A record of the messages in a room, in a form in which clients of all kinds can be compared."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from gevent.event import Event

from chat.client.connection import events
from chat.protocol.descriptor import MessageType

# Messages for everyone: ("+", name), ("-", name), ("text", sender, text), ("file", sender, file name, size).
Entry = tuple[object, ...]

# The witness says this at the end.
LAST_WORDS = "that was all"

_ATTACHMENTS = {MessageType.FILE, MessageType.IMAGE, MessageType.VOICE}


def entry_of_frame(type: int, header: dict[str, Any], size: int, content: bytes) -> Entry | None:
    """From the wire; None for what is not for everyone. ``content`` is that of a text."""
    sender = header["from"]
    if type == MessageType.LOGIN:
        return "+", sender
    if type == MessageType.LOGOUT:
        return "-", sender
    if "to" in header or "notice" in header:
        return None
    if type == MessageType.UTF8:
        return "text", sender, content.decode()
    assert type in _ATTACHMENTS, f"a frame of type {type}"
    return "file", sender, header["filename"], header["size"] if "id" in header else size


def entry_of_event(event: events.Event) -> Entry | None:
    """From the library."""
    if isinstance(event, events.Welcome | events.Joined):
        return "+", event.username
    if isinstance(event, events.Left):
        return "-", event.username
    if isinstance(event, events.Text) and event.to is None:
        return "text", event.sender, event.text
    if isinstance(event, events.Attachment) and event.to is None:
        return "file", event.sender, event.filename, event.size
    assert not isinstance(event, events.BadFrame), event
    return None


def entry_of_object(told: dict[str, Any]) -> Entry | None:
    """From a line of ``chat-client --json``."""
    kind = told["type"]
    if kind in ("welcome", "joined"):
        return "+", told["username"]
    if kind == "left":
        return "-", told["username"]
    if "to" in told:
        return None
    if kind == "text":
        return "text", told["from"], told["text"]
    if kind in ("file", "image", "voice"):
        return "file", told["from"], told["filename"], told["size"]
    return None


class Chronicle:
    """All that a witness has heard who was there from the beginning, and where in it each name came and went."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.joined: dict[str, int] = {}
        self.left: dict[str, int] = {}
        self.present: dict[str, None] = {}  # a set that keeps the order
        self.closed_at: int | None = None  # where the last words stand
        self._grown = Event()

    def add(self, entry: Entry) -> None:
        kind, name = str(entry[0]), str(entry[1])
        if kind == "+":
            assert name not in self.joined, f"{name} came twice"
            self.joined[name] = len(self.entries)
            self.present[name] = None
        elif kind == "-":
            assert name in self.joined, f"{name} left and had not come"
            assert name not in self.left, f"{name} left twice"
            self.left[name] = len(self.entries)
            del self.present[name]
        if entry == ("text", "witness", LAST_WORDS):
            self.closed_at = len(self.entries)
        self.entries.append(entry)
        self._grown.set()
        self._grown.clear()

    def wait_until_left(self, name: str, patience: float) -> bool:
        """Wait until the witness has heard that ``name`` is gone."""
        return self._wait(lambda: name in self.left, patience)

    def wait_until_closed(self, name: str, patience: float) -> bool:
        """Wait until the witness has said its last words; return whether ``name`` was there to hear them."""
        self._wait(lambda: self.closed_at is not None and name in self.joined, patience)
        return self.closed_at is not None and self.joined.get(name, self.closed_at) < self.closed_at

    def _wait(self, condition: Callable[[], bool], patience: float) -> bool:
        deadline = time.monotonic() + patience
        while not condition() and (left := deadline - time.monotonic()) > 0:
            self._grown.wait(left)
        return condition()

    def problem(self, name: str, record: list[Entry], whole: bool, end: int | None = None) -> str:
        """Compare the record of ``name`` with the room's; return the difference, or an empty string.

        The record begins when the user came. ``whole``: the record has everything until the user left, or until
        ``end``. Otherwise its last entries may be missing, and no others.
        """
        start = self.joined.get(name)
        if start is None:
            return f"{name} was never announced" if record else ""
        stop = end if end is not None else self.left.get(name, len(self.entries))
        expected = self.entries[start:stop]
        if not whole:
            expected = expected[: len(record)]
        if record == expected:
            return ""
        return (
            f"{name} ({len(record)} heard, {len(expected)} said): {_difference(record, expected)}"
        )

    def repeated(self) -> list[Entry]:
        """Return the entries that were heard more than once: no member says anything twice."""
        return [entry for entry, count in Counter(self.entries).items() if count > 1]


def _difference(record: list[Entry], expected: list[Entry]) -> str:
    for number, (heard, said) in enumerate(zip(record, expected, strict=False)):
        if heard != said:
            return f"number {number} was {said}, they heard {heard}"
    longer = record if len(record) > len(expected) else expected
    place = min(len(record), len(expected))
    return (
        f"{'they heard besides' if longer is record else 'they missed'} {longer[place : place + 3]}"
    )
