"""What a user does in the room: requests become messages and transfers, events and outcomes go to the face.

Outlives connections: what was not answered over one is said again over the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import gevent.event

from chat.client.connection.connection import Connection
from chat.client.connection.events import Attachment, Event, Notice, Text
from chat.client.connection.receipts import Receipt, Status
from chat.client.conversation.commands import Availability, help_lines
from chat.client.conversation.downloads import NOT_CONNECTED, Downloads
from chat.client.conversation.inbox import Inbox
from chat.client.conversation.passwords import NO_TERMINAL, chosen_password
from chat.client.conversation.requests import (
    AskServer,
    Cancel,
    ChangePassword,
    Get,
    Help,
    ListTransfers,
    NeedsPassword,
    Quit,
    Register,
    Reply,
    RequestError,
    Say,
    SendFile,
    Who,
)
from chat.client.conversation.transfer_list import Transfer, TransferList, TransferState
from chat.client.conversation.ui_events import (
    Asked,
    Done,
    Explanation,
    Failed,
    Frontend,
    Tag,
    TransferChanged,
    TransferListing,
    UserList,
)
from chat.client.conversation.unacknowledged import Outgoing, Unacknowledged
from chat.client.conversation.uploads import Uploads
from chat.client.errors import ChatError, ConnectionLost, NotSupported

# Seconds that somebody who asked to leave waits for his last words to be said.
LAST_WORDS = 2.0
NOT_KNOWN = "The connection was lost before the server answered; it may have been done, or not."


class Conversation:
    """One user's, shown on ``face``; what others send goes to ``inbox``.

    ``spawn`` runs a function beside the caller. ``where`` is the kind of face, for the help. ``leave`` is called when
    the user asks to. ``failures`` counts what was asked for and did not come about. ``learn`` is called with the
    password that the own name has from now on.
    """

    def __init__(
        self,
        frontend: Frontend,
        *,
        inbox: Inbox,
        spawn: Callable[..., object],
        where: Availability,
        leave: Callable[[], object],
        is_wanted: Callable[[str], bool] = lambda sender: True,
        is_looked_at: Callable[[Attachment], bool] = lambda attachment: False,
        learn: Callable[[str], object] = lambda password: None,
    ) -> None:
        self.failures = 0
        self.unacknowledged = Unacknowledged(self._tell_answer)
        self.transfers = TransferList()
        self.connection: Connection | None = None
        self._frontend = frontend
        self._downloads = Downloads(
            self.transfers, frontend, self._tell_transfer, inbox, spawn, is_wanted, is_looked_at
        )
        self._uploads = Uploads(self.transfers, self._tell_transfer, spawn)
        self._where = where
        self._leave = leave
        self._learn = learn
        self._last_private_sender: str | None = None
        self._transfer_ended = gevent.event.Event()
        self._doing: dict[type, Callable[[Any, Tag], object]] = {
            Say: self._say,
            SendFile: self._say,
            Reply: self._reply,
            Get: self._get,
            Cancel: self._cancel,
            ListTransfers: self._list_transfers,
            Who: self._who,
            AskServer: self._ask_server,
            Register: self._refuse_unseen,
            ChangePassword: self._refuse_unseen,
            Help: self._help,
            Quit: self._quit,
        }

    def do(self, asked: Asked) -> None:
        """What was asked for. Waits while too much is waiting to be said; everything that fails is shown."""
        try:
            self._doing[type(asked.request)](asked.request, asked.tag)
        except RequestError as problem:
            self.refuse("bad-request", str(problem), asked.tag)

    def refuse(self, code: str, sentence: str, tag: Tag = None) -> None:
        """Something that was asked for does not come about."""
        self.failures += 1
        self._frontend.show(Failed(code, sentence, tag))

    def handle_event(self, event: Event) -> None:
        """Something came in over the connection."""
        if isinstance(event, Attachment):
            assert self.connection is not None
            self._downloads.add_attachment(event, self.connection)
        elif isinstance(event, Notice) and event.receipt is not None:
            pass  # the refusal of something that we sent is told as its outcome
        else:
            if isinstance(event, Text) and event.to is not None and not event.own:
                self._last_private_sender = event.sender
            self._frontend.show(event)
        self.unacknowledged.tell_answers()

    def send(self, connection: Connection, item: Outgoing) -> Receipt | None:
        """For the queue: put one item on the wire. Raises ConnectionLost."""
        try:
            if isinstance(item.request, SendFile):
                return self._uploads.send(item, connection)
            if isinstance(item.request, AskServer):
                return connection.command(item.request.command, nonce=item.nonce)
            return connection.send_text(item.request.text, item.request.to, nonce=item.nonce)
        except ConnectionLost:
            raise
        except ChatError as problem:
            code = "not-supported" if isinstance(problem, NotSupported) else "not-sent"
            self.refuse(code, str(problem), item.tag)
            return None

    def wait_idle(self, patience: float) -> bool:
        """Wait until all that was asked for has come about or failed.

        False if the server answers nothing for ``patience`` seconds although it should.
        """
        while True:
            if not self.unacknowledged.is_empty:
                if not self.unacknowledged.wait_progress(patience):
                    return False
            elif self.is_transferring:
                self._transfer_ended.wait()
            else:
                return True

    def wait_for_last_words(self) -> None:
        """Wait, for a moment, until all that was said has been answered; not without a connection."""
        if self.connection is not None:
            gevent.with_timeout(LAST_WORDS, self.unacknowledged.wait_empty, timeout_value=None)

    @property
    def is_transferring(self) -> bool:
        """Whether a transfer that was asked for is under way, or its end still to be shown."""
        return any(t.asked and not t.told for t in self.transfers.all())

    def _say(self, request: Say | SendFile, tag: Tag) -> None:
        self.unacknowledged.put(Outgoing(request, tag))

    def addressed(self, reply: Reply) -> Say:
        """To whom a reply goes just now. Raises RequestError if nobody has written to us alone."""
        if self._last_private_sender is None:
            raise RequestError("Nobody has written to you alone yet.")
        return Say(reply.text, self._last_private_sender)

    def _reply(self, request: Reply, tag: Tag) -> None:
        self._say(self.addressed(request), tag)

    def _get(self, request: Get, tag: Tag) -> None:
        self._downloads.get(request.number, self.connection, tag)

    def _cancel(self, request: Cancel, tag: Tag) -> None:
        transfer = self.transfers[request.number]
        transfer.cancel()
        self._tell_done(tag)
        if transfer.has_ended:  # it had not begun; else it is told once it has stopped
            self._tell_transfer(transfer)

    def _list_transfers(self, request: ListTransfers, tag: Tag) -> None:
        self._frontend.show(TransferListing(self.transfers.all(), tag))

    def _who(self, request: Who, tag: Tag) -> None:
        connection = self._connected()
        self._frontend.show(UserList(tuple(connection.users), not connection.original, tag))

    def _ask_server(self, request: AskServer, tag: Tag) -> None:
        self._connected()  # later it might surprise somebody
        self.unacknowledged.put(Outgoing(request, tag))

    def _refuse_unseen(self, request: NeedsPassword, tag: Tag) -> None:
        """A face that can ask for a password has done so before."""
        raise RequestError(NO_TERMINAL)

    def _help(self, request: Help, tag: Tag) -> None:
        self._frontend.show(Explanation(tuple(help_lines(request.command, self._where))))

    def _quit(self, request: Quit, tag: Tag) -> None:
        self._leave()

    def check_privacy(self) -> None:
        """Before somebody is asked for a password. Raises RequestError if it could not be sent anyway."""
        if self._connected().original:
            raise RequestError("This server is an original one, which has no accounts.")
        if not self._connected().is_private:
            raise RequestError("The connection is not encrypted, so no password is sent.")

    def _connected(self) -> Connection:
        if self.connection is None:
            raise RequestError(NOT_CONNECTED)
        return self.connection

    def _tell_answer(self, item: Outgoing) -> None:
        if item.status is Status.ACCEPTED:
            if isinstance(item.request, AskServer):
                password = chosen_password(item.request.command)
                if password is not None:
                    self._learn(password)
            self._tell_done(item.tag, item.answer)
        elif item.status is Status.LOST:
            self.refuse("lost", NOT_KNOWN, item.tag)
        else:
            self.refuse(item.code or "refused", item.refusal or "It was refused.", item.tag)

    def _tell_transfer(self, transfer: Transfer) -> None:
        self._frontend.show(TransferChanged(transfer))
        if not transfer.has_ended:
            return
        if transfer.asked and transfer.state is TransferState.FAILED:
            self.failures += 1
        if transfer.state is TransferState.DONE:
            self._tell_done(transfer.tag)
        elif transfer.tag is not None:
            sentence = transfer.problem or "It was cancelled."
            self._frontend.show(Failed(transfer.state.value, sentence, transfer.tag))
        transfer.told = True
        # One event for each change, as in the queue.
        ended, self._transfer_ended = self._transfer_ended, gevent.event.Event()
        ended.set()

    def _tell_done(self, tag: Tag, answer: str | None = None) -> None:
        """Only programs want to hear it, and they give tags, unless there is more to hear."""
        if tag is not None or answer is not None:
            self._frontend.show(Done(tag, answer))
