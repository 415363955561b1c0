"""Keep the bans and mutes that are in force, and answer whether one applies to a name or an address.

No I/O. Times are of the wall clock, since a ban outlives the process.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from ipaddress import ip_network
from typing import Any, NamedTuple

from chat.protocol.names import UserName, looks_of, name_key
from chat.server.limits.limits import address_key
from chat.server.settings import Network

MAX_ENTRIES = 10_000
MAX_REASON = 200  # characters
MAX_SECONDS = (
    100 * 366 * 86400
)  # a much later end would be no date: datetime stops at the year 9999
_WIDTHS = {4: (32,), 6: (64, 128)}  # bits of the prefixes that can be banned, by IP version
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

# Digits with dots, a slash, wildcards, a range or a port: 300.1.1.1, 1.2.3, 10/8, 10.0.0.*, 10.0.0.1:8080.
_LIKE_IPV4 = re.compile(r"[0-9]+(?=.*[./:])[0-9.*/:-]*", re.ASCII)
# Hexadecimal digits with at least two colons, or anything with a double colon: fe80:1:2, fe80::zz.
_LIKE_IPV6 = re.compile(r"\[?(?:[0-9a-f]*:){2}[0-9a-f:./%\]]*|.*::.*", re.ASCII | re.IGNORECASE)

NAME, NETWORK = "name", "network"
# The operation that changes them for the operator, and the command on the control socket.
OPERATOR_BAN = "operator-ban"
# The ``by`` of the command line. A user name has no blank, so no user can have this one.
OPERATOR = "the operator"


class BadBan(Exception):
    """The ban or mute is invalid; the text is a sentence for the moderator."""


class NoAddress(BadBan):
    """The target looks like an address or a network, and is neither. A user may still have it as a name."""

    def __init__(self) -> None:
        super().__init__(
            "This looks like an address, but is none; expected an IPv4 address such as 203.0.113.5, or an"
            " IPv6 address such as 2001:db8::1."
        )


class Ban(NamedTuple):
    """A ban of a name or of an address.

    If ``kind`` is NAME, ``target`` is the key of a name; if NETWORK, an IPv4 address or an IPv6 network. ``until`` and
    ``created`` are in seconds since 1970; ``until`` is None for a ban without an end. ``name`` is the banned name as
    users see it. For an address that was banned together with a user, ``name`` is the name of that user.
    """

    kind: str
    target: str
    until: int | None
    by: str
    reason: str | None
    created: int
    name: str | None = None

    @property
    def subject(self) -> str:
        """Return the banned address, or the banned name as users see it."""
        return self.target if self.kind == NETWORK else self.name or self.target

    def in_words(self, *, local: bool = False) -> str:
        """Describe the ban in one line of a list; ``local`` as in ``end_in_words``."""
        of = f" ({self.name})" if self.kind == NETWORK and self.name is not None else ""
        return f"{self.subject}{of} is banned {_end_and_reason(self, local=local)}"


class Mute(NamedTuple):
    """A mute: messages of the user with this name are refused. The other fields are as in :class:`Ban`."""

    name_key: str
    until: int | None
    by: str
    reason: str | None
    created: int

    def in_words(self, *, local: bool = False) -> str:
        """Describe the mute in one line of a list; ``local`` as in ``end_in_words``."""
        return f"{self.name_key} is muted {_end_and_reason(self, local=local)}"


class BanList:
    """All bans and mutes, found by name, by look-alike name and by address.

    Expired entries stay until they are removed, but no question about a name or an address finds them.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._names: dict[str, Ban] = {}
        self._networks: dict[Network, Ban] = {}
        self.mutes: dict[str, Mute] = {}  # by the key of the name; some may have expired
        # Two bans of names may share a look.
        self._by_look: dict[str, dict[str, Ban]] = {}  # the look, the key of the name

    def __len__(self) -> int:
        return len(self._names) + len(self._networks) + len(self.mutes)

    def add(self, *entries: Ban | Mute) -> None:
        """Put entries in force; each replaces an entry with the same target."""
        for entry in entries:
            if isinstance(entry, Mute):
                self.mutes[entry.name_key] = entry
            elif entry.kind == NETWORK:
                self._networks[ip_network(entry.target)] = entry
            else:
                before = self._names.get(entry.target)
                self._names[entry.target] = entry
                if before is not None:
                    self._find_looks_again()  # the name may be written in another way
                else:
                    self._add_looks(entry)

    def remove(self, *entries: Ban | Mute) -> None:
        """End the bans and mutes with the targets of these entries."""
        for entry in entries:
            if isinstance(entry, Mute):
                self.mutes.pop(entry.name_key, None)
            elif entry.kind == NETWORK:
                self._networks.pop(ip_network(entry.target), None)
            elif self._names.pop(entry.target, None) is not None:
                self._find_looks_again()

    def of_name(self, name: UserName, *, owned: bool = False) -> Ban | None:
        """Return the ban of ``name`` or of a name that looks like it (UTS #39), or None.

        ``owned``: the user has shown the password of this account, so a ban of a look-alike name does not apply.
        """
        found = self._in_force(self._names.get(name.key))
        # The looks of a name are slow to compute, and most rooms have no ban of a name.
        if found is not None or owned or not self._by_look:
            return found
        # The same one on all servers that share a log, however they have come to know the bans.
        alike = [
            ban
            for look in looks_of(name.display)
            for ban in self._by_look.get(look, {}).values()
            if self._counts(ban)
        ]
        return min(alike, key=lambda ban: (ban.by != OPERATOR, ban.target), default=None)

    def of_host(self, host: str | None) -> Ban | None:
        """Return the ban of an address, or None. ``host`` is None for a unix socket."""
        if host is None or not self._networks:
            return None
        # Bans have one width for each IP version, so one look-up is enough, however many bans there are.
        network = address_key(host, ())
        return self._in_force(self._networks.get(network)) if network is not None else None

    def mute_of(self, key: str) -> Mute | None:
        """Return the mute of the name with this key, or None."""
        mute = self.mutes.get(key)
        return mute if mute is not None and self._counts(mute) else None

    def why_muted(self, key: str) -> str | None:
        """Return why the user whose name has ``key`` is not heard, as a sentence for them; None if they are heard."""
        mute = self.mute_of(key)
        if mute is None:
            return None
        return sentence(f"You are muted {end_in_words(mute.until)}", mute.reason)

    def replace(self, other: BanList) -> None:
        """Take over the entries of ``other``.

        Other parts of the server hold this object, so its entries change and the object stays.
        """
        self._names, self._networks = other._names, other._networks
        self.mutes, self._by_look = other.mutes, other._by_look

    def about(self, target: str) -> list[Ban]:
        """Return the bans that end when ``target`` is unbanned.

        ``target`` is the key of a name, or a network as in ``Ban.target``. For a name, addresses that were banned
        together with the name are included.
        """
        everything = (*self._names.values(), *self._networks.values())
        return [ban for ban in everything if self._counts(ban) and target in _handles(ban)]

    def all(self) -> list[Ban | Mute]:
        """Return the entries in force, the latest first."""
        counting = [entry for entry in self._everything() if self._counts(entry)]
        return sorted(counting, key=lambda entry: entry.created, reverse=True)

    def expired(self) -> list[Ban | Mute]:
        """Return the entries whose time is over."""
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
        """Build the table of looks anew. Two bans may share a look: the end of one must not end the other."""
        self._by_look.clear()
        for ban in self._names.values():
            self._add_looks(ban)

    def _add_looks(self, ban: Ban) -> None:
        for look in _looks(ban):
            self._by_look.setdefault(look, {})[ban.target] = ban


