"""Messages, names and times as they are imported, from logs of other programs and from our own exports."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple

from chat.local_time import exact_timestamp
from chat.protocol.descriptor import MessageType
from chat.protocol.errors import UserNameError
from chat.protocol.names import MAX_NAME_LENGTH, parse_user_name
from chat.server.history.stored import Hole
from chat.sizes import byte_count

_EARLIEST = datetime(1970, 1, 1, tzinfo=timezone.utc)
# The clock of the other program may go ahead of ours.
_AHEAD = timedelta(days=1)
_NO_NAME = "unknown"
# Half of the default of max-backlog: for a larger text the server would disconnect every user who reads back, as too
# slow.
MAX_TEXT = 4 << 20


class ImportedMessage(NamedTuple):
    """Hold a message as a file has it.

    ``timestamp`` is RFC 3339 in UTC, with microseconds. ``filename`` and ``size`` are those of an attachment; see
    ``StoredRun`` for the content of a large one. ``number`` is the number of the message in an export; other logs have
    None. ``own_name`` is the name of the sender in the file, if no user here can have it.
    """

    timestamp: str
    sender: str
    type: MessageType
    content: bytes
    filename: str | None = None
    size: int = 0
    nonce: bytes | None = None
    is_purged: bool = False
    number: int | None = None
    own_name: str | None = None


class UnreadableLine(Exception):
    """Report a line that cannot be imported. The text says why."""


def checked_text(text: str) -> bytes:
    """Return ``text`` as the content of a message. Raises UnreadableLine if no user could be sent it."""
    content = text.encode()
    if len(content) > MAX_TEXT:
        raise UnreadableLine(f"a text over {byte_count(MAX_TEXT)}")
    return content


# Returns what a line has; None for a line that is no message, such as a user who joined. Raises UnreadableLine.
LineParser = Callable[[str], "ImportedMessage | Hole | None"]


class LocalClock:
    """Turn the local times of a log, which come in order, into UTC. ``zone`` is None for that of this machine."""

    def __init__(self, zone: tzinfo | None) -> None:
        self._zone = zone
        self._last: datetime | None = None

    def timestamp(self, local: datetime) -> str:
        """Return ``local``, a time without a zone, as a timestamp in UTC. Raises UnreadableLine."""
        try:
            found, again = (
                local.replace(fold=fold, tzinfo=self._zone).astimezone(timezone.utc)
                for fold in (0, 1)
            )
        except (ValueError, OverflowError, OSError):
            raise UnreadableLine(f"no time that can be converted: {local}") from None
        # An hour comes twice when the clocks go back. It is the second one if time would run backwards otherwise.
        if self._last is not None and found < self._last <= again:
            found = again
        self._last = found
        return timestamp_of(found)


def timestamp_of(moment: datetime) -> str:
    """Return a time with a zone as a timestamp of the server. Raises UnreadableLine for one that cannot be true."""
    if moment < _EARLIEST:
        raise UnreadableLine(f"the time is before 1970: {moment}")
    # Later messages would count as older than this one.
    if moment > datetime.now(timezone.utc) + _AHEAD:
        raise UnreadableLine(f"the time is in the future: {moment}")
    return exact_timestamp(moment)


@lru_cache(maxsize=4096)
def importable_name(name: str) -> str:
    """Return ``name`` in the form that the server shows, or else the most similar name that a user may have.

    ``[bob]`` of an IRC network becomes ``x_bob_``. Headers for raw clients can't hold other names.
    """
    changed = "".join(
        c if c in "_-." or unicodedata.category(c)[0] in "LM" or c.isdecimal() else "_"
        for c in unicodedata.normalize("NFC", name)[: MAX_NAME_LENGTH - 1]
    )
    for candidate in (name, changed, f"x{changed}"):
        try:
            return parse_user_name(candidate).display
        except UserNameError:
            continue
    return _NO_NAME


def said(timestamp: str, sender: str, text: str) -> ImportedMessage:
    """Return a text. Raises UnreadableLine."""
    content, name = checked_text(text), importable_name(sender)
    return ImportedMessage(
        *(timestamp, name, MessageType.UTF8, content),
        size=len(content),
        own_name=sender if sender != name else None,
    )
