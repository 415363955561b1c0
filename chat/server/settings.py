"""What an operator decides: every limit of the server, with the default that fits most."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import NamedTuple

from chat.net.address import DEFAULT_ADDRESS, Address, parse_address

Network = IPv4Network | IPv6Network

K, M, G = 1024, 1024**2, 1024**3

# Not for an operator to decide: parts of the protocol's promise to clients.
MAX_LOGIN_TRIES = 5
MAX_LOGIN_HEADER = 4 * K
MAX_LOGIN_CONTENT = 64 * K
MAX_STRANGERS_FRAME = M  # what comes before a login is skipped so far
MAX_TRANSFERS = 4  # of one session, at a time
MAX_IN_MEMORY = 64 * K  # a larger content goes to a file
# A content counts as one message for each so many bytes begun: at the default rate 100 MiB a second after a burst of
# 400, which a gigabit network does not exceed.
BILLED_BYTES = 2 * M
DRAIN_TIMEOUT = (
    10.0  # seconds in which what is queued may still go out when a connection or the server ends
)


class Rate(NamedTuple):
    """``per_second`` on average, ``burst`` at once."""

    per_second: float
    burst: float


DEFAULT_RATE = Rate(50, 200)  # messages
DEFAULT_BYTE_RATE = Rate(256 * K, M)


class TlsMode(Enum):
    """Whether TLS is spoken: not at all, with those who begin so, or with everyone."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True)
class Settings:
    """Sizes in bytes, times in seconds. A rate of None is no limit.

    ``data_directory`` holds accounts, bans and the server's own certificate; None: nothing is kept, and nothing that
    needs it can be had. ``tls_cert`` and ``tls_key`` (PEM) come both or not at all. ``password`` is the whole room's.
    ``register``: a guest may make his name an account. ``max_connects`` and ``max_logins`` are for one address in one
    minute. ``proxies``: from there a PROXY protocol header comes first, and is believed.
    """

    address: Address = field(default_factory=lambda: parse_address(DEFAULT_ADDRESS))
    max_users: int = 10_000
    max_per_address: int = 64
    exempt: tuple[Network, ...] = (
        ip_network("127.0.0.0/8"),
        ip_network("::1/128"),
    )
    login_timeout: float = 30.0
    max_text: int = 64 * K
    max_file: int = G
    max_spool: int = 10 * G
    spool_directory: Path = Path("/var/tmp")
    max_backlog: int = 8 * M
    max_backlog_total: int = G
    rate: Rate | None = DEFAULT_RATE
    byte_rate: Rate | None = DEFAULT_BYTE_RATE
    motd: str | None = None
    data_directory: Path | None = None
    tls: TlsMode = TlsMode.OFF
    tls_cert: Path | None = None
    tls_key: Path | None = None
    members_only: bool = False
    password: str | None = field(default=None, repr=False)
    register: bool = True
    max_connects: int = 300
    max_logins: int = 60
    proxies: tuple[Network, ...] = ()
    metrics_address: Address | None = None
