"""Ask the engine which servers hold a lease, for the operator."""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple

from chat.net.engine_url import EngineUrl
from chat.server.cluster.engine_line import LogKeys
from chat.server.cluster.redis_connection import Dialer, EngineAway

_TIMEOUT = 1.0  # seconds: an operator waits for the answer


class HeldLease(NamedTuple):
    """The lease of a server run: the last entry it has applied, and the seconds until the lease ends."""

    applied: int
    ends_in: float


def read_leases(url: EngineUrl) -> dict[str, HeldLease]:
    """Return the leases by the names of the server runs; none if the engine does not answer."""
    leases = {}
    try:
        with closing(Dialer(url, _TIMEOUT).dial()) as connection:
            seconds, micros = connection.call("TIME")
            texts = connection.call("HVALS", LogKeys(url.prefix).all[2])
    except EngineAway:
        return {}
    now = int(seconds) * 1000 + int(micros) / 1000
    for text in texts:
        run, ends, _, applied = text.decode().split()
        leases[run] = HeldLease(int(applied), (int(ends) - now) / 1000)
    return leases
