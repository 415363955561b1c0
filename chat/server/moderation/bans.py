"""Who is not to come in, and who is not to be heard: what is kept of it, and the questions that are asked of it.

No I/O; the time is the wall clock's, since a ban outlives the server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from ipaddress import ip_network
from typing import NamedTuple

from chat.protocol.names import UserName, looks_of, name_key
from chat.server.limits.limits import address_key
from chat.server.settings import Network

MAX_ENTRIES = 10_000
MAX_REASON = 200  # characters
MAX_SECONDS = 100 * 366 * 86400  # beyond, an end is no longer a date
_WIDTHS = {4: (32,), 6: (64, 128)}  # in bits, of what can be banned
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

NAME, NETWORK = "name", "network"
OPERATOR = "the operator"  # as the one by whom; no user can have that name


class BadBan(Exception):
    """Not something that can be banned or muted so; the text is a sentence for the moderator."""


class Ban(NamedTuple):
    """``kind`` is NAME, and ``target`` the key of a name, or NETWORK, and an address or a network.

    ``until`` and ``created`` are in seconds since 1970; ``until`` None: until it is lifted. ``name`` is that of a
    name, as it is shown, or that of whom a network was banned with.
    """

    kind: str
    target: str
    until: int | None
    by: str
    reason: str | None
    created: int
    name: str | None = None

    def __str__(self) -> str:
        """One line of a list."""
        of = f" ({self.name})" if self.name is not None else ""
        what = f"{self.target}{of}" if self.kind == NETWORK else self.name or self.target
        return f"{what} is banned {_end_and_reason(self)}"


class Mute(NamedTuple):
    """Who has this name is not heard; the rest is as in :class:`Ban`."""

    name_key: str
    until: int | None
    by: str
    reason: str | None
    created: int

    def __str__(self) -> str:
        return f"{self.name_key} is muted {_end_and_reason(self)}"


class BanList:
    """Everything that is in force, by what it is asked for."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._names: dict[str, Ban] = {}
        self._networks: dict[Network, Ban] = {}
        self.mutes: dict[str, Mute] = {}  # by the key of the name; some may have expired
        self._by_look: dict[str, Ban] = {}

    def __len__(self) -> int:
        return len(self._names) + len(self._networks) + len(self.mutes)

    def add(self, *entries: Ban | Mute) -> None:
        """From now on; instead of what has the same target."""
        for entry in entries:
            if isinstance(entry, Mute):
                self.mutes[entry.name_key] = entry
            elif entry.kind == NETWORK:
                self._networks[ip_network(entry.target)] = entry
            else:
                self._names[entry.target] = entry
                self._by_look.update(dict.fromkeys(_looks(entry), entry))

    def remove(self, *entries: Ban | Mute) -> None:
        """No longer."""
        for entry in entries:
            if isinstance(entry, Mute):
                self.mutes.pop(entry.name_key, None)
            elif entry.kind == NETWORK:
                self._networks.pop(ip_network(entry.target), None)
            elif self._names.pop(entry.target, None) is not None:
                self._find_looks_again()

    def of_name(self, name: UserName, *, owned: bool = False) -> Ban | None:
        """The ban of ``name`` or, unless it is ``owned`` by who is asking to come in, of one that looks like it."""
        found = self._in_force(self._names.get(name.key))
        if found is not None or owned or not self._by_look:
            return found
        alike = (self._in_force(self._by_look.get(look)) for look in looks_of(name.display))
        return next((ban for ban in alike if ban is not None), None)

    def of_host(self, host: str | None) -> Ban | None:
        """The ban of an address; ``host`` is None for a unix socket."""
        if host is None or not self._networks:
            return None
        network = address_key(host, ())
        return self._in_force(self._networks.get(network)) if network is not None else None

    def mute_of(self, key: str) -> Mute | None:
        """What keeps the one of that name from being heard."""
        mute = self.mutes.get(key)
        return mute if mute is not None and self._counts(mute) else None

    def why_muted(self, key: str) -> str | None:
        """Return why the user whose name has ``key`` is not heard, as a sentence for them; None if they are heard."""
        mute = self.mute_of(key)
        if mute is None:
            return None
        return sentence(f"You are muted {end_in_words(mute.until)}", mute.reason)

    def replace(self, other: BanList) -> None:
        """Have the entries of ``other`` instead."""
        self._names, self._networks = other._names, other._networks
        self.mutes, self._by_look = other.mutes, other._by_look

    def about(self, target: str) -> list[Ban]:
        """What lifting the ban of ``target`` lifts: a key, then with its networks, or a network as in a ban."""
        everything = (*self._names.values(), *self._networks.values())
        return [ban for ban in everything if self._counts(ban) and target in _handles(ban)]

    def all(self) -> list[Ban | Mute]:
        """What is in force, the latest first."""
        counting = [entry for entry in self._everything() if self._counts(entry)]
        return sorted(counting, key=lambda entry: entry.created, reverse=True)

    def expired(self) -> list[Ban | Mute]:
        """What is kept for nothing."""
        return [entry for entry in self._everything() if not self._counts(entry)]

    def _everything(self) -> Iterator[Ban | Mute]:
        yield from self._names.values()
        yield from self._networks.values()
        yield from self.mutes.values()

    def _in_force(self, ban: Ban | None) -> Ban | None:
        return ban if ban is not None and self._counts(ban) else None

    def _counts(self, entry: Ban | Mute) -> bool:
        return entry.until is None or entry.until > self._clock()

    def _find_looks_again(self) -> None:
        """Two bans may have a look in common: one that is lifted does not lift the other."""
        self._by_look.clear()
        for ban in self._names.values():
            self._by_look.update(dict.fromkeys(_looks(ban), ban))


