"""Know the servers of the cluster: each tells the others about itself when it begins, by an operation in the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any, NamedTuple

from chat import __version__
from chat.net.address import Address
from chat.server.log.log import Change
from chat.server.log.operations import Operations
from chat.server.settings import Network, Settings
from chat.sizes import counted

log = logging.getLogger("chat.server")

SERVER = "server"
_OTHER_KEY = (
    "the server %s shows clients another key than this one, so they will not trust both; stop one of the two, remove "
    "server.key and server.crt from its data directory, and start it again: then it takes over the key of the other"
)


class ServerFacts(NamedTuple):
    """Describe a server to the others: its name, where clients and servers reach it, and its version.

    ``level`` is the feature level of its records: see ``record_codec.VERSION``. ``fingerprint`` is that of the key that
    it shows to clients; empty without TLS. ``protected`` are networks that must not be banned: its proxies, and those
    that are exempt from its limits.
    """

    node: str
    addresses: tuple[str, ...]
    peer: str
    version: str
    level: int
    fingerprint: str
    protected: tuple[str, ...] = ()


class ServerList:
    """The servers that have begun and not ended, by the names of their runs in the log."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._servers: dict[str, ServerFacts] = {}
        self._protected: tuple[Network, ...] | None = None
        operations.add(SERVER, self._note)

    def restore(self, stored: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over what ``stored`` returned when the state was written."""
        self._servers = {run: _read(fields) for run, fields in stored.items()}
        self._protected = None

    def stored(self) -> dict[str, dict[str, Any]]:
        """Return the servers as JSON can hold them."""
        return {run: facts._asdict() for run, facts in self._servers.items()}

    def tell(self, facts: ServerFacts) -> None:
        """Tell the others about this server, and wait until the log has it."""
        self._operations.perform(SERVER, facts._asdict())

    def forget(self, run: str, sessions: int) -> None:
        """Note that the server run ``run`` has ended, and that its ``sessions`` have left."""
        ended = self._servers.pop(run, None)
        if ended is not None:
            self._protected = None
            left = counted(sessions, "session")
            log.info("the server %s has left the cluster, and %s with it", ended.node, left)

    def of(self, run: str) -> ServerFacts | None:
        """Return what the server run ``run`` has told; None if it has ended."""
        return self._servers.get(run)

    def all(self) -> dict[str, ServerFacts]:
        """Return all servers by the names of their runs."""
        return dict(self._servers)

    def others(self, own: str) -> list[ServerFacts]:
        """Return the servers besides the run ``own``."""
        return [facts for run, facts in self._servers.items() if run != own]

    def warn_of_other_keys(self, own: str, fingerprint: str) -> None:
        """Log a warning for each server that shows clients another key than the run ``own``."""
        for server in self.others(own):
            if server.fingerprint != fingerprint:
                log.warning(_OTHER_KEY, server.node)

    def tell_soon(self, facts: ServerFacts) -> None:
        """Tell the others what has changed about this server, without waiting. Raises LogFull."""
        self._operations.post(SERVER, facts._asdict())

    def protected(self) -> tuple[Network, ...]:
        """Return the networks that must not be banned at any server."""
        if self._protected is None:
            named = {each for facts in self._servers.values() for each in facts.protected}
            self._protected = tuple(map(ip_network, sorted(named)))
        return self._protected

    def _note(self, change: Change) -> None:
        # Another run of this server may have crashed; a fence ends it later.
        self._servers[change.writer] = _read(change.fields)
        self._protected = None


def facts_of(settings: Settings, peer: Address | None, fingerprint: str, level: int) -> ServerFacts:
    """Return what a server with ``settings`` tells the others, which reach it at ``peer``."""
    return ServerFacts(
        settings.node,
        tuple(map(str, settings.public_addresses)),
        str(peer) if peer is not None else "",
        __version__,
        level,
        fingerprint,
        tuple(map(str, settings.protected)),
    )


def _read(fields: Mapping[str, Any]) -> ServerFacts:
    values = {name: fields[name] for name in ServerFacts._fields}
    values["addresses"] = tuple(values["addresses"])
    values["protected"] = tuple(values["protected"])
    return ServerFacts(**values)
