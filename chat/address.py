"""Where a server listens and a client connects: ``HOST:PORT``, ``[IPv6]:PORT``, ``:PORT`` or ``unix:PATH``."""

from __future__ import annotations

import re
from typing import NamedTuple

_ADDRESS = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^:\[\]/\s]*)):(?P<port>[0-9]{1,5})", re.ASCII
)
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
    if not match or int(match["port"]) > 65535:
        raise ValueError(
            f"{text!r} is no address: expected HOST:PORT, [IPv6]:PORT, :PORT or unix:PATH, a port from 0 to 65535"
        )
    return Address(match["ipv6"] or match["host"], int(match["port"]))