@lru_cache(maxsize=MAX_ENTRIES)
def _looks(ban: Ban) -> frozenset[str]:
    return looks_of(ban.name or ban.target)


def _handles(ban: Ban) -> tuple[str | None, ...]:
    return ban.target, name_key(ban.name) if ban.kind == NETWORK and ban.name else None


def read_network(text: str) -> Network | None:
    """The address or network that ``text`` is, as wide as a ban of it is; None if it is none at all.

    Raises BadBan for a network that is wider.
    """
    host, slash, _ = text.partition("/")
    try:
        network = address_key(host, ())
        asked = ip_network(text, strict=False).prefixlen if slash else None
    except ValueError:
        return None
    if asked is not None and network is not None and asked not in _WIDTHS[network.version]:
        raise BadBan("One address of IPv4 can be banned, or a /64 of IPv6, not a wider network.")
    return network


def is_loopback(network: Network) -> bool:
    """Of this machine: anybody here could be behind it."""
    return any(network.overlaps(each) for each in _LOOPBACK if each.version == network.version)


def in_words(network: Network) -> str:
    """As a list shows it and as it is read again: an address of IPv4, a network of IPv6."""
    return str(network.network_address) if network.version == 4 else str(network)


def read_end(seconds: int | None, now: float) -> int | None:
    """When what begins ``now`` and is for so many ``seconds`` ends. Raises BadBan."""
    if seconds is None:
        return None
    if not 0 < seconds <= MAX_SECONDS:
        raise BadBan("The time must be at least a second and at most 100 years.")
    return int(now) + seconds


def read_reason(text: str | None) -> str | None:
    """On one line and harmless, for it is logged and shown to everyone. Raises BadBan."""
    reason = " ".join("".join(c if c.isprintable() else " " for c in text or "").split())
    if len(reason) > MAX_REASON:
        raise BadBan(f"A reason has at most {MAX_REASON} characters.")
    return reason or None


def end_in_words(until: int | None) -> str:
    """``until 2026-11-24 13:35:00 UTC``."""
    if until is None:
        return "until it is lifted"
    return f"until {datetime.fromtimestamp(until, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def sentence(*parts: str | None) -> str:
    """The first part, and the rest as what explains it: ``You are banned: spam.``"""
    text = ": ".join(part for part in parts if part)
    return text if text.endswith((".", "!", "?")) else f"{text}."


def list_in_words(entries: Sequence[Ban | Mute], limit: int) -> str:
    """One on a line, in at most ``limit`` bytes or so."""
    if not entries:
        return "Nobody is banned or muted."
    lines: list[str] = []
    size = 0
    for entry in entries:
        line = str(entry)
        size += len(line.encode()) + 1
        if size > limit - 100 and lines:
            lines.append(f"And {len(entries) - len(lines)} more, made before these.")
            break
        lines.append(line)
    return "\n".join(lines)


def _end_and_reason(entry: Ban | Mute) -> str:
    return sentence(f"by {entry.by}, {end_in_words(entry.until)}", entry.reason)
