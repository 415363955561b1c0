"""The lines that clients say: numbered, no two alike, and each tells what must be in it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from chat.protocol.descriptor import MessageType

_TEXT, _FILE = MessageType.UTF8, MessageType.FILE


class Line(NamedTuple):
    """Hold one line. ``body`` names it: its text or, for a file, its name. ``to`` is the recipient, None for a room.

    ``room`` is None for the default room.
    """

    body: str
    nonce: str
    to: str | None
    size: int | None = None  # of a file
    room: str | None = None

    @property
    def type(self) -> MessageType:
        return _TEXT if self.size is None else _FILE

    @property
    def content(self) -> bytes:
        if self.size is None:
            return self.body.encode()
        # The name without the checksum, which is not known yet when the content is made.
        return Random(self.body.rpartition("-")[0]).randbytes(self.size)

    @property
    def header(self) -> dict[str, object]:
        fields: dict[str, object] = {"nonce": self.nonce}
        if self.to is not None:
            fields["to"] = self.to
        if self.room is not None:
            fields["room"] = self.room
        if self.size is not None:
            fields["filename"] = self.body
        return fields


def make_line(
    rng: Random, client: str, number: int, recipients: list[str], rooms: Sequence[str] = ()
) -> Line:
    """Make the line with ``number`` of ``client``: a text or a file, in a room or private.

    ``rooms`` are those that the client is in, beside the default one.
    """
    to = rng.choice(recipients) if rng.random() < 0.35 else None
    room = rng.choice(rooms) if rooms and to is None and rng.random() < 0.8 else None
    nonce = f"{rng.getrandbits(96):024x}"
    if rng.random() < 0.12:
        size = rng.choice((1, 300, 3_000, 30_000))
        line = Line(f"{client}-{number}-", nonce, to, size, room)
        return line._replace(body=f"{client}-{number}-{_checksum(line.content)}")
    words = "ab " * rng.choice((0, 0, 3, 30, 300))
    return Line(f"{client}-{number} {words}".rstrip(), nonce, to, room=room)


def body_of(type: int, filename: str | None, content: bytes) -> str:
    """Return the name of the line that came; a damaged file has another name than any line."""
    if type == _TEXT:
        return content.decode()
    assert filename is not None
    if filename.rpartition("-")[2] != _checksum(content):
        return f"{filename}, damaged"
    return filename


def _checksum(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"
