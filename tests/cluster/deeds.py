"""Choose the next deed of a person, by their role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import NamedTuple

from tests.cluster.people import CLOSED_ROOM, OPEN_ROOMS, PASSING_ROOM, Person, Role
from tests.cluster.recording import LOBBY

# How often each deed is chosen, of a thousand.
_USUAL = {"say": 640, "whisper": 130, "file": 40, "large": 8, "join": 70, "part": 30, "fetch": 30}
# All that a person does who only talks.
TALK = frozenset({"say", "whisper", "file", "large", "fetch", "move"})
_MORE = {
    Role.GUEST: {"move": 20, "say": 600},
    Role.MEMBER: {"move": 4},
    Role.HOST: {"invite": 250, "remove": 90},
    Role.MODERATOR: {"mute": 60, "kick": 40, "ban": 25, "lift": 200},
}
_SMALL, _LARGE = (100, 40_000), (70_000, 200_000)  # bytes of a file
_LONGEST_TEXT = 300


class Deed(NamedTuple):
    """A command, or one of the words ``say``, ``fetch`` and ``move``: break the connection."""

    command: str
    log: str = ""
    target: str = ""
    is_file: bool = False
    filling: bytes = b""
    fields: Mapping[str, object] = MappingProxyType({})


class Deeds:
    """Choose deeds. ``accounts`` are the registered users; a moderator acts on ``victims``."""

    def __init__(
        self,
        person: Person,
        rng: Random,
        accounts: Sequence[str],
        victims: Sequence[str],
        *,
        only_talks: bool = False,
    ) -> None:
        self._person = person
        self._rng = rng
        self._accounts = list(accounts)
        self._victims = list(victims)
        self._muted: set[str] = set()
        self._banned: set[str] = set()
        self._only_talks = only_talks
        self._is_closed = False
        self._weights = {**_USUAL, **_MORE[person.role]}
        if only_talks:
            self._weights = {word: n for word, n in self._weights.items() if word in TALK}
        elif person.has_further_device:
            # The devices of a user are in the same rooms, so a view of one would begin by a deed of the other.
            del self._weights["join"], self._weights["part"]

    def send_files(self) -> None:
        """Send and fetch large files from now on, and do nothing else."""
        self._only_talks = True
        self._weights = {"large": 3, "fetch": 1}

    @property
    def has_debts(self) -> bool:
        """Whether somebody is muted or banned."""
        return bool(self._muted or self._banned)

    def pay(self) -> Deed | None:
        """Return the next command that lifts a mute or ban."""
        for user in sorted(self._muted):
            return Deed("unmute", target=user)
        for user in sorted(self._banned):
            return Deed("unban", target=user)
        return None

    def note(self, deed: Deed, is_done: bool) -> None:
        """Note the answer to a command. A command without an answer may have been carried out: see ``choose``."""
        if deed.command == "unmute":
            self._muted.discard(deed.target)
        elif deed.command == "unban":
            self._banned.discard(deed.target)
        elif deed.command == "room" and is_done:
            self._is_closed = True

    def choose(self, rooms: set[str]) -> Deed | None:
        """Return a deed of a user who is in ``rooms``, or None."""
        if self._person.role is Role.HOST and not self._only_talks:
            if CLOSED_ROOM not in rooms:
                return Deed("join", CLOSED_ROOM)
            if not self._is_closed:
                return Deed("room", CLOSED_ROOM, fields={"kind": "closed"})
        [word] = self._rng.choices(list(self._weights), list(self._weights.values()))
        if word in ("say", "whisper", "file", "large"):
            return self._speak(word, rooms)
        if word in ("join", "part"):
            return self._move(word, rooms)
        if word in ("invite", "remove"):
            return Deed(word, CLOSED_ROOM, self._rng.choice(self._accounts))
        if word in ("mute", "kick", "ban", "lift"):
            return self._moderate(word)
        return Deed(word)

    def _speak(self, word: str, rooms: set[str]) -> Deed:
        log, target = self._rng.choice(sorted(rooms)), ""
        is_file = word in ("file", "large")
        if word == "whisper" or (is_file and self._rng.random() < 0.2):
            target = self._rng.choice(
                [each for each in self._accounts if each != self._person.user]
            )
            # Files over 64 KiB do not wait for a user who is not here.
        size = self._rng.randint(0, _LONGEST_TEXT)
        if is_file:
            size = self._rng.randint(*(_LARGE if word == "large" else _SMALL))
        filling = self._rng.randbytes(size) if is_file else b"." * size
        return Deed("say", log, target, is_file, filling)

    def _move(self, word: str, rooms: set[str]) -> Deed | None:
        if word == "join":
            away = [room for room in (*OPEN_ROOMS, CLOSED_ROOM, PASSING_ROOM) if room not in rooms]
            return Deed("join", self._rng.choice(away)) if away else None
        here = sorted(rooms - {LOBBY, *([CLOSED_ROOM] if self._person.role is Role.HOST else [])})
        return Deed("part", self._rng.choice(here)) if here else None

    def _moderate(self, word: str) -> Deed | None:
        if word == "lift":
            return self.pay()
        target = self._rng.choice(self._victims)
        # Also if no answer comes: lifting what is not there does no harm.
        if word == "mute":
            self._muted.add(target)
        elif word == "ban":
            self._banned.add(target)
        return Deed(word, target=target)
