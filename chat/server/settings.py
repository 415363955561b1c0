"""The settings of an operator, with their defaults, and the fixed limits of the server."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chat.net.address import DEFAULT_ADDRESS, Address, parse_address
from chat.protocol.names import UserName

if TYPE_CHECKING:
    from chat.net.engine_url import EngineUrl

Network = IPv4Network | IPv6Network

K, M, G = 1024, 1024**2, 1024**3

# These are not settings: they are part of the promise of the protocol to clients.
MAX_LOGIN_TRIES = 5
MAX_LOGIN_HEADER = 16 * K
MAX_LOGIN_CONTENT = 64 * K
# A frame before the login is skipped and answered up to so many bytes. A larger one ends the connection.
MAX_STRANGERS_FRAME = M
MAX_TRANSFERS = 4  # of one session, at a time
MAX_IN_MEMORY = 64 * K  # a larger content goes to a file
# A content counts as one message for each so many bytes begun. At the default rate that allows 100 MiB a second after a
# burst of 400 MiB, which a gigabit network does not exceed.
BILLED_BYTES = 2 * M
# Seconds for sending queued bytes when a connection or the server ends.
DRAIN_TIMEOUT = 10.0
PEER_PORT = 8090  # where servers of a cluster listen for each other


class Rate(NamedTuple):
    """A limit of ``per_second`` on average, and ``burst`` at once."""

    per_second: float
    burst: float


class WaitingBounds(NamedTuple):
    """Limits for what waits in the mailbox of a user who is not here.

    ``of_one`` are messages of one sender; ``size`` is in bytes.
    """

    messages: int
    size: int
    of_one: int


DEFAULT_WAITING = WaitingBounds(1000, 8 * M, 100)
DEFAULT_RATE = Rate(50, 200)  # messages
DEFAULT_BYTE_RATE = Rate(256 * K, M)


class TlsMode(Enum):
    """Which connections use TLS: none, those that begin with TLS, or all."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class CreateRooms(Enum):
    """List the users who may make rooms."""

    ANYONE = "anyone"
    REGISTERED = "registered"
    MODERATORS = "moderators"


_LOBBY = UserName("lobby", "lobby")


@dataclass(frozen=True)
class Settings:
    """The settings of one server. Sizes are in bytes, times in seconds. A rate of None is no limit.

    A reload may change them while the server runs: a part that keeps a copy of a value has a method ``adapt``.

    - ``data_directory`` holds accounts, bans, messages and the server's own certificate. If it is None, the server
      stores nothing, and has none of these.
    - ``history``: messages are kept, for ``keep`` seconds (None: for ever), and at most ``keep_size`` bytes of them
      (None: any number), with ``keep_files`` bytes of large attachments. A client that cannot ask gets the last
      ``replay`` messages when it logs in. ``search``: users can search for them, by an index in the data directory.
    - ``max_waiting``: private messages for a user who is not here. No option sets it.
    - ``durable``: a message is said only when the disk has it. Needs ``history`` and ``data_directory``.
    - ``tls_cert`` and ``tls_key`` (PEM) are both set, or neither is.
    - ``password`` is the password of the room, for all users.
    - ``register``: guests can register their names.
    - ``max_users`` counts users; a registered one may have ``max_sessions`` sessions at a time.
    - ``max_connects`` and ``max_logins`` are limits for one address in one minute.
    - ``default_room`` is the name of the room that everyone is in. ``create_rooms`` says who may make rooms beside it,
      ``max_rooms`` how many there may be. In a room with more than ``announce_up_to`` users, those who join and leave
      are not announced one by one.
    - ``proxies``: connections from there begin with a PROXY protocol header, which the server believes.
    - ``cluster``: the engine that has the log of all servers; None for a server alone. Such a server has the name
      ``node``, needs ``history`` and ``data_directory``, and tells clients of the other servers ``public_addresses``.
      Servers reach each other at ``peer_address``, with the secret in the first line of ``peer_secret_file``; they
      listen on ``peer_listen``. With port 0 there, the port of ``peer_address`` is 0 too, and stands for the same port.
    """

    address: Address = field(default_factory=lambda: parse_address(DEFAULT_ADDRESS))
    max_users: int = 10_000
    max_sessions: int = 8
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
    history: bool = True
    durable: bool = False
    keep: float | None = 30 * 86400.0
    keep_size: int | None = G
    keep_files: int = 2 * G
    replay: int = 50
    search: bool = True
    max_waiting: WaitingBounds = DEFAULT_WAITING
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
    default_room: UserName = _LOBBY
    create_rooms: CreateRooms = CreateRooms.ANYONE
    max_rooms: int = 1000
    announce_up_to: int = 1000
    cluster: EngineUrl | None = None
    node: str = ""
    public_addresses: tuple[Address, ...] = ()
    peer_listen: Address = field(default_factory=lambda: Address("", PEER_PORT))
    peer_address: Address | None = None
    peer_secret_file: Path | None = None

    @property
    def protected(self) -> tuple[Network, ...]:
        """The networks that are never banned."""
        return (*self.exempt, *self.proxies)

    def take_over(self, other: Settings) -> None:
        """Replace all values by those of ``other``.

        The parts of a server share one object, and find the new values there at their next look. It is frozen for all
        of them; only a reload changes it, through this method.
        """
        for each in fields(self):
            object.__setattr__(self, each.name, getattr(other, each.name))
