"""Parse the addresses of servers: ``HOST``, ``HOST:PORT``, ``[IPv6]:PORT``, ``PORT``, ``:PORT`` or ``unix:PATH``."""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

_IPV6 = r"[0-9A-Fa-f:.]+(?:%[\w.-]+)?"
_ADDRESS = re.compile(
    rf"(?:\[(?P<ipv6>{_IPV6})\]|(?P<host>[^:@\[\]/\s\x00-\x20\x7f]*))(?::(?P<port>[0-9]{{1,5}}))?",
    re.ASCII,
)
_BARE_IPV6 = re.compile(_IPV6, re.ASCII)
# Both readings of ``::1:8080`` are usual: an address that ends in 8080, and port 8080 of ``::1``.
_MAY_END_IN_PORT = re.compile(r"(?P<host>[^%]+):(?P<port>[1-9][0-9]{0,4})", re.ASCII)
# ``ipaddress`` knows loopback addresses too, but takes longer to import than everything else here.
_LOOPBACK = re.compile(r"127(?:\.[0-9]{1,3}){1,3}|::1|localhost\.?|", re.ASCII | re.IGNORECASE)
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_ADDRESS = f"{DEFAULT_HOST}:{DEFAULT_PORT}"


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


def parse_address(text: str, default_port: int | None = DEFAULT_PORT) -> Address:
    """Parse an address. Raises ValueError with one line that says what is wrong and what is expected.

    A host without a port has ``default_port``; if that is None, the port is required. A port alone is a port of
    127.0.0.1. An IPv6 address without brackets has no port.
    """
    if text.startswith("unix:"):
        path = text[len("unix:") :]
        # The kernel's sockaddr_un holds 108 bytes, with the closing NUL.
        if not path or len(path.encode(errors="surrogateescape")) > 107:
            raise ValueError(
                f"invalid address {text!r}: expected unix:PATH with a path of 1 to 107 bytes"
            )
        return Address(path=path)
    host, port = _host_and_port(text)
    if port is None and host:
        port = default_port
    if port is None or port > 65535:
        hosts = "HOST:PORT" if default_port is None else "HOST, HOST:PORT"
        raise ValueError(
            f"invalid address {text!r}: expected {hosts}, [IPv6]:PORT, PORT, :PORT or unix:PATH,"
            " a port from 0 to 65535"
        )
    return Address(host, port)


def _host_and_port(text: str) -> tuple[str, int | None]:
    """Split an address of TCP; ``("", None)`` if it is malformed. Raises ValueError if it can be read in two ways."""
    if text.isascii() and text.isdigit():
        return DEFAULT_HOST, int(text[:9])
    if text.count(":") > 1 and _BARE_IPV6.fullmatch(text) and _is_ipv6(text):
        ambiguous = _MAY_END_IN_PORT.fullmatch(text)
        if ambiguous and _is_ipv6(ambiguous["host"]):
            raise ValueError(
                f"invalid address {text!r}: expected brackets, to tell the address from the port: [{text}]"
                f" or [{ambiguous['host']}]:{ambiguous['port']}"
            )
        return text, None
    match = _ADDRESS.fullmatch(text)
    if match is None or not _can_be_a_host(match["host"], match["ipv6"]):
        return "", None
    return match["ipv6"] or match["host"], int(match["port"]) if match["port"] else None


def _can_be_a_host(host: str | None, ipv6: str | None) -> bool:
    """Return whether the host may be looked up.

    The look-up of a malformed host name raises UnicodeError, not an error of the network.
    """
    if ipv6:
        return _is_ipv6(ipv6)
    host = host or ""
    if host.isascii():  # the codec would say the same, but loads the tables of Unicode
        *labels, last = host.split(".")
        return all(0 < len(label) < 64 for label in labels) and len(last) < 64
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def _is_ipv6(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
    except OSError:
        return False
    return True
