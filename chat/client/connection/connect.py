"""Make a connection through a connector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chat.client.connection.connection import Connection
from chat.client.connection.in_flight import InFlight
from chat.client.connection.liveness import SILENCE, SILENCE_OF_ONE_OF_SEVERAL, Silence
from chat.client.connection.login import ByteOrderChoice, log_in
from chat.client.connection.saver import Saver
from chat.client.connection.session_state import SessionState
from chat.client.connection.transfers import Transfers
from chat.client.errors import ConnectError, ConnectionLost
from chat.client.trust.connector import Connector


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
    silence: Silence | None = None,
    timeout: float = 30.0,
    reach: float | None = None,
    in_flight: InFlight | None = None,
    device: str | None = None,
    rooms: Sequence[str] | None = None,
) -> Connection:
    """Connect through ``connector``, which several sessions may use one after the other. Otherwise like ``connect``.

    ``saver`` saves attachments that come with their messages; several sessions may share it. ``save_directory`` is the
    default directory of ``fetch``. ``in_flight`` is the table of messages of a queue that outlives the connection.
    ``silence``: the silence for which the server is given up; None: as usual, which is sooner if there are others.
    ``reach``: the server must accept the connection within so many seconds; None: within ``timeout``.
    ``device`` is the secret of this device, sent only where nobody on the way can read it.
    ``rooms`` are to be joined with the login; None: the program does not know rooms.
    """
    link, original, has_device = log_in(
        connector,
        username,
        byte_order=byte_order,
        inline=inline,
        timeout=timeout,
        reach=reach,
        password=password,
        session=session,
        replay=replay,
        device=device,
        rooms=rooms,
    )
    in_flight = in_flight if in_flight is not None else InFlight()
    connection = Connection(
        link,
        SessionState(username, in_flight, original=original, wanted=rooms or ()),
        in_flight,
        Transfers(connector, in_flight, timeout),
        connector.runtime,
        original=original,
        has_device=has_device,
        address=connector.address,
        saver=saver,
        save_directory=save_directory,
    )
    try:
        connection.await_welcome()
        link.set_deadline(None)
        if silence is None:
            silence = SILENCE_OF_ONE_OF_SEVERAL if connection.servers else SILENCE
        connection.watch(silence, ping=ping)
    except BaseException as error:  # also for Ctrl-C, which must not leave the socket open
        link.close()
        if isinstance(error, ConnectionLost):
            raise ConnectError(
                f"{connector.address} accepted the login, but the connection broke: {error}"
            ) from None
        raise
    return connection
