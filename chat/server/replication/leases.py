"""Ask the engine which servers hold a lease, and how to reach them."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import NamedTuple

from chat.net.address import Address, parse_address
from chat.net.engine_url import EngineUrl
from chat.server.cluster.engine_line import LogKeys
from chat.server.cluster.redis_connection import Dialer, EngineAway, EngineConnection

log = logging.getLogger("chat.server")

_TIMEOUT = 1.0  # seconds: an operator waits for the answer


class HeldLease(NamedTuple):
    """The lease of a server run: the last entry it has applied, and the seconds until the lease ends."""

    applied: int
    ends_in: float


def read_leases(url: EngineUrl) -> dict[str, HeldLease] | None:
    """Return the leases by the names of the server runs; None if the engine does not answer."""
    try:
        with closing(Dialer(url, _TIMEOUT).dial()) as connection:
            return _ask_for_leases(connection, url)
    except EngineAway:
        return None


def _ask_for_leases(connection: EngineConnection, url: EngineUrl) -> dict[str, HeldLease]:
    leases = {}
    seconds, micros = connection.call("TIME")
    texts = connection.call("HVALS", LogKeys(url.prefix).all[2])
    now = int(seconds) * 1000 + int(micros) / 1000
    for text in texts:
        run, ends, _, applied = text.decode().split()
        leases[run] = HeldLease(int(applied), (int(ends) - now) / 1000)
    return leases


def tell_peer_address(url: EngineUrl, run: str, address: Address) -> None:
    """Tell servers that have no data yet where the server run ``run`` listens for them. Raises EngineAway."""
    with closing(Dialer(url, _TIMEOUT).dial()) as connection:
        connection.call("HSET", _peers_key(url), run, str(address))


def forget_peer_address(url: EngineUrl, run: str) -> None:
    """Take that back, if the engine can be reached."""
    try:
        with closing(Dialer(url, _TIMEOUT).dial()) as connection:
            connection.call("HDEL", _peers_key(url), run)
    except EngineAway:
        log.debug("the engine does not answer; the address stays until another server removes it")


def read_peers(url: EngineUrl) -> list[Address]:
    """Return where the servers that hold a lease listen for others; addresses of servers that have ended go.

    The server whose lease ends last is first: one that hangs does not renew its lease. Raises EngineAway.
    """
    with closing(Dialer(url, _TIMEOUT).dial()) as connection:
        # In this order: a server tells its address when it has its lease. And an engine that does not answer must not
        # look like one without leases, or the addresses of all servers would go.
        told = connection.call("HGETALL", _peers_key(url))
        leases = _ask_for_leases(connection, url)
        runs = [
            (run.decode(), address.decode())
            for run, address in zip(told[::2], told[1::2], strict=True)
        ]
        ended = [run for run, _ in runs if run not in leases]
        if ended:
            connection.call("HDEL", _peers_key(url), *ended)
    held = [(leases[run].ends_in, address) for run, address in runs if run in leases]
    return [parse_address(address) for _, address in sorted(held, reverse=True)]


def _peers_key(url: EngineUrl) -> str:
    return f"{url.prefix}:peers"
