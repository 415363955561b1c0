"""Make the texts that are said to a client in a flood."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.clients.hosts import SPEAKERS, Message

SIZE = 60  # bytes of a text
# No character of it stands in the same place of another line, so it is drawn in one piece.
LAST = b"THELASTOFALLLINES"
_WORDS = b"and so it goes on for quite a while until everyone who reads it is tired of it "


def flood(count: int) -> Iterator[Message]:
    """Return so many texts of 60 bytes in small letters and digits, all different, from a few senders in turn."""
    for number in range(count):
        words = b"%05d %s" % (number, _WORDS[number % 20 :])
        yield Message(SPEAKERS[number * 5 % len(SPEAKERS)], words[:SIZE].ljust(SIZE, b"."))


def last_message() -> Message:
    """Return a message that can be recognized on the screen."""
    return Message(SPEAKERS[0], LAST.ljust(SIZE, b"."))
