"""Read the state of the server as plain numbers and texts, for ``chat-server status``.

The parts of the server are read only when somebody asks. The snapshot has no name and no address of a user.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from chat import __version__
from chat.local_time import utc_timestamp
from chat.net.address import Address
from chat.server.accounts.accounts import Accounts
from chat.server.attachments.spool import Spool
from chat.server.delivery.send_queue import BacklogLimits
from chat.server.directory.directory import Directory
from chat.server.history.files.kept_files import KeptFiles
from chat.server.history.history import HistoryStore
from chat.server.history.search.message_search import MessageSearch
from chat.server.moderation.bans import Ban
from chat.server.moderation.moderation import Moderation
from chat.server.monitoring.recent_rates import RecentRates
from chat.server.net.certificates import Certificates
from chat.server.net.connection_slots import ConnectionSlots
from chat.server.rooms.rooms import Rooms
from chat.server.sessions.session import Session
from chat.server.settings import Settings

Part = Callable[[], dict[str, Any]]


class LiveStatus:
    """Join what ``parts`` tell into one description of the process."""

    def __init__(self, *parts: Part) -> None:
        self._parts = parts
        self._started = datetime.now(timezone.utc)

    def take(self) -> dict[str, Any]:
        """Return the state of now. Sizes are in bytes; rates are per second."""
        now = datetime.now(timezone.utc)
        state: dict[str, Any] = {
            "version": __version__,
            "pid": os.getpid(),
            "started": utc_timestamp(self._started),
            "uptime_seconds": max(0, int((now - self._started).total_seconds())),
            "memory_bytes": _resident_memory(),
        }
        for part in self._parts:
            state |= part()
        return state


def people(
    directory: Directory[Session],
    connection_slots: ConnectionSlots,
    settings: Settings,
    visiting: Callable[[], int] = lambda: 0,
) -> dict[str, Any]:
    """Return the numbers of users, sessions and connections.

    ``visiting`` returns the number of transfers here of sessions at other servers.

    ``json_users``, ``raw_users`` and ``tls_users`` count sessions: a user may have several, of different kinds.
    """
    sessions = list(directory.here)
    is_json = sum(session.token is not None for session in sessions)
    return {
        "users": directory.users,
        "max_users": settings.max_users,
        "sessions": len(sessions),
        "json_users": is_json,
        "raw_users": len(sessions) - is_json,
        "tls_users": sum(session.connection.is_encrypted for session in sessions),
        "registered_users": len({session.name.key for session in sessions if session.registered}),
        "connections": len(connection_slots),
        "transfers": visiting() + sum(len(session.transfers) for session in sessions),
    }


def traffic(rates: RecentRates, messages: Callable[[], int]) -> dict[str, Any]:
    """Return the messages since the start, and the rates of the last minute."""
    return {"messages": messages(), "rates": rates.per_second()}


def rooms(known: Rooms, settings: Settings) -> dict[str, Any]:
    """Return the name of the default room, the numbers of the others and of their members here, and the limit."""
    status = {"default": known.default.name, **known.status()._asdict()}
    return {"rooms": {**status, "max_rooms": settings.max_rooms}}


def space(settings: Settings, backlogs: BacklogLimits, spool: Spool) -> dict[str, Any]:
    """Return the bytes that wait for slow readers, and those of attachments."""
    return {
        "backlog_bytes": backlogs.used,
        "max_backlog_bytes": settings.max_backlog_total,
        "spool_bytes": spool.used,
        "max_spool_bytes": settings.max_spool,
    }


def kept(
    history: HistoryStore | None, files: KeptFiles | None, search: MessageSearch | None
) -> dict[str, Any]:
    """Return what waits for the disk and for the index, and what the disk has.

    None in a server that keeps no messages, or has no search.
    """
    return {
        "history": history.status()._asdict() if history is not None else None,
        "files": files.status()._asdict() if files is not None else None,
        "search": search.indexer.status()._asdict() if search is not None else None,
    }


def guards(accounts: Accounts, moderation: Moderation) -> dict[str, Any]:
    """Return the numbers of accounts, bans and mutes."""
    entries = moderation.entries.all()
    bans = sum(isinstance(entry, Ban) for entry in entries)
    return {"accounts": len(accounts.look()), "bans": bans, "mutes": len(entries) - bans}


def doors(
    settings: Settings,
    certificates: Certificates | None,
    addresses: Callable[[], Sequence[Address]],
    metrics_addresses: Callable[[], Sequence[Address]],
) -> dict[str, Any]:
    """Return the addresses on which the server listens, and its key."""
    return {
        "addresses": list(map(str, addresses())),
        "metrics_addresses": list(map(str, metrics_addresses())),
        "tls": settings.tls.value,
        "fingerprint": str(certificates.fingerprint) if certificates is not None else None,
    }


def _resident_memory() -> int | None:
    """Return the bytes of memory that are resident; None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * resource.getpagesize()
