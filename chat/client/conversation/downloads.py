"""Number the attachments of others, and save them: automatically in a named directory, else when the user asks.

If the content came with its message, the saver already has it, and the attachment only gets a number here. Offered
attachments are fetched, a few at a time; the others wait.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import BinaryIO, TypeAlias, cast

from gevent.lock import BoundedSemaphore

from chat.client.connection.connection import Connection
from chat.client.connection.events import Attachment
from chat.client.connection.saver import Saving
from chat.client.conversation.inbox import Inbox
from chat.client.conversation.requests import RequestError
from chat.client.conversation.transfer_list import Transfer, TransferList, TransferState
from chat.client.conversation.ui_events import Announced, Frontend, Preview, Problem, Tag
from chat.client.errors import ChatError, TransferCancelled
from chat.client.runtime.gevent_runtime import GEVENT
from chat.protocol.descriptor import MessageType

# The server allows a user four transfers at once. The other two are for uploads.
AT_ONCE = 2
# Offers that wait to be fetched automatically. Further offers of a flood are only listed.
MAX_WAITING = 100
# Bytes of an image that is fetched only for a preview, and how many such images may wait. One is fetched at a time.
MAX_PREVIEW = 16 * 1024**2
MAX_PREVIEWS_WAITING = 20
# Attachments whose numbers are remembered.
MAX_SHOWN = 1000

NOT_CONNECTED = "Not connected to the server. Try again once the client has reconnected."
_DROPPED = "It was dropped, because too many newer attachments wait for /get."
_FULL = (
    "Too many attachments wait for /get, so the oldest are dropped. /get N saves one of the others; "
    "--save-directory=DIR saves attachments automatically."
)

# Whether a message was private, its room, its number, and its time: under another epoch, the number has another time.
_Place: TypeAlias = tuple[bool, "str | None", "int | None", datetime]


class Downloads:
    """The attachments that others send, and those that the user sent earlier. They go to ``inbox``.

    ``tell`` is called with a transfer that began or ended. ``spawn`` runs a function in the background. ``is_wanted``
    decides by the sender whether an attachment is fetched automatically. ``is_looked_at`` decides whether an image
    that is not saved is fetched for a Preview.
    """

    def __init__(
        self,
        transfers: TransferList,
        frontend: Frontend,
        tell: Callable[[Transfer], object],
        inbox: Inbox,
        spawn: Callable[..., object],
        is_wanted: Callable[[str], bool] = lambda sender: True,
        is_looked_at: Callable[[Attachment], bool] = lambda attachment: False,
    ) -> None:
        self._transfers = transfers
        self._frontend = frontend
        self._tell = tell
        self._inbox = inbox
        self._spawn = spawn
        self._is_wanted = is_wanted
        self._is_looked_at = is_looked_at
        self._turns = BoundedSemaphore(AT_ONCE)
        self._waiting = 0
        self._preview_turn = BoundedSemaphore(1)
        self._previews_waiting = 0
        self._has_told_full = False
        # Downloads whose connection was lost. They go on over the next one.
        self._interrupted: list[Transfer] = []
        self._latest: Connection | None = None
        # The messages whose attachments have a number: the same one may be shown again, by a search for example.
        self._shown: OrderedDict[_Place, Transfer] = OrderedDict()

    def go_on(self, connection: Connection) -> None:
        """Go on with the downloads that a lost connection has interrupted."""
        self._latest = connection
        interrupted, self._interrupted = self._interrupted, []
        for transfer in interrupted:
            if transfer.state is TransferState.WAITING:  # not cancelled meanwhile
                self._begin(transfer, connection)

    def add_attachment(self, attachment: Attachment, connection: Connection) -> None:
        """Show an attachment that came over ``connection``, and fetch it if the settings say so."""
        if attachment.own:
            # No number, so that /get alone finds what others have sent.
            self._frontend.show(Announced(attachment, None))
            return
        if attachment.replay or attachment.purged:
            if attachment.replay and self._is_to_be_finished(attachment):
                self._add_unfinished(self._add(attachment), attachment, connection)
                return
            self._frontend.show(self.announce_again(attachment, connection))
            return
        transfer = self._add(attachment)
        if attachment.offer is not None:
            self._add_offer(transfer, attachment, connection)
        elif attachment.saving is not None:
            self._add_content(transfer, attachment, attachment.saving)
        elif attachment.problem is not None:
            transfer.fail(attachment.problem)
            self._frontend.show(Announced(attachment, transfer))
            self._frontend.show(Problem(attachment.problem))
        else:  # neither saved nor kept: the user named no directory, and can't ask
            transfer.state = TransferState.OFFERED
            self._frontend.show(Announced(attachment, transfer))

    def announce_again(self, attachment: Attachment, connection: Connection) -> Announced:
        """Return how to announce an attachment that the server shows again: under the number that it has had.

        It is saved only on request: the user may have saved it when it was new. The user may have sent it from another
        machine.
        """
        if attachment.purged:
            return Announced(attachment, None)
        known = self._shown.get(_place_of(attachment))
        if known is not None and known not in self._transfers:
            known = None  # the list has forgotten it
        transfer = known or self._add(attachment)
        is_waiting = transfer.state in (TransferState.OFFERED, TransferState.FAILED)
        # A newer offer may be there although an older one is gone.
        if known is None or (is_waiting and transfer.saving is None):
            is_there = attachment.offer is not None or attachment.content is not None
            transfer.offer = attachment if is_there else None
            transfer.session, transfer.state = connection.session, TransferState.OFFERED
        return Announced(attachment, transfer)

    def _add(self, attachment: Attachment) -> Transfer:
        transfer = self._transfers.add(
            attachment.kind,
            attachment.filename,
            attachment.size,
            outgoing=False,
            peer=attachment.sender,
            room=attachment.room,
        )
        if attachment.seq is not None:
            self._shown[_place_of(attachment)] = transfer
            if len(self._shown) > MAX_SHOWN:
                self._shown.popitem(last=False)
        return transfer

    def saved(self, number: int | None) -> Transfer:
        """Return the saved attachment ``number``, or the only one. Raises RequestError."""
        transfer = self._transfers.choose(
            number,
            "open",
            lambda transfer: transfer.path is not None and not transfer.outgoing,
            "No attachment is saved yet; /get saves one.",
        )
        if transfer.outgoing or transfer.path is None:
            is_offered = transfer.state is TransferState.OFFERED
            hint = f"; /get {transfer.number} saves it" if is_offered else ""
            raise RequestError(f"Attachment {transfer.number} is not saved here{hint}.")
        return transfer

    def get(self, number: int, connection: Connection | None, tag: Tag = None) -> Transfer:
        """Save attachment ``number``, since the user asked. Raises RequestError."""
        transfer = self._transfers[number]
        if transfer.outgoing:
            raise RequestError(f"You sent attachment {number} yourself.")
        if transfer.state is TransferState.DONE:
            raise RequestError(f"Attachment {number} is already saved as {transfer.path}.")
        is_coming = transfer.state in (TransferState.WAITING, TransferState.RUNNING)
        # A transfer has one tag, so a second request would get no outcome.
        if is_coming and transfer.tag is not None:
            raise RequestError(f"Attachment {number} is already being saved.")
        if not is_coming and transfer.offer is None and transfer.saving is None:
            raise RequestError(
                f"Attachment {number} is not available: {transfer.problem or _DROPPED}"
            )
        if not is_coming and transfer.offer is not None and connection is None:
            raise RequestError(NOT_CONNECTED)
        transfer.tag = tag
        transfer.asked = True
        if not is_coming:
            self._begin(transfer, connection)
        return transfer

    def _is_to_be_finished(self, attachment: Attachment) -> bool:
        """Return whether an earlier run has begun to save an attachment that this run has not shown yet."""
        if attachment.purged or _place_of(attachment) in self._shown:
            return False
        return self._inbox.is_unfinished(attachment)

    def _add_unfinished(
        self, transfer: Transfer, attachment: Attachment, connection: Connection
    ) -> None:
        transfer.offer, transfer.session = attachment, connection.session
        self._frontend.show(Announced(attachment, transfer))
        self._begin(transfer, connection)

    def _add_offer(
        self, transfer: Transfer, attachment: Attachment, connection: Connection
    ) -> None:
        transfer.offer, transfer.session = attachment, connection.session
        is_wanted = self._is_wanted(attachment.sender)
        if is_wanted and self._is_fetched_unasked(attachment):
            transfer.state = TransferState.WAITING
            self._frontend.show(Announced(attachment, transfer))
            self._begin(transfer, connection)
            return
        transfer.state = TransferState.OFFERED
        self._frontend.show(Announced(attachment, transfer))
        if is_wanted and self._is_previewed(attachment):
            self._previews_waiting += 1
            self._spawn(self._preview_in_turn, transfer, attachment, connection)

    def _add_content(self, transfer: Transfer, attachment: Attachment, saving: Saving) -> None:
        if self._inbox.is_saved_unasked(attachment.size):
            transfer.state = TransferState.WAITING
            self._frontend.show(Announced(attachment, transfer))
            saving.then(lambda saving: self._spawn(self._end_saving, transfer, saving))
            return
        transfer.state, transfer.saving = TransferState.OFFERED, saving
        dropped = self._inbox.hold(transfer, saving)
        self._frontend.show(Announced(attachment, transfer))
        for old in dropped:
            old.saving = None
            old.fail(_DROPPED)
        if dropped and not self._has_told_full:
            self._has_told_full = True  # shown once: a flood must not cause twice as many lines
            self._frontend.show(Problem(_FULL))
        saving.then(lambda saving: self._spawn(self._end_holding, transfer, attachment, saving))

    def _end_saving(self, transfer: Transfer, saving: Saving) -> None:
        """Show that an attachment is saved in the named directory, or why not."""
        if transfer.state is TransferState.CANCELLED:
            if saving.path is not None:
                GEVENT.offload(saving.path.unlink, True)
            return
        if saving.path is not None:
            transfer.finish(saving.path)
        else:
            transfer.fail(saving.problem or "")
        self._tell(transfer)

    def _end_holding(self, transfer: Transfer, attachment: Attachment, saving: Saving) -> None:
        """Preview a kept attachment, or show why it could not be kept."""
        if saving.path is None:
            self._inbox.drop(transfer)
            # If the user has asked for it already, the download shows the error.
            if transfer.state is TransferState.OFFERED:
                transfer.saving = None
                transfer.fail(saving.problem or "")
                self._tell(transfer)
        elif self._is_previewed(attachment) and self._is_wanted(attachment.sender):
            try:
                file = cast(BinaryIO, GEVENT.offload(saving.path.open, "rb"))
            except OSError:
                return  # a later attachment has pushed it out meanwhile
            self._frontend.show(Preview(transfer, file))

    def _is_fetched_unasked(self, attachment: Attachment) -> bool:
        return self._inbox.is_saved_unasked(attachment.size) and self._waiting < MAX_WAITING

    def _is_previewed(self, attachment: Attachment) -> bool:
        return (
            attachment.kind is MessageType.IMAGE
            and attachment.size <= MAX_PREVIEW
            and self._previews_waiting < MAX_PREVIEWS_WAITING
            and self._is_looked_at(attachment)
        )

    def _begin(self, transfer: Transfer, connection: Connection | None) -> None:
        transfer.restart()
        self._waiting += 1
        self._spawn(self._fetch_in_turn, transfer, connection)

    def _fetch_in_turn(self, transfer: Transfer, connection: Connection | None) -> None:
        with self._turns:
            self._waiting -= 1
            if transfer.state is not TransferState.WAITING:
                return  # cancelled meanwhile, and perhaps requested again
            self._fetch(transfer, connection)
        self._tell(transfer)

    def _fetch(self, transfer: Transfer, connection: Connection | None) -> None:
        transfer.state = TransferState.RUNNING
        self._tell(transfer)
        try:
            if transfer.saving is not None:
                path = self._inbox.save_held(transfer.saving, transfer.filename)
                self._inbox.drop(transfer)
                transfer.saving = None
            elif transfer.offer is not None and transfer.offer.content is not None:
                path = self._inbox.save(transfer.offer.content, transfer.filename)
            else:
                assert transfer.offer is not None
                assert connection is not None
                path = connection.fetch(
                    transfer.offer,
                    directory=self._inbox.directory,
                    progress=transfer.progress,
                    cancel=transfer.cancellation,
                )
        except TransferCancelled:
            transfer.state = TransferState.CANCELLED
        except ChatError as problem:
            if _is_kept(transfer) and connection is not None and connection.has_ended:
                self._interrupt(transfer, connection)
            else:
                transfer.fail(self._explain(problem, transfer, connection))
        else:
            transfer.finish(path)

    def _interrupt(self, transfer: Transfer, connection: Connection) -> None:
        """Let a download wait for the next connection than ``connection``, which may be here already."""
        transfer.state = TransferState.WAITING
        self._interrupted.append(transfer)
        latest = self._latest
        if latest is not None and latest is not connection and not latest.has_ended:
            self.go_on(latest)

    def _explain(
        self, problem: ChatError, transfer: Transfer, connection: Connection | None
    ) -> str:
        is_of_another_session = connection and connection.session != transfer.session
        if transfer.saving is None and is_of_another_session and not _is_kept(transfer):
            return f"{problem} It was offered before the connection was lost; ask the sender to send it again."
        return str(problem)

    def _preview_in_turn(
        self, transfer: Transfer, attachment: Attachment, connection: Connection
    ) -> None:
        """Fetch an image for a preview, into a file without a name."""
        with self._preview_turn:
            self._previews_waiting -= 1
            if transfer.state is not TransferState.OFFERED:
                return  # it is being saved, and the preview will come from the saved file
            try:
                import tempfile  # takes a while; most images are saved, or came with their messages

                # Without a buffer, so that a full disk fails here and not at close.
                file = cast(BinaryIO, GEVENT.offload(tempfile.TemporaryFile, "w+b", 0))
            except OSError:
                return  # no temporary file; no error, as the user has not asked for this image
            try:
                connection.fetch_into(attachment, file)
            except ChatError:
                file.close()  # no error here: /get will show it
                return
        self._frontend.show(Preview(transfer, file))


def _place_of(attachment: Attachment) -> _Place:
    return attachment.to is not None, attachment.room, attachment.seq, attachment.timestamp


def _is_kept(transfer: Transfer) -> bool:
    """Return whether the server keeps the content of a download beyond the session that was offered it."""
    return transfer.offer is not None and transfer.offer.sha256 is not None
