"""Send files and directories: small files in order with the texts, others over transfer connections."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO, cast

from gevent.lock import BoundedSemaphore

from chat.client.connection.connection import Connection
from chat.client.connection.outgoing import NO_PATH
from chat.client.connection.receipts import Receipt, Status
from chat.client.conversation.archive import archive
from chat.client.conversation.requests import SendFile
from chat.client.conversation.transfer_list import Transfer, TransferList, TransferState
from chat.client.conversation.unacknowledged import Outgoing
from chat.client.errors import ChatError, NotSent, TransferCancelled
from chat.client.runtime.gevent_runtime import GEVENT

# The server allows a user four transfers at once. The other two are for downloads.
AT_ONCE = 2


class Uploads:
    """The user's own attachments.

    ``tell`` is called with a transfer that began or ended. ``spawn`` runs a function in the background.
    """

    def __init__(
        self,
        transfers: TransferList,
        tell: Callable[[Transfer], object],
        spawn: Callable[..., object],
    ) -> None:
        self._transfers = transfers
        self._tell = tell
        self._spawn = spawn
        self._turns = BoundedSemaphore(AT_ONCE)

    def send(self, item: Outgoing, connection: Connection) -> Receipt | None:
        """Send a small file at once, and return its receipt; else begin a transfer, and return None.

        Raises NotSent if the path is neither a file nor a directory, or can't be read; ConnectionLost.
        """
        request = item.request
        assert isinstance(request, SendFile)
        if not request.path.strip():
            raise NotSent(NO_PATH)
        path = expand(request.path)
        try:
            status = path.stat()
            is_directory = stat.S_ISDIR(status.st_mode)
            if is_directory:
                path = path.resolve()  # for "." too; fails in a directory that has been removed
        except (OSError, ValueError, RuntimeError) as problem:
            reason = getattr(problem, "strerror", None) or str(problem)
            raise NotSent(f"Can't read {request.path}: {reason}.") from None
        if not is_directory and not stat.S_ISREG(status.st_mode):
            raise NotSent(f"{request.path} is neither a file nor a directory.")
        if is_directory and not request.allows_directory:
            raise NotSent(f'{request.path} is a directory: add "directory": true to send it.')
        # An original server has no transfer connections.
        small = status.st_size <= connection.most_inline
        if not is_directory and (small or connection.original):
            return connection.send_file(path, kind=request.kind, to=request.to, nonce=item.nonce)
        name = f"{path.name or 'root'}.tar" if is_directory else path.name
        transfer = self._transfers.add(
            request.kind, name, status.st_size, outgoing=True, peer=request.to
        )
        transfer.asked = True
        transfer.tag = item.tag
        self._spawn(self._send_in_turn, transfer, item.nonce, path, is_directory, connection)
        return None

    def _send_in_turn(
        self,
        transfer: Transfer,
        nonce: str,
        path: Path,
        is_directory: bool,
        connection: Connection,
    ) -> None:
        with self._turns:
            if transfer.state is not TransferState.WAITING:
                return  # cancelled meanwhile
            transfer.state = TransferState.RUNNING
            self._tell(transfer)
            self._send(transfer, nonce, path, is_directory, connection)
        self._tell(transfer)

    def _send(
        self,
        transfer: Transfer,
        nonce: str,
        path: Path,
        is_directory: bool,
        connection: Connection,
    ) -> None:
        try:
            if is_directory:
                limit = connection.limits.max_file
                # In a thread, since packing a directory waits for the disk.
                with GEVENT.offload(archive, path, limit, transfer.cancellation) as source:
                    receipt = self._stream(transfer, nonce, source, connection)
            else:
                receipt = self._stream(transfer, nonce, path, connection)
        except TransferCancelled:
            transfer.state = TransferState.CANCELLED
        except ChatError as problem:
            transfer.fail(str(problem))
        else:
            if receipt.wait() is Status.ACCEPTED:
                transfer.state = TransferState.DONE
            else:
                transfer.fail(
                    receipt.refusal or "The connection was lost before the server answered."
                )

    def _stream(
        self, transfer: Transfer, nonce: str, source: Path | IO[bytes], connection: Connection
    ) -> Receipt:
        return connection.send_file(
            source if isinstance(source, Path) else cast(BinaryIO, source),
            kind=transfer.kind,
            filename=transfer.filename,
            to=transfer.peer,
            progress=transfer.progress,
            cancel=transfer.cancellation,
            nonce=nonce,
        )


def expand(path: str) -> Path:
    """Replace ``~`` by the home directory. An unknown user in ``~user`` stays, and the file is then not found."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
