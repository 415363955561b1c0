"""The public ``connect``: one connection, or a room that comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, overload

from chat.client.connection.connect import connect_through
from chat.client.connection.connection import Connection
from chat.client.connection.in_flight import InFlight
from chat.client.connection.login import ByteOrderChoice
from chat.client.connection.saver import SaveDirectory, Saver
from chat.client.connection.saving import given_path
from chat.client.resuming.room import ReconnectingRoom
from chat.client.runtime.runtime import PLAIN, Runtime
from chat.client.servers.server_choice import ServerChoice
from chat.client.state.finding import open_given, owner_of
from chat.client.state.memory import Memory
from chat.client.trust.connector import Connector, TlsChoice, TrustPolicy, TrustPrompt
from chat.client.trust.known_hosts import KnownHosts, host_name
from chat.net.address import Address, parse_address
from chat.net.fingerprint import parse_fingerprint
from chat.protocol.commands import MAX_REPLAY

if TYPE_CHECKING:
    from typing_extensions import Unpack


class ConnectOptions(TypedDict, total=False):
    """List the options of ``connect`` that one connection and a room that comes back have in common."""

    password: str | None
    session: str | None
    tls: TlsChoice
    fingerprint: str | None
    known_hosts: str | Path | None
    trust: TrustPrompt | None
    warn: Callable[[str], object] | None
    byte_order: ByteOrderChoice
    inline: int
    save_directory: str | Path | None
    max_save: int
    replay: int
    ping: bool
    runtime: Runtime
    timeout: float
    rooms: Iterable[str] | None


@overload
def connect(
    address: str | Sequence[str],
    username: str,
    *,
    reconnect: Literal[False] = False,
    state: None = None,
    **options: Unpack[ConnectOptions],
) -> Connection: ...


@overload
def connect(
    address: str | Sequence[str],
    username: str,
    *,
    reconnect: Literal[True],
    state: str | Path | None = None,
    **options: Unpack[ConnectOptions],
) -> ReconnectingRoom: ...


def connect(
    address: str | Sequence[str],
    username: str,
    *,
    password: str | None = None,
    session: str | None = None,
    tls: TlsChoice = "auto",
    fingerprint: str | None = None,
    known_hosts: str | Path | None = None,
    trust: TrustPrompt | None = None,
    warn: Callable[[str], object] | None = None,
    byte_order: ByteOrderChoice = "auto",
    inline: int = 64 * 1024,
    save_directory: str | Path | None = None,
    max_save: int = 100 * 1024**2,
    replay: int = 0,
    ping: bool = True,
    runtime: Runtime = PLAIN,
    timeout: float = 30.0,
    rooms: Iterable[str] | None = None,
    reconnect: bool = False,
    state: str | Path | None = None,
) -> Connection | ReconnectingRoom:
    """Log in as ``username`` at ``address`` (``HOST``, ``HOST:PORT``, ``[IPv6]:PORT``, ``unix:PATH``).

    The port of an address is 8080 unless the address has one. ``address`` may be several addresses, of servers of one
    chat: the client tries them in their order until one takes the user. An unknown server is trusted without a question
    if it has the key of another one. With ``reconnect``, the client goes to another server when the connection is lost,
    and when a server asks it to; it also takes those that a server tells it of, which must show the key of one that the
    program has named. The file ``state`` belongs to the first address.

    ``password`` is the password of the name, or of the room. The client never sends a password where anybody on the
    way could read it. ``session`` is ``Connection.session`` of an older connection under the same name: the new
    connection replaces it. ``timeout`` (seconds) is for connecting and logging in together.

    ``byte_order``: with "auto" the client finds out whether the server is an original one, and then uses only the
    features of an original server. "little" expects an original server, "big" one of ours.

    ``inline``: the server offers attachments with more bytes instead of sending them. ``save_directory``: the client
    saves attachments of others there as they arrive, if they come with their message and have at most ``max_save``
    bytes. Without a directory only ``Connection.fetch`` saves. Saving never delays a reader: see
    ``Attachment.saving``.

    ``replay``: the server shows so many of its last messages again, before anything new; at most 200. They have
    ``replay`` set. Without it the connection yields nothing old, so that a bot does not answer yesterday's questions.

    ``ping``: the client pings a server that has sent nothing for 20 seconds, and gives the connection up after 60.
    Without ``ping`` the client gives up only when TCP reports that the server has vanished.

    ``tls``: with "auto" the client always encrypts, except to a server on this machine that has no TLS. "required"
    makes no exception, "off" never encrypts. The client accepts a server that has the key of ``fingerprint``
    (``SHA256:…``), is in the file ``known_hosts`` (None: the user's file), or has a certificate from an authority of
    the system. For any other server the client calls ``trust`` with an UnknownServer. If ``trust`` returns True, the
    client connects, and remembers the server in ``known_hosts``. If the file can't be written, the client calls
    ``warn`` with a sentence, and connects all the same.

    ``rooms``: rooms to be in from the start, beside the default room. The server makes none; the ``Welcome`` tells
    which it has ``refused``. With an empty tuple, the user is in the rooms that they are in with other devices, or were
    in before. None: the program gets messages of the default room only, until it joins a room.

    With ``reconnect`` the result is a ReconnectingRoom, which comes back after a lost connection, and says everything
    exactly once. It keeps what it must remember over a restart of the program in the file ``state``: how far the
    program has seen the messages, its lines without an answer, and the secret of this device. Only one program at a
    time can use the file. Without ``state`` the room remembers only while the program runs.

    Raises ValueError (address, fingerprint, an empty path, ``replay`` below 0 or over 200, a string as ``rooms``,
    ``state`` without ``reconnect``), ConnectError, NotEncrypted, UntrustedServer, LoginRefused, StateFileError.
    """
    if not 0 <= replay <= MAX_REPLAY:
        raise ValueError(f"invalid replay {replay}: expected 0 to {MAX_REPLAY}")
    if state is not None and not reconnect:
        raise ValueError("state needs reconnect=True: one connection has nothing to remember")
    if replay and reconnect:
        raise ValueError(
            "replay is for one connection: a room that comes back shows what was missed"
        )
    policy = TrustPolicy(
        tls=tls,
        fingerprint=None if fingerprint is None else parse_fingerprint(fingerprint),
        known_hosts=KnownHosts(None if known_hosts is None else given_path(known_hosts)),
        judge=trust,
        warn=warn,
    )
    directory = None if save_directory is None else given_path(save_directory)
    saver = None if directory is None else Saver(runtime, SaveDirectory(directory), max_save)
    wanted = None if rooms is None else _names_of(rooms)
    addresses = [
        parse_address(each) for each in ([address] if isinstance(address, str) else address)
    ]
    if not addresses:
        raise ValueError("no address: expected at least one")
    servers = ServerChoice(runtime, addresses, policy, warn=warn)
    sessions = _Sessions(session)

    def log_in(
        in_flight: InFlight | None = None,
        device: str | None = None,
        rooms: tuple[str, ...] | None = wanted,
        among: Sequence[Address] = (),
    ) -> Connection:
        def log_in_at(connector: Connector, reach: float | None) -> Connection:
            return connect_through(
                connector,
                username,
                password=password,
                session=sessions.token,
                byte_order=byte_order,
                inline=inline,
                saver=saver,
                save_directory=directory,
                replay=replay,
                ping=ping,
                timeout=timeout,
                in_flight=in_flight,
                device=device,
                rooms=rooms,
                reach=reach,
            )

        return servers.connect(log_in_at, among)

    if not reconnect:
        return log_in()
    memory = Memory()
    if state is not None:
        memory, warning = open_given(given_path(state), owner_of(host_name(addresses[0]), username))
        if warning is not None and warn is not None:
            warn(warning)
    room = ReconnectingRoom(
        lambda *given: sessions.remember(log_in(*given)),
        runtime,
        memory,
        rooms=wanted,
        servers=servers,
    )
    try:
        room.begin()
    except BaseException:
        room.close(timeout=0)
        raise
    return room


def _names_of(rooms: Iterable[str]) -> tuple[str, ...]:
    if isinstance(rooms, str):
        raise ValueError(f"invalid rooms {rooms!r}: expected several names, such as ({rooms!r},)")
    return tuple(rooms)


class _Sessions:
    """The token of the last session: the next one replaces it, if the server still has it."""

    def __init__(self, token: str | None) -> None:
        self.token = token

    def remember(self, connection: Connection) -> Connection:
        self.token = connection.session or self.token
        return connection
