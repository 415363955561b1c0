"""Send the queue of a room that comes back over one connection after another."""

from __future__ import annotations

from collections.abc import Callable

from chat.client.connection.connection import Connection
from chat.client.connection.outgoing import open_source
from chat.client.connection.receipts import Receipt, Status
from chat.client.errors import ConnectionLost, NotSent, TransferFailed
from chat.client.resuming.outgoing_queue import QueuedMessage
from chat.client.resuming.queued_file import QueuedFile
from chat.client.resuming.resumer import Resumer
from chat.client.runtime.runtime import Runtime


class QueueSender:
    """Sends the queue of ``resumer``. Large files go beside the texts, each in a task."""

    def __init__(self, runtime: Runtime, resumer: Resumer) -> None:
        self._runtime = runtime
        self._resumer = resumer

    def send_all(self, connection: Connection, is_over: Callable[[], bool]) -> None:
        """Send what is queued and what follows over ``connection`` until it is over.

        Raises ConnectionLost, StateFileError.
        """
        self._resumer.send_all(connection, lambda message: self._send(connection, message), is_over)

    def _send(self, connection: Connection, message: QueuedMessage) -> Receipt | None:
        try:
            if not isinstance(message, QueuedFile):
                assert message.text is not None
                return connection.send_text(
                    message.text, message.to, room=message.room, nonce=message.nonce
                )
            return self._send_file(connection, message)
        except NotSent as problem:
            message.settle(Status.REFUSED, "not-sent", str(problem))
            return None

    def _send_file(self, connection: Connection, file: QueuedFile) -> Receipt | None:
        file.rewind()
        with open_source(file.source, file.filename) as found:
            is_large = found.size > connection.most_inline
        if is_large:
            # Beside the texts, which need not wait for it. From now on the upload has the file, and not the queue.
            self._resumer.queue.in_flight.remove(file)
            self._runtime.spawn(self._upload, connection, file)
            return None
        return file.send(connection)

    def _upload(self, connection: Connection, file: QueuedFile) -> None:
        try:
            receipt = file.send(connection)
            receipt.wait()
            status, code, refusal = receipt.status, receipt.code, receipt.refusal
        except (ConnectionLost, TransferFailed) as problem:
            status, code, refusal = Status.LOST, None, str(problem)
        except NotSent as problem:
            status, code, refusal = Status.REFUSED, "not-sent", str(problem)
        # While the session goes on, the server may still say it: only the next session can find out.
        if status is Status.LOST and connection.has_ended:
            self._resumer.question(file)
        else:
            file.settle(status, code, refusal)
