"""Visitors who connect to servers on this machine and elsewhere, and answer questions about trust."""

from __future__ import annotations

from pathlib import Path

from chat.client.runtime.runtime import PLAIN, Runtime
from chat.client.trust.connector import Connector, TlsChoice, TrustPolicy, UnknownServer
from chat.client.trust.known_hosts import KnownHosts
from chat.net.address import Address
from chat.net.fingerprint import Fingerprint
from tests.peers.tls_server import GREETING, LittleServer

# Both are this machine, but the other spelling is one that only the system knows.
HERE, ELSEWHERE = "127.0.0.1", "0x7f.1"


class Visitor:
    """A user who makes connectors, and answers ``trusts`` if asked whether a server is trusted."""

    def __init__(self, path: Path, runtime: Runtime = PLAIN, trusts: bool | None = None) -> None:
        self.known_hosts = KnownHosts(path)
        self.asked: list[UnknownServer] = []
        self.warned: list[str] = []
        self._runtime = runtime
        self._trusts = trusts

    def connector(
        self,
        server: LittleServer,
        host: str = ELSEWHERE,
        *,
        tls: TlsChoice = "auto",
        fingerprint: Fingerprint | None = None,
        insecure: bool = False,
    ) -> Connector:
        judge = None if self._trusts is None else self._judge
        policy = TrustPolicy(
            tls, fingerprint, insecure, self.known_hosts, judge, self.warned.append
        )
        return Connector(self._runtime, Address(host, server.port), policy)

    def _judge(self, unknown_server: UnknownServer) -> bool:
        self.asked.append(unknown_server)
        assert self._trusts is not None
        return self._trusts


def enter(connector: Connector) -> bool:
    """Probe and open a connection until the server greets; return whether it was encrypted."""
    connector.probe(5)
    use(connector)
    return connector.is_encrypted


def use(connector: Connector) -> None:
    stream = connector.open(5)
    stream.settimeout(30)
    stream.send(memoryview(b"?"), 5)
    buffer = memoryview(bytearray(100))
    assert bytes(buffer[: stream.recv_into(buffer)]) == GREETING
    stream.shut()
    stream.close()
