"""What others sent: numbered, fetched by itself if it is small enough, else when it is asked for.

What comes with its message the connection has saved already; here it gets its number. What is offered is fetched, a
few at a time; the rest waits.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gevent.lock import BoundedSemaphore

from chat.client.connection import Connection
from chat.client.errors import ChatError, TransferCancelled
from chat.client.events import Attachment
from chat.client.news import Announced, Face, Tag, Trouble
from chat.client.requests import RequestError
from chat.client.transfer_list import State, Transfer, TransferList

# The server lets one user have four transfers at a time; the other half is for what we send.
AT_ONCE = 2
# Offers that wait to be fetched by themselves. A flood of more is only listed.
MAX_WAITING = 100


class Downloads:
    """``max_save`` (bytes): what is larger waits to be asked for.

    ``tell`` is called with a transfer that began or ended. ``spawn`` runs a function beside the caller. ``is_wanted``
    tells of a sender whether what he offers is fetched by itself.
    """

    def __init__(
        self,
        transfers: TransferList,
        face: Face,
        tell: Callable[[Transfer], object],
        save_directory: Path,
        max_save: int,
        spawn: Callable[..., object],
        is_wanted: Callable[[str], bool] = lambda sender: True,
    ) -> None:
        self._transfers = transfers
        self._face = face
        self._tell = tell
        self._directory = save_directory
        self._max_save = max_save
        self._spawn = spawn
        self._is_wanted = is_wanted
        self._turns = BoundedSemaphore(AT_ONCE)
        self._waiting = 0

    def take(self, attachment: Attachment, connection: Connection) -> None:
        """An attachment was announced over ``connection``: show it, and fetch it if it may be."""
        if attachment.own:
            self._face.show(Announced(attachment, None))
            return
        transfer = self._transfers.add(
            attachment.kind,
            attachment.filename,
            attachment.size,
            outgoing=False,
            peer=attachment.sender,
        )
        if attachment.offer is not None:
            transfer.offer = attachment
            transfer.state = State.OFFERED
            self._face.show(Announced(attachment, transfer))
            if self._is_fetched_unasked(attachment):
                self._begin(transfer, connection)
            return
        transfer.path, transfer.problem = attachment.path, attachment.problem
        transfer.state = State.DONE if attachment.path is not None else State.FAILED
        if transfer.state is State.DONE:
            transfer.done = transfer.size
        self._face.show(Announced(attachment, transfer))
        if attachment.path is None and attachment.problem is not None:
            self._face.show(Trouble(attachment.problem))

    def get(self, number: int, connection: Connection, tag: Tag = None) -> Transfer:
        """Fetch what was offered. Raises RequestError."""
        transfer = self._transfers[number]
        if transfer.outgoing:
            raise RequestError(f"Attachment {number} is one that we sent.")
        if transfer.state is State.DONE:
            raise RequestError(f"Attachment {number} is here already: {transfer.path}.")
        if transfer.offer is None:
            raise RequestError(f"Attachment {number} is not on the server.")
        transfer.tag = tag
        transfer.asked = True
        if transfer.state not in (State.WAITING, State.RUNNING):
            self._begin(transfer, connection)
        return transfer

    def _is_fetched_unasked(self, attachment: Attachment) -> bool:
        return (
            attachment.size <= self._max_save
            and self._waiting < MAX_WAITING
            and self._is_wanted(attachment.sender)
        )

    def _begin(self, transfer: Transfer, connection: Connection) -> None:
        transfer.restart()
        self._waiting += 1
        self._spawn(self._fetch_in_turn, transfer, connection)

    def _fetch_in_turn(self, transfer: Transfer, connection: Connection) -> None:
        with self._turns:
            self._waiting -= 1
            if transfer.state is not State.WAITING:
                return  # cancelled meanwhile, and maybe asked for again
            self._fetch(transfer, connection)
        self._tell(transfer)

    def _fetch(self, transfer: Transfer, connection: Connection) -> None:
        assert transfer.offer is not None
        transfer.state = State.RUNNING
        self._tell(transfer)
        try:
            transfer.path = connection.fetch(
                transfer.offer,
                directory=self._directory,
                progress=transfer.progress,
                cancel=transfer.cancellation,
            )
        except TransferCancelled:
            transfer.state = State.CANCELLED
        except ChatError as problem:
            transfer.fail(str(problem))
        else:
            transfer.state = State.DONE
