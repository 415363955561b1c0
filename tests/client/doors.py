"""Who knocks at the doors of servers, here and elsewhere."""

from __future__ import annotations

from pathlib import Path

from chat.client.runtime.runtime import PLAIN, Runtime
from chat.client.trust.known_hosts import KnownHosts
from chat.client.trust.trust import Demands, Door, Stranger, TlsChoice
from chat.net.address import Address
from chat.net.fingerprint import Fingerprint
from tests.peers.tls_server import GREETING, LittleServer

# Both are this machine, but the other spelling is one that only the system knows.
HERE, ELSEWHERE = "127.0.0.1", "0x7f.1"


class Visitor:
    """Knocks at doors, and answers ``trusts`` to what is asked there."""

    def __init__(self, path: Path, runtime: Runtime = PLAIN, trusts: bool | None = None) -> None:
        self.known_hosts = KnownHosts(path)
        self.asked: list[Stranger] = []
        self.warned: list[str] = []
        self._runtime = runtime
        self._trusts = trusts

    def door(
        self,
        server: LittleServer,
        host: str = ELSEWHERE,
        *,
        tls: TlsChoice = "auto",
        fingerprint: Fingerprint | None = None,
        insecure: bool = False,
    ) -> Door:
        judge = None if self._trusts is None else self._judge
        demands = Demands(tls, fingerprint, insecure, self.known_hosts, judge, self.warned.append)
        return Door(self._runtime, Address(host, server.port), demands)

    def _judge(self, stranger: Stranger) -> bool:
        self.asked.append(stranger)
        assert self._trusts is not None
        return self._trusts


def enter(door: Door) -> bool:
    """Through the door until the server greets; whether that was encrypted."""
    door.knock(5)
    use(door)
    return door.is_encrypted


def use(door: Door) -> None:
    stream = door.open(5)
    stream.settimeout(5)
    stream.send(memoryview(b"?"), 5)
    buffer = memoryview(bytearray(100))
    assert bytes(buffer[: stream.recv_into(buffer)]) == GREETING
    stream.shut()
    stream.close()
