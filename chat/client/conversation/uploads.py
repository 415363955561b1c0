"""Send files and directories: small files in order with the texts, others over transfer connections."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO, cast

from gevent.lock import BoundedSemaphore

from chat.client.connection.connection import Connection
from chat.client.connection.outgoing import NO_PATH, open_source
from chat.client.connection.receipts import Receipt, Status
from chat.client.conversation.disk.archive import archive
from chat.client.conversation.requests import SendFile
from chat.client.conversation.transfer_list import Transfer, TransferList, TransferState
from chat.client.conversation.unacknowledged import Outgoing
from chat.client.desktop.media import check_content
from chat.client.errors import ChatError, NotSent, TransferCancelled
from chat.client.resuming.resumer import Resumer
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.state.errors import StateFileError
from chat.client.state.pending_upload import PendingUpload
from chat.protocol.descriptor import MessageType

LOST = "The connection was lost before the server answered."
# The server allows a user four transfers at once. The other two are for downloads.
AT_ONCE = 2


class Uploads:
    """The user's own attachments.

    ``tell`` is called with a transfer that began or ended. ``spawn`` runs a function in the background. ``resumer``
    gets an upload whose connection was lost before the answer: it is looked up, and then sent again or finished. Its
    memory has the uploads that a later run of the client goes on with.
    """

    def __init__(
        self,
        transfers: TransferList,
        tell: Callable[[Transfer], object],
        spawn: Callable[..., object],
        resumer: Resumer | None = None,
    ) -> None:
        self._transfers = transfers
        self._tell = tell
        self._spawn = spawn
        self._resumer = resumer
        self._nonces: set[str] = set()  # of the uploads of this run
        self._turns = BoundedSemaphore(AT_ONCE)

    def go_on(self) -> None:
        """Go on with the uploads that an earlier run of the client has begun, as the user who is here now."""
        if self._resumer is None:
            return
        for upload in self._resumer.memory.uploads():
            if upload.nonce not in self._nonces:
                self._nonces.add(upload.nonce)
                self._spawn(self._go_on_with, upload)

    def _go_on_with(self, upload: PendingUpload) -> None:
        assert self._resumer is not None
        path, kind = Path(upload.path), MessageType(upload.kind)
        request = SendFile(upload.path, kind, upload.to, False, room=upload.room)
        item = Outgoing(request, nonce=upload.nonce)
        item.only_goes_on = True
        if _stamp(path) == (upload.size, upload.modified):
            self._resumer.put(item)
            return
        transfer = self._transfers.add(
            kind, path.name, upload.size, outgoing=True, peer=upload.to, room=upload.room
        )
        transfer.fail("The upload cannot go on: the file has changed.")
        self._forget(upload.nonce)
        self._tell(transfer)

    def send(self, item: Outgoing, connection: Connection) -> Receipt | None:
        """Send a small file at once, and return its receipt; else begin a transfer, and return None.

        Raises NotSent if the path is neither a file nor a directory, or can't be read; ConnectionLost.
        """
        request = item.request
        assert isinstance(request, SendFile)
        if not request.path.strip():
            raise NotSent(NO_PATH)
        path, named = _meant(request)
        try:
            status = path.stat()
            is_directory = stat.S_ISDIR(status.st_mode)
            if is_directory:
                path = path.resolve()  # for "." too; fails in a directory that has been removed
        except (OSError, ValueError, RuntimeError) as problem:
            reason = getattr(problem, "strerror", None) or str(problem)
            raise NotSent(f"Can't read {named}: {reason}.") from None
        if not is_directory and not stat.S_ISREG(status.st_mode):
            raise NotSent(f"{named} is neither a file nor a directory.")
        if is_directory and not request.allows_directory:
            raise NotSent(f'{named} is a directory: add "directory": true to send it.')
        if is_directory and request.kind is not MessageType.FILE:
            raise NotSent(f"{named} is a directory; send it as a file instead.")
        check_content(path, request.kind)
        if not is_directory and (receipt := self._send_small(item, request, path, connection)):
            return receipt
        transfer = item.transfer
        if transfer is None:
            name = f"{path.name or 'root'}.tar" if is_directory else path.name
            transfer = item.transfer = self._transfers.add(
                request.kind,
                name,
                status.st_size,
                outgoing=True,
                peer=request.to,
                room=request.room,
            )
            transfer.asked = True
            transfer.tag = item.tag
        self._spawn(self._send_in_turn, transfer, item, path, is_directory, connection)
        return None

    def finish(self, item: Outgoing, problem: str) -> None:
        """Finish the transfer of an upload that was looked up; ``problem`` is the reason if it is not known as sent."""
        transfer = item.transfer
        assert transfer is not None, "only transfers are looked up"
        if not transfer.has_ended:
            if item.status is Status.ACCEPTED:
                transfer.state = TransferState.DONE
            else:
                transfer.fail(problem)
            self._forget(item.nonce)
            self._tell(transfer)

    def _send_small(
        self, item: Outgoing, request: SendFile, path: Path, connection: Connection
    ) -> Receipt | None:
        """Send a file that needs no transfer connection; return None for a larger file. Raises NotSent."""
        with open_source(path, None) as found:
            # An original server has no transfer connections.
            if connection.original:
                source = found.file
            elif found.size <= connection.most_inline:
                # Read here, so that a file that grows meanwhile does not become an upload after all: the queue would
                # never hear of its end.
                source = BytesIO(b"".join(found.pieces(found.file.read)))
            else:
                return None
            return connection.send_file(
                source,
                kind=request.kind,
                filename=found.filename,
                to=request.to,
                room=request.room,
                nonce=item.nonce,
            )

    def _send_in_turn(
        self,
        transfer: Transfer,
        item: Outgoing,
        path: Path,
        is_directory: bool,
        connection: Connection,
    ) -> None:
        with self._turns:
            if transfer.state is not TransferState.WAITING:
                return  # cancelled meanwhile
            transfer.state = TransferState.RUNNING
            self._tell(transfer)
            if not is_directory and connection.limits.resume:
                self._remember(item, path)
            self._send(transfer, item, path, is_directory, connection)
        if transfer.has_ended:
            self._forget(item.nonce)
        self._tell(transfer)
        if transfer.state is TransferState.WAITING and self._resumer is not None:
            self._resumer.question(item)

    def _remember(self, item: Outgoing, path: Path) -> None:
        """Let a later run of the client go on with an upload, if this one is killed."""
        self._nonces.add(item.nonce)
        if self._resumer is None or not self._resumer.memory.is_kept:
            return
        stamp = _stamp(path)
        if stamp is not None:
            whole, kind, to = str(path.absolute()), int(item.kind), item.to
            upload = PendingUpload(item.nonce, whole, kind, to, *stamp, item.room)
            self._resumer.memory.keep_upload(upload)
            self._save()

    def _forget(self, nonce: str) -> None:
        if self._resumer is not None:
            self._resumer.memory.end_upload(nonce)
            self._save()

    def _save(self) -> None:
        if self._resumer is not None:
            with suppress(StateFileError):  # told by the task that saves all else
                self._resumer.save()

    def _send(
        self,
        transfer: Transfer,
        item: Outgoing,
        path: Path,
        is_directory: bool,
        connection: Connection,
    ) -> None:
        try:
            if is_directory:
                limit = connection.limits.max_file
                # In a thread, since packing a directory waits for the disk.
                with GEVENT.offload(archive, path, limit, transfer.cancellation) as source:
                    receipt = self._stream(transfer, item.nonce, source, connection)
            else:
                receipt = self._stream(transfer, item.nonce, path, connection)
        except TransferCancelled:
            transfer.state = TransferState.CANCELLED
        except ChatError as problem:
            self._fail(transfer, str(problem), is_lost=connection.has_ended)
        else:
            status = receipt.wait()
            if status is Status.ACCEPTED:
                transfer.state = TransferState.DONE
            else:
                self._fail(transfer, receipt.refusal or LOST, is_lost=status is Status.LOST)

    def _fail(self, transfer: Transfer, problem: str, *, is_lost: bool) -> None:
        if is_lost and self._resumer is not None:
            transfer.state = TransferState.WAITING  # for the next connection
        else:
            transfer.fail(problem)

    def _stream(
        self, transfer: Transfer, nonce: str, source: Path | IO[bytes], connection: Connection
    ) -> Receipt:
        return connection.send_file(
            source if isinstance(source, Path) else cast(BinaryIO, source),
            kind=transfer.kind,
            filename=transfer.filename,
            to=transfer.peer,
            room=transfer.room,
            progress=transfer.progress,
            cancel=transfer.cancellation,
            nonce=nonce,
        )


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return the size and the time of a file; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _meant(request: SendFile) -> tuple[Path, str]:
    """Return the path that ``request`` means, and how to name it to the user.

    A terminal types the path of a dropped file as a shell would need it.
    """
    path = expand(request.path)
    # lexists is False for a path that can't exist, where Path.exists raises.
    if request.unquoted is None or os.path.lexists(path):
        return path, request.path
    return expand(request.unquoted), request.unquoted


def expand(path: str) -> Path:
    """Replace ``~`` by the home directory. An unknown user in ``~user`` stays, and the file is then not found."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