# Cached, because the end of one ban makes ``_find_looks_again`` ask for the looks of all others.
@lru_cache(maxsize=MAX_ENTRIES)
def _looks(ban: Ban) -> frozenset[str]:
    return looks_of(ban.name or ban.target)


def _handles(ban: Ban) -> tuple[str | None, ...]:
    return ban.target, name_key(ban.name) if ban.kind == NETWORK and ban.name else None


def as_fields(entry: Ban | Mute) -> list[Any]:
    """Return a ban or mute as JSON can hold it."""
    return list(entry)


def read_fields(fields: Sequence[Any]) -> Ban | Mute:
    """Return what ``as_fields`` has made values of."""
    return Ban(*fields) if len(fields) == len(Ban._fields) else Mute(*fields)


def read_network(text: str) -> Network | None:
    """Return the network that a ban of the address ``text`` covers; None if ``text`` can only be a name.

    A ban covers one IPv4 address, or the /64 of an IPv6 address. Raises BadBan for a wider network, and NoAddress for a
    mistyped address: a ban of it as a name would let the address in.
    """
    host, slash, _ = text.partition("/")
    try:
        network = address_key(host, ())
        asked = ip_network(text, strict=False).prefixlen if slash else None
    except ValueError:
        if _looks_like_address(text):
            raise NoAddress from None
        return None
    if asked is not None and network is not None and asked not in _WIDTHS[network.version]:
        raise BadBan(
            "A ban covers one IPv4 address or one IPv6 /64; wider networks can't be banned."
        )
    return network


