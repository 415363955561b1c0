"""The recording of a run: all that clients sent and saw, and all that servers and engine have in the end.

Plain values, so that the checker can be tested with recordings that were made by hand. Times are seconds of one
monotonic clock, that of the process in which all clients run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

LOBBY = "lobby"
_MAILBOX = "@"  # begins the names of logs of private messages


def mailbox_of(user: str) -> str:
    """Return the log of the private messages of ``user``."""
    return _MAILBOX + user


def is_mailbox(log: str) -> bool:
    return log.startswith(_MAILBOX)


# What a client says


class Fate(str, Enum):
    """List what the client knows of a line at the end."""

    WAITING = "waiting"  # no answer yet
    ECHOED = "echoed"
    FOUND = "found in history"  # the echo was lost with the connection
    REFUSED = "refused"
    PERHAPS = "perhaps said"  # nobody can tell, and the user knows that


@dataclass
class Line:
    """One message that a client said. ``to`` is the recipient of a private message, and ``log`` is empty then.

    ``tries`` are the sessions in which it was said: pairs of the number of the session of this client, and the number
    of the line in this session. ``epoch`` and ``seq`` are those of the answer, in the log ``place``.
    """

    nonce: str
    client: str
    user: str
    log: str
    to: str | None
    digest: str  # of the content
    is_file: bool = False
    tries: list[tuple[int, int]] = field(default_factory=list)
    fate: Fate = Fate.WAITING
    epoch: str = ""
    seq: int = 0

    @property
    def place(self) -> str:
        """The log in which its sender finds it."""
        return self.log if self.to is None else mailbox_of(self.user)

    @property
    def is_answered(self) -> bool:
        return self.fate in (Fate.ECHOED, Fate.FOUND)


# What happens in a session, in the order in which it happened


class Sent(NamedTuple):
    """The client sent the line ``nonce``."""

    at: float
    nonce: str


class Asked(NamedTuple):
    """The client gave a command."""

    at: float
    nonce: str
    command: str
    log: str = ""
    target: str = ""


class Answered(NamedTuple):
    """A notice answered the frame ``nonce``: a line that was refused, or a command."""

    at: float
    nonce: str
    code: str


class Heard(NamedTuple):
    """A message came. ``is_live``: as it was said, and not as a part of a page of history."""

    at: float
    epoch: str
    log: str
    seq: int
    time: str
    sender: str
    nonce: str
    digest: str
    is_live: bool = True


class Entered(NamedTuple):
    """The client is in the room ``log``, whose last message is ``head``; None: not told.

    ``users`` are those in the room at this point, as far as they were told. ``at_login``: so says the welcome.
    """

    at: float
    log: str
    head: int | None
    users: frozenset[str] | None
    at_login: bool = False


class Named(NamedTuple):
    """The server told who is in the room ``log`` at this point."""

    at: float
    log: str
    users: frozenset[str]


class Left(NamedTuple):
    """The client is not in the room ``log`` any more."""

    at: float
    log: str


class Came(NamedTuple):
    """A Login of another user was announced in the room ``log``."""

    at: float
    log: str
    user: str


class Went(NamedTuple):
    """A Logout of another user was announced in the room ``log``."""

    at: float
    log: str
    user: str
    reason: str


class Told(NamedTuple):
    """A notice came that answers nothing. Without a log it is about the server."""

    at: float
    code: str
    log: str = ""


class Fetched(NamedTuple):
    """The client fetched the content of the line ``nonce``: its digest, or the code of a refusal."""

    at: float
    nonce: str
    digest: str
    code: str = ""


Event = Sent | Asked | Answered | Heard | Entered | Named | Left | Came | Went | Told | Fetched


@dataclass
class Session:
    """One connection that was logged in, of the device ``client``.

    ``number`` counts the sessions of the client from 1. ``server`` is the name of the server, and ``run`` tells its
    process: the incarnation, as the engine's log has it.
    """

    client: str
    user: str
    number: int
    server: str = ""
    run: str = ""
    is_guest: bool = False
    began: float = 0.0
    ended: float = 0.0
    events: list[Event] = field(default_factory=list)
    why: str = ""  # it ended

    @property
    def name(self) -> str:
        return f"{self.client}/{self.number} at {self.server}"


# What is there at the end


class Stored(NamedTuple):
    """Hold what the history of one server has of a log. Messages are as ``Heard``. ``lost`` are ranges of numbers."""

    server: str
    epoch: str
    log: str
    head: int
    messages: tuple[Heard, ...]
    lost: tuple[tuple[int, int], ...] = ()


class EngineEntry(NamedTuple):
    """Hold an entry of the engine's log: with the nonces that are in its records."""

    n: int
    writer: str
    is_fence: bool
    micros: int
    nonces: frozenset[str]


@dataclass
class Recording:
    """Hold all of a run.

    ``may_lose``: answered lines may be missing (a server that is not durable was killed, an engine lost its disk).
    ``removable`` are the rooms that were removed and made again, whose history begins anew. ``lasting`` are those that
    users leave only by their own wish.
    ``complaints`` are faults that the harness noticed itself, such as a traceback in a server's log.
    """

    sessions: list[Session] = field(default_factory=list)
    lines: dict[str, Line] = field(default_factory=dict)
    stored: list[Stored] = field(default_factory=list)
    entries: list[EngineEntry] = field(default_factory=list)
    may_lose: bool = False
    removable: frozenset[str] = frozenset()
    lasting: frozenset[str] = frozenset()
    complaints: list[str] = field(default_factory=list)

    @property
    def guests(self) -> set[str]:
        """The clients whose users have no account."""
        return {session.client for session in self.sessions if session.is_guest}

    def heard(self) -> Iterator[tuple[Session, Heard]]:
        """Go through all messages that came, session by session."""
        for session in self.sessions:
            for event in session.events:
                if isinstance(event, Heard):
                    yield session, event


def write_sessions(recording: Recording, path: Path) -> None:
    """Write what each session sent and saw, for a person who looks for the cause of a fault."""
    with path.open("w") as file:
        for session in recording.sessions:
            file.write(f"\n{session.name} ({session.run}), from {session.began:.3f}\n")
            file.writelines(f"  {event}\n" for event in session.events)
            file.write(f"  ended at {session.ended:.3f}: {session.why}\n")
