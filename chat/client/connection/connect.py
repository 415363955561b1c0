"""From an address and a name to a connection: the way into the room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chat.client.connection.connection import Connection
from chat.client.connection.in_flight import InFlight
from chat.client.connection.liveness import SILENCE, Silence
from chat.client.connection.login import ByteOrderChoice, log_in
from chat.client.connection.saver import Directory, Saver
from chat.client.connection.saving import given_path
from chat.client.connection.session_state import SessionState
from chat.client.connection.transfers import Transfers
from chat.client.errors import ConnectError, ConnectionLost
from chat.client.runtime.runtime import PLAIN, Runtime
from chat.client.trust.connector import Connector, TlsChoice, TrustPolicy, TrustPrompt
from chat.client.trust.known_hosts import KnownHosts
from chat.net.address import parse_address
from chat.net.fingerprint import parse_fingerprint


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
    ping: bool = True,
    runtime: Runtime = PLAIN,
    timeout: float = 30.0,
) -> Connection:
    """Enter the room at ``address`` (``HOST:PORT``, ``[IPv6]:PORT``, ``:PORT``, ``unix:PATH``) as ``username``.

    ``password``: that of the name, or the room's; it is never sent where somebody on the way could read it.
    ``session``: ``Connection.session`` of a connection under the same name, which the new one takes the place of.
    ``byte_order``: "auto" finds out whether the server is the original and then keeps to what that one can do;
    "little" takes it for the original, "big" for one of ours. ``inline``: attachments over so many bytes come as
    offers. ``save_directory``: others' attachments that come with their message are saved there as they arrive, if
    they have at most ``max_save`` bytes; without one nothing is ever saved but by ``Connection.fetch``. Saving holds up
    nobody: see ``Attachment.saving``. ``timeout`` (seconds) is for connecting and logging in together.
    ``ping``: ask a server that has sent nothing for 20 seconds for a sign of life, and give it up after 60; without it
    only a server that TCP knows to have vanished is given up.

    Encryption: with ``tls`` "auto" only a server on this machine is spoken to without, if it knows none; "required"
    makes no exception, "off" never encrypts. The server must have the key of ``fingerprint`` (``SHA256:…``), or be in
    the file ``known_hosts`` (None: the user's own), or an authority of the system must vouch for it; else ``trust`` is
    called with a Stranger, and if it returns True the answer is remembered in that file. Where the file can't be
    written, ``warn`` is called with a sentence that says so, and the connection is made all the same.

    Raises ValueError (address, fingerprint, an empty path), ConnectError, NotEncrypted, UntrustedServer, LoginRefused.
    """
    policy = TrustPolicy(
        tls=tls,
        fingerprint=None if fingerprint is None else parse_fingerprint(fingerprint),
        known_hosts=KnownHosts(None if known_hosts is None else given_path(known_hosts)),
        judge=trust,
        warn=warn,
    )
    directory = None if save_directory is None else given_path(save_directory)
    saver = None if directory is None else Saver(runtime, Directory(directory), max_save)
    return connect_through(
        Connector(runtime, parse_address(address), policy),
        username,
        password=password,
        session=session,
        byte_order=byte_order,
        inline=inline,
        saver=saver,
        save_directory=directory,
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
    ping: bool = True,
    silence: Silence = SILENCE,
    timeout: float = 30.0,
    in_flight: InFlight | None = None,
) -> Connection:
    """Connect through ``door``, which several sessions may use one after the other. Otherwise like ``connect``.

    ``saver`` saves attachments that come with their messages; several sessions may share it. ``save_directory`` is for
    ``fetch``. ``in_flight`` is the table of messages of a queue that outlives the connection.
    """
    link, original = log_in(
        connector,
        username,
        byte_order=byte_order,
        inline=inline,
        timeout=timeout,
        password=password,
        session=session,
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
    except BaseException as error:
        link.close()
        if isinstance(error, ConnectionLost):
            raise ConnectError(f"{connector.address} let us in and then broke: {error}") from None
        raise
    return connection
