"""Read what the screen client showed from the files of its ``--log-file``, one for each life of its process."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import NamedTuple

from chat.client.frontends.wording import RENUMBERED
from tests.cutting.evidence import ROOM, EpochShown, Event, HoleShown, Message, Shown

_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
_FURTHER = re.compile(r" {20}\| ")
_SAID = re.compile(r"\[(?P<sender>[\w-]+)(?: \([^)]*\))?\]: (?P<body>.*)")
_SENT = re.compile(r"-- (?P<sender>[\w-]+)(?: \([^)]*\))? sent a file: (?P<body>\S+) \(")
# In the room; of private messages there is another line.
_MISSING = re.compile(
    r"-- (?:up to )?(?P<count>\d+) messages? (?:is|are) (?:lost|missing|not shown) here"
)


class Kind(Enum):
    """List what a screen shows that tells of messages."""

    MESSAGE = auto()
    HOLE = auto()
    RENUMBERED = auto()
    PERHAPS = auto()  # a line of the user that was perhaps said
    UNSENT = auto()  # a line of the user that was refused


class Item(NamedTuple):
    """Hold one thing that a screen showed. ``messages``: how many a hole has, which has neither sender nor body."""

    kind: Kind
    sender: str = ""
    body: str = ""
    messages: int = 0


def read_items(text: str) -> list[Item]:
    """Read the log of one life. Its last line may lack its end: the process was killed."""
    entries: list[list[str]] = []
    for line in text.split("\n")[:-1]:
        if further := _FURTHER.match(line):
            entries[-1].append(line[further.end() :])
        elif stamp := _STAMP.match(line):
            entries.append([line[stamp.end() :]])
    return [item for entry in entries for item in _items(*entry)]


def events_of(
    lives: Iterable[list[Item]], known: Mapping[str, tuple[str, Message]]
) -> list[list[Event]]:
    """Return the events of each life. ``known`` has the epoch and the message of each body that anyone else saw.

    A screen shows no numbers. A message that nobody else saw gets the one behind that of the message before.
    """
    shown = _Shown(known)
    return [list(shown.events(items)) for items in lives]


def _items(first: str, *further: str) -> Iterator[Item]:
    if said := _SAID.fullmatch(first):
        kind = Kind.MESSAGE
        if any(line.startswith("perhaps said: ") for line in further):
            kind = Kind.PERHAPS
        elif any(line.startswith("not sent: ") for line in further):
            kind = Kind.UNSENT
        yield Item(kind, said["sender"], said["body"])
    elif sent := _SENT.match(first):
        yield Item(Kind.MESSAGE, sent["sender"], sent["body"])
    elif missing := _MISSING.match(first):
        yield Item(Kind.HOLE, messages=int(missing["count"]))
    elif first == f"-- {RENUMBERED}":
        yield Item(Kind.RENUMBERED)


class _Shown:
    """The numbers that go with what a screen showed, over all its lives."""

    def __init__(self, known: Mapping[str, tuple[str, Message]]) -> None:
        self._known = known
        self._epoch, self._last = "", 0

    def events(self, items: list[Item]) -> Iterator[Event]:
        self._last = self._before(items)
        for item in items:
            if item.kind is Kind.RENUMBERED:
                self._epoch = ""
                yield EpochShown(ROOM, "")
            elif item.kind is Kind.HOLE:
                first, self._last = self._last + 1, self._last + item.messages
                yield HoleShown(ROOM, self._epoch, first, self._last)
            elif item.kind is Kind.MESSAGE:
                yield self._message(item)

    def _before(self, items: list[Item]) -> int:
        """Return the number before the first thing that a life shows, which may have been shown before.

        It is known from the first message that anyone else saw, or else goes on where the last life ended.
        """
        count = 0
        for item in items:
            if item.kind is Kind.RENUMBERED:
                break
            if item.kind is Kind.MESSAGE and item.body in self._known:
                return self._known[item.body][1].seq - 1 - count
            count += item.messages if item.kind is Kind.HOLE else item.kind is Kind.MESSAGE
        return self._last

    def _message(self, item: Item) -> Shown:
        unknown = self._epoch, Message(self._last + 1, "", item.sender, None, item.body)
        self._epoch, message = self._known.get(item.body, unknown)
        self._last = message.seq
        return Shown(ROOM, self._epoch, message)
