"""From an address and a name to a connection: the way into the room."""

from __future__ import annotations

from pathlib import Path

from chat.address import parse_address
from chat.client.connection import Connection
from chat.client.errors import ConnectError, ConnectionLost
from chat.client.login import ByteOrderChoice, log_in
from chat.client.receipts import Ledger
from chat.client.room import Room
from chat.client.runtime import PLAIN, Runtime
from chat.client.transfers import Transfers


def connect(
    address: str,
    username: str,
    *,
    password: str | None = None,
    session: str | None = None,
    byte_order: ByteOrderChoice = "auto",
    inline: int = 64 * 1024,
    save_directory: str | Path | None = None,
    max_save: int = 100 * 1024**2,
    runtime: Runtime = PLAIN,
    timeout: float = 30.0,
) -> Connection:
    """Enter the room at ``address`` (``HOST:PORT``, ``[IPv6]:PORT``, ``:PORT``, ``unix:PATH``) as ``username``.

    ``password``: that of the name, or the room's; it is never sent where somebody on the way could read it.
    ``session``: ``Connection.session`` of a connection under the same name, which the new one takes the place of.
    ``byte_order``: "auto" finds out whether the server is the original and then keeps to what that one can do;
    "little" takes it for the original, "big" for one of ours. ``inline``: attachments over so many bytes come as
    offers. ``save_directory``: others' attachments that come with their message are saved there as they arrive, if
    they have at most ``max_save`` bytes. ``timeout`` (seconds) is for connecting and logging in together.
    Raises ValueError (address), ConnectError, LoginRefused.
    """
    place = parse_address(address)
    link, original = log_in(
        runtime,
        place,
        username,
        byte_order=byte_order,
        inline=inline,
        timeout=timeout,
        password=password,
        session=session,
    )
    ledger = Ledger(uses_nonces=not original)
    connection = Connection(
        link,
        Room(username, ledger, original=original),
        ledger,
        Transfers(runtime, place, timeout),
        runtime,
        original=original,
        save_directory=None if save_directory is None else Path(save_directory),
        max_save=max_save,
    )
    try:
        connection.await_welcome()
        link.set_deadline(None)
    except BaseException as error:
        link.close()
        if isinstance(error, ConnectionLost):
            raise ConnectError(f"{place} let us in and then broke: {error}") from None
        raise
    return connection
