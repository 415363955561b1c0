"""Lay out how a server stands to its cluster, for people to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chat.sanitize import sanitize
from chat.sizes import byte_count, counted

FOLLOWING = "following"

# What each standing means for users, and what an operator may do.
_MEANINGS = {
    "starting": "the server has not read the log to its end yet; it takes no logins",
    FOLLOWING: "ready",
    "engine away": "messages are not confirmed until the engine is back",
    "lease over": "its sessions have ended, and clients try the other servers",
    "log cut": "the engine has lost entries; the server begins again in a new epoch",
    "behind the log": "the server takes a copy from another server",
    "failed": "an entry could not be applied; the log of the server says why",
    "closed": "the server has left the log, and stops",
}
_COLUMNS = ("server", "users", "behind", "lease", "version", "peers", "clients")
_RIGHT = frozenset(("users", "behind", "lease"))
_UNKNOWN = "-"


def is_ready(status: Mapping[str, Any]) -> bool:
    """Return whether the server follows the log."""
    return bool(status["standing"] == FOLLOWING)


def cluster_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a status.

    Numbers of entries are counts from the beginning of the log. Texts may come from other servers, so they are
    sanitized.
    """
    yield f"node      {sanitize(status['node'])}"
    yield f"standing  {_standing(status)}"
    yield f"engine    {sanitize(status['engine'])}"
    yield f"epoch     {sanitize(status['epoch'])}"
    behind = max(0, status["head"] - status["applied"])
    yield (
        f"applied   entry {status['applied']:,} of {status['head']:,}"
        f"{f'; {behind:,} behind' if behind else ''}"
    )
    yield f"waiting   {_waiting(status['waiting'])}"
    servers = status["servers"]
    if servers:
        yield ""
        yield from _table([_row(server, status) for server in servers])


def _standing(status: Mapping[str, Any]) -> str:
    standing = sanitize(status["standing"])
    meaning = _MEANINGS.get(standing)
    words = f"{standing}: {meaning}" if meaning is not None else standing
    return f"{words} ({sanitize(status['reason'])})" if status["reason"] else words


def _waiting(waiting: Mapping[str, int]) -> str:
    records = waiting["records"]
    if not records:
        return "nothing waits for the engine"
    verb = "waits" if records == 1 else "wait"
    return f"{counted(records, 'record')} of {byte_count(waiting['bytes'])} {verb} for the engine"


def _row(server: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, str]:
    # Of other servers the engine knows what they had applied when they renewed their leases.
    applied = status["applied"] if server["is_here"] else server["applied"]
    head, ends_in = status["head"], server["lease_ends_in"]
    held = ends_in is not None and ends_in > 0
    # The engine does not answer: nobody knows.
    over = "over" if status.get("leases_known", True) else _UNKNOWN
    return {
        "server": sanitize(server["node"]) + (" (this one)" if server["is_here"] else ""),
        "users": _text(server["users"]),
        "behind": _UNKNOWN if applied is None else f"{max(0, head - applied):,}",
        "lease": f"{ends_in:.0f} s" if held else over,
        "version": _text(server["version"]),
        "peers": _text(server["peer"]),
        "clients": ", ".join(map(_text, server["addresses"])) or _UNKNOWN,
    }


def _text(value: object) -> str:
    return _UNKNOWN if value is None or value == "" else sanitize(str(value))


def _table(rows: list[dict[str, str]]) -> Iterator[str]:
    titles = {name: name for name in _COLUMNS}
    widths = {name: max(len(row[name]) for row in (titles, *rows)) for name in _COLUMNS}
    for row in (titles, *rows):
        cells = (
            row[name].rjust(widths[name]) if name in _RIGHT else row[name].ljust(widths[name])
            for name in _COLUMNS
        )
        yield "  ".join(cells).rstrip()
