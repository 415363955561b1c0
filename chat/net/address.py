"""Parse the addresses of servers: ``HOST:PORT``, ``[IPv6]:PORT``, ``:PORT`` or ``unix:PATH``."""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

_ADDRESS = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[^:\[\]/\s\x00-\x20\x7f]*)):(?P<port>[0-9]{1,5})",
    re.ASCII,
)
# ``ipaddress`` knows loopback addresses too, but takes longer to import than everything else here.
_LOOPBACK = re.compile(r"127(?:\.[0-9]{1,3}){1,3}|::1|localhost\.?|", re.ASCII | re.IGNORECASE)
DEFAULT_ADDRESS = "127.0.0.1:8080"


class Address(NamedTuple):
    """Hold ``host`` and ``port`` of TCP (``host`` is empty for ``:PORT``), or the ``path`` of a unix socket."""

    host: str = ""
    port: int = 0
    path: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Return whether a connection to this address stays on this machine, where nobody on the way can listen.

        ``localhost`` always means this machine (RFC 6761, section 6.3).
        """
        return self.path is not None or _LOOPBACK.fullmatch(self.host) is not None


def parse_address(text: str) -> Address:
    """Parse an address. Raises ValueError with one line that says what is wrong and what is expected."""
    if text.startswith("unix:"):
        path = text[len("unix:") :]
        # The kernel's sockaddr_un holds 108 bytes, with the closing NUL.
        if not path or len(path.encode(errors="surrogateescape")) > 107:
            raise ValueError(
                f"invalid address {text!r}: expected unix:PATH with a path of 1 to 107 bytes"
            )
        return Address(path=path)
    match = _ADDRESS.fullmatch(text)
    if not match or int(match["port"]) > 65535 or not _can_be_a_host(match["host"], match["ipv6"]):
        raise ValueError(
            f"invalid address {text!r}: expected HOST:PORT, [IPv6]:PORT, :PORT or unix:PATH, a port from 0 to 65535"
        )
    return Address(match["ipv6"] or match["host"], int(match["port"]))


def _can_be_a_host(host: str | None, ipv6: str | None) -> bool:
    """Return whether the host may be looked up.

    The look-up of a malformed host name raises UnicodeError, not an error of the network.
    """
    try:
        if ipv6:
            socket.inet_pton(socket.AF_INET6, ipv6.partition("%")[0])
        elif host:
            host.encode("idna")
    except (OSError, UnicodeError):
        return False
    return True
