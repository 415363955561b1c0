"""The observations of a run: the events that each client showed to its user, the fate of each line, and the history.

Plain values, so that the checker can be tested with evidence that was made by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

ROOM, MAILBOX = "room", "mailbox"
LOGS = (ROOM, MAILBOX)
_OTHER = "room "  # begins the names of the logs of other rooms than the default one


def log_of_room(name: str | None) -> str:
    """Return the log of the room with ``name``; None: the default room."""
    return ROOM if name is None else _OTHER + name


def room_of_log(log: str) -> str | None:
    """Return the name of the room of ``log``; None: the default room, or a mailbox."""
    return log.removeprefix(_OTHER) if log.startswith(_OTHER) else None


class Message(NamedTuple):
    """Hold a message as a client got it, or as history has it.

    ``body`` is the text or, for a file, its name, which tells its content: no two lines of a run have the same body.
    """

    seq: int
    time: str
    sender: str
    to: str | None
    body: str
    nonce: str | None = None
    room: str | None = None

    @property
    def log(self) -> str:
        """The log where it belongs."""
        return log_of_room(self.room) if self.to is None else MAILBOX


class Shown(NamedTuple):
    """A client showed a message of ``log`` to its user."""

    log: str
    epoch: str
    message: Message


class HoleShown(NamedTuple):
    """A client told its user that the numbers ``first`` to ``last`` of ``log`` were lost."""

    log: str
    epoch: str
    first: int
    last: int


class EpochShown(NamedTuple):
    """A client told its user that the numbers of ``log`` begin anew, and earlier messages may be lost."""

    log: str
    epoch: str


class RoomEntered(NamedTuple):
    """A client told its user that they are in the room of ``log``, whose last message was ``last``."""

    log: str
    epoch: str
    last: int


class RoomLeft(NamedTuple):
    """A client told its user that they are in the room of ``log`` no more."""

    log: str


Event = Shown | HoleShown | EpochShown | RoomEntered | RoomLeft


class Fate(str, Enum):
    """List what can become of a line."""

    TYPED = "typed"  # the client died before it had stored the line, and has never said it
    WAITING = "waiting"  # stored, perhaps said, not answered yet
    ANSWERED = "answered"
    REFUSED = "refused"
    PERHAPS = "perhaps said"  # the user was told that nobody knows
    UNKNOWN = "unknown"  # typed into a program that tells nothing of its lines


@dataclass
class LineRecord:
    """Tell what became of one line. ``seq`` and ``epoch`` are those of its echo.

    Without ``has_number`` the client told only that the line was answered.

    ``sessions`` has the session of each time that the line was said.
    """

    body: str
    to: str | None
    fate: Fate = Fate.TYPED
    seq: int = 0
    epoch: str = ""
    sessions: list[int] = field(default_factory=list)
    is_file: bool = False
    has_number: bool = True
    room: str | None = None

    @property
    def log(self) -> str:
        return log_of_room(self.room) if self.to is None else MAILBOX


@dataclass
class Observed:
    """Hold all that the user of one client saw, in the lives of its process, and the lines that they typed.

    ``logs`` are those of which it is known what the client showed. ``changing`` are those among them whose rooms are
    removed and made again, and whose members come and go.
    """

    client: str
    account: str
    lives: list[list[Event]] = field(default_factory=list)
    lines: dict[str, LineRecord] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)  # what the client itself found wrong
    replaced: int = 0  # sessions that ended when a late login of the same client arrived
    logs: tuple[str, ...] = LOGS
    changing: tuple[str, ...] = ()


class StoredLog(NamedTuple):
    """Hold what history has of one log; ``head`` is the last number that was given."""

    epoch: str
    head: int
    messages: list[Message]
    lost: list[tuple[int, int]]


class Evidence(NamedTuple):
    """Hold all that a run observed. ``mailboxes`` are by account, ``rooms``, beside the default one, by log.

    ``changing`` has the epoch and the last number of each room that changes, by log.
    ``crashes`` counts the kills of the server; ``bound`` is how many messages each of them may lose.
    """

    observed: list[Observed]
    room: StoredLog
    mailboxes: dict[str, StoredLog]
    crashes: int = 0
    suspensions: int = 0
    durable: bool = False
    bound: int = 8192
    rooms: Mapping[str, StoredLog] = {}
    changing: Mapping[str, tuple[str, int]] = {}

    @property
    def all_rooms(self) -> dict[str, StoredLog]:
        return {ROOM: self.room, **self.rooms}

    def stored(self, log: str, account: str) -> StoredLog:
        return self.mailboxes[account] if log == MAILBOX else self.all_rooms[log]