def _looks_like_address(text: str) -> bool:
    """Return whether ``text`` looks like an address, a network, a range, or an address with a port."""
    return bool(_LIKE_IPV4.fullmatch(text) or _LIKE_IPV6.fullmatch(text))


def is_loopback(network: Network) -> bool:
    """Return whether the network is of this machine's loopback, which all local users share."""
    return any(network.overlaps(each) for each in _LOOPBACK if each.version == network.version)


def in_words(network: Network) -> str:
    """Format a network as an IPv4 address or an IPv6 network; ``read_network`` reads both."""
    return str(network.network_address) if network.version == 4 else str(network)


def read_end(seconds: int | None, now: float) -> int | None:
    """Return the end of a ban that begins ``now`` and lasts ``seconds``; None if it has no end. Raises BadBan."""
    if seconds is None:
        return None
    if not 0 < seconds <= MAX_SECONDS:
        raise BadBan("A ban or mute lasts at least a second and at most 100 years.")
    return int(now) + seconds


def read_reason(text: str | None) -> str | None:
    """Return a reason on one line, without control characters: it is logged and shown to everyone. Raises BadBan."""
    reason = " ".join("".join(c if c.isprintable() else " " for c in text or "").split())
    if len(reason) > MAX_REASON:
        raise BadBan(f"The reason is too long: at most {MAX_REASON} characters are allowed.")
    return reason or None


def end_in_words(until: int | None, *, local: bool = False) -> str:
    """Format an end: ``until 2026-11-24 13:35:00 UTC``, or words for no end.

    ``local``: in the time zone of this machine, for the operator and the log. Users live in other zones; their clients
    turn the UTC of a sentence into the time of the user.
    """
    if until is None:
        return "until further notice"
    end = datetime.fromtimestamp(until, timezone.utc)
    return f"until {end.astimezone() if local else end:%Y-%m-%d %H:%M:%S %Z}"


def sentence(*parts: str | None) -> str:
    """Join the parts that are not empty with colons, and end them with a full stop: ``You are banned: spam.``"""
    text = ": ".join(part for part in parts if part)
    return text if text.endswith((".", "!", "?")) else f"{text}."


def list_in_words(entries: Sequence[Ban | Mute], limit: int) -> str:
    """List the entries, one a line, in about ``limit`` bytes at most; the last line counts those left out."""
    if not entries:
        return "Nobody is banned or muted."
    lines: list[str] = []
    size = 0
    for entry in entries:
        line = entry.in_words()
        size += len(line.encode()) + 1
        if size > limit - 100 and lines:  # 100 bytes are kept for the last line
            lines.append(f"And {len(entries) - len(lines)} older ones.")
            break
        lines.append(line)
    return "\n".join(lines)


def _end_and_reason(entry: Ban | Mute, *, local: bool) -> str:
    return sentence(f"by {entry.by}, {end_in_words(entry.until, local=local)}", entry.reason)
