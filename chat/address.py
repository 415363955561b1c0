"""Where a server listens and a client connects: ``HOST:PORT``, ``[IPv6]:PORT``, ``:PORT`` or ``unix:PATH``."""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

_ADDRESS = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[^:\[\]/\s\x00-\x20\x7f]*)):(?P<port>[0-9]{1,5})",
    re.ASCII,
)
# ``ipaddress`` knows them too, but takes longer to import than all else here together.
_LOOPBACK = re.compile(r"127(?:\.[0-9]{1,3}){1,3}|::1|localhost\.?|", re.ASCII | re.IGNORECASE)
DEFAULT_ADDRESS = "127.0.0.1:8080"


class Address(NamedTuple):
    """``host`` and ``port`` of TCP (``host`` is empty for ``:PORT``), or the ``path`` of a unix socket."""

    host: str = ""
    port: int = 0
    path: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether a client that connects to it stays on this machine, where nobody on the way can listen.

        By RFC 6761 (section 6.3) ``localhost`` is no other's name.
        """
        return self.path is not None or _LOOPBACK.fullmatch(self.host) is not None


def parse_address(text: str) -> Address:
    """Raises ValueError with one line that says what is wrong and what is expected."""
    if text.startswith("unix:"):
        path = text[len("unix:") :]
        # 108 bytes with the closing NUL is what the kernel's sockaddr_un holds.
        if not path or len(path.encode(errors="surrogateescape")) > 107:
            raise ValueError(
                f"{text!r} is no address: expected unix:PATH with a path of 1 to 107 bytes"
            )
        return Address(path=path)
    match = _ADDRESS.fullmatch(text)
    if not match or int(match["port"]) > 65535 or not _can_be_a_host(match["host"], match["ipv6"]):
        raise ValueError(
            f"{text!r} is no address: expected HOST:PORT, [IPv6]:PORT, :PORT or unix:PATH, a port from 0 to 65535"
        )
    return Address(match["ipv6"] or match["host"], int(match["port"]))


def _can_be_a_host(host: str | None, ipv6: str | None) -> bool:
    """Whether it may be looked up: what is no host name at all is a UnicodeError there, not a failed look-up."""
    try:
        if ipv6:
            socket.inet_pton(socket.AF_INET6, ipv6.partition("%")[0])
        elif host:
            host.encode("idna")
    except (OSError, UnicodeError):
        return False
    return True
