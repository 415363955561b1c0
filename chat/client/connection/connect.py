"""Make a connection from an address and a user name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chat.client.connection.connection import Connection
from chat.client.connection.in_flight import InFlight
from chat.client.connection.liveness import SILENCE, Silence
from chat.client.connection.login import ByteOrderChoice, log_in
from chat.client.connection.saver import SaveDirectory, Saver
from chat.client.connection.saving import given_path
from chat.client.connection.session_state import SessionState
from chat.client.connection.transfers import Transfers
from chat.client.errors import ConnectError, ConnectionLost
from chat.client.runtime.runtime import PLAIN, Runtime
from chat.client.trust.connector import Connector, TlsChoice, TrustPolicy, TrustPrompt
from chat.client.trust.known_hosts import KnownHosts
from chat.net.address import parse_address
from chat.net.fingerprint import parse_fingerprint
from chat.protocol.commands import MAX_REPLAY


def connect(
    address: str,
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
) -> Connection:
    """Log in as ``username`` at ``address`` (``HOST``, ``HOST:PORT``, ``[IPv6]:PORT``, ``unix:PATH``).

    The port of an address is 8080 unless the address has one.


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

    Raises ValueError (address, fingerprint, an empty path, ``replay`` below 0 or over 200), ConnectError, NotEncrypted,
    UntrustedServer, LoginRefused.
    """
    if not 0 <= replay <= MAX_REPLAY:
        raise ValueError(f"invalid replay {replay}: expected 0 to {MAX_REPLAY}")
    policy = TrustPolicy(
        tls=tls,
        fingerprint=None if fingerprint is None else parse_fingerprint(fingerprint),
        known_hosts=KnownHosts(None if known_hosts is None else given_path(known_hosts)),
        judge=trust,
        warn=warn,
    )
    directory = None if save_directory is None else given_path(save_directory)
    saver = None if directory is None else Saver(runtime, SaveDirectory(directory), max_save)
    return connect_through(
        Connector(runtime, parse_address(address), policy),
        username,
        password=password,
        session=session,
        byte_order=byte_order,
        inline=inline,
        saver=saver,
        save_directory=directory,
        replay=replay,
        ping=ping,
        timeout=timeout,
    )


def connect_through(
    connector: Connector,
    username: str,
    *,
    password: str | None = None,
    session: str | None = None,
    byte_order: ByteOrderChoice = "auto",
    inline: int = 64 * 1024,
    saver: Saver | None = None,
    save_directory: Path | None = None,
    replay: int = 0,
    ping: bool = True,
    silence: Silence = SILENCE,
    timeout: float = 30.0,
    in_flight: InFlight | None = None,
) -> Connection:
    """Connect through ``connector``, which several sessions may use one after the other. Otherwise like ``connect``.

    ``saver`` saves attachments that come with their messages; several sessions may share it. ``save_directory`` is the
    default directory of ``fetch``. ``in_flight`` is the table of messages of a queue that outlives the connection.
    """
    link, original = log_in(
        connector,
        username,
        byte_order=byte_order,
        inline=inline,
        timeout=timeout,
        password=password,
        session=session,
        replay=replay,
    )
    in_flight = in_flight if in_flight is not None else InFlight()
    connection = Connection(
        link,
        SessionState(username, in_flight, original=original),
        in_flight,
        Transfers(connector, in_flight, timeout),
        connector.runtime,
        original=original,
        saver=saver,
        save_directory=save_directory,
    )
    try:
        connection.await_welcome()
        link.set_deadline(None)
        connection.watch(silence, ping=ping)
    except BaseException as error:  # also for Ctrl-C, which must not leave the socket open
        link.close()
        if isinstance(error, ConnectionLost):
            raise ConnectError(
                f"{connector.address} accepted the login, but the connection broke: {error}"
            ) from None
        raise
    return connection
