"""Gather how a server stands to its cluster, for the operator and for metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from chat.net.engine_url import EngineUrl
from chat.server.cluster.replicated_log import ReplicatedLog
from chat.server.replication.leases import read_leases
from chat.server.replication.server_list import ServerFacts


def status_of(
    url: EngineUrl,
    replicated: ReplicatedLog | None,
    own: str,
    servers: Mapping[str, ServerFacts],
    homes: Iterable[tuple[str, str]],
) -> dict[str, Any]:
    """Return where ``replicated`` is in the log, and what is known of the ``servers``; see ``cluster_report``.

    Servers are named by their runs, and ``own`` is that of this server. ``homes`` are the servers of all sessions, with
    the keys of their users' names. Asks the engine for the leases.
    """
    records, size = replicated.waiting if replicated is not None else (0, 0)
    users: dict[str, set[str]] = {}
    for home, key in homes:
        users.setdefault(home, set()).add(key)
    found = read_leases(url)
    leases = found or {}
    return {
        "epoch": replicated.epoch if replicated is not None else "",
        "applied": replicated.applied.n if replicated is not None else 0,
        "head": replicated.head if replicated is not None else 0,
        "waiting": {"records": records, "bytes": size},
        "engine": str(url.addresses[0]),
        "leases_known": found is not None,
        "servers": [
            {
                "node": facts.node,
                "addresses": list(facts.addresses),
                "peer": facts.peer,
                "version": facts.version,
                "users": len(users.get(run, ())),
                "applied": leases[run].applied if run in leases else None,
                "lease_ends_in": leases[run].ends_in if run in leases else None,
                "is_here": run == own,
            }
            for run, facts in servers.items()
        ],
    }
