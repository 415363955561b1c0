"""Carry out what the user wants of attachments: get, cancel, open, list. Tell when transfers begin and end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent.event

from chat.client.attention.ignored import Ignored
from chat.client.connection.connection import Connection
from chat.client.connection.events import Attachment
from chat.client.conversation.downloads import Downloads
from chat.client.conversation.inbox import Inbox
from chat.client.conversation.requests import Cancel, Get, ListTransfers, OpenFile
from chat.client.conversation.transfer_list import Transfer, TransferList, TransferState
from chat.client.conversation.ui_events import (
    Done,
    Failed,
    Frontend,
    Tag,
    TransferChanged,
    TransferListing,
)
from chat.client.conversation.uploads import Uploads
from chat.client.desktop.open_rules import OpenRule
from chat.client.desktop.programs import DesktopError
from chat.client.resuming.resumer import Resumer
from chat.protocol.descriptor import MessageType


class TransferRequests:
    """The attachments of one user, in both directions. ``doing`` has the function for each kind of request.

    ``connected`` returns the present connection, or None. ``refuse`` shows and counts a failure by its code, a sentence
    and a tag. ``is_looked_at``: see ``Downloads``. ``failures`` counts the requested transfers that failed.
    """

    def __init__(
        self,
        frontend: Frontend,
        inbox: Inbox,
        spawn: Callable[..., object],
        resumer: Resumer,
        *,
        connected: Callable[[], Connection | None],
        refuse: Callable[[str, str, Tag], object],
        ignored: Ignored,
        is_looked_at: Callable[[Attachment], bool],
        open_rules: tuple[OpenRule, ...],
    ) -> None:
        self.failures = 0
        self.transfers = TransferList()
        self.downloads = Downloads(
            self.transfers,
            frontend,
            self.tell,
            inbox,
            spawn,
            is_wanted=lambda sender: sender not in ignored,
            is_looked_at=is_looked_at,
        )
        self.uploads = Uploads(self.transfers, self.tell, spawn, resumer)
        self.doing: dict[type, Callable[[Any, Tag], object]] = {
            Get: self._get,
            Cancel: self._cancel,
            OpenFile: self._open,
            ListTransfers: self._list,
        }
        self._frontend = frontend
        self._spawn = spawn
        self._connected = connected
        self._refuse = refuse
        self._open_rules = open_rules
        self._ended = gevent.event.Event()

    def go_on(self, connection: Connection) -> None:
        """Go on with what a lost connection has interrupted."""
        self.downloads.go_on(connection)
        self.uploads.go_on()

    @property
    def is_transferring(self) -> bool:
        """Whether a requested transfer is under way, or its end not shown yet."""
        return any(t.asked and not t.told for t in self.transfers.all())

    def wait(self) -> None:
        """Wait until a transfer has ended."""
        self._ended.wait()

    def tell(self, transfer: Transfer) -> None:
        """Show that a transfer began or ended."""
        self._frontend.show(TransferChanged(transfer))
        if not transfer.has_ended:
            return
        if transfer.asked and transfer.state is TransferState.FAILED:
            self.failures += 1
        if transfer.state is TransferState.DONE:
            self._tell_done(transfer.tag)
        elif transfer.tag is not None:
            sentence = transfer.problem or "The transfer was cancelled."
            self._frontend.show(Failed(transfer.state.value, sentence, transfer.tag))
        transfer.told = True
        # A new event for each change: waiters would miss an event that is set and cleared before they run.
        ended, self._ended = self._ended, gevent.event.Event()
        ended.set()

    def _get(self, request: Get, tag: Tag) -> None:
        chosen = self.transfers.choose(
            request.number,
            "get",
            lambda transfer: transfer.can_be_fetched,
            "No attachment waits to be saved; /transfers lists all.",
        )
        self.downloads.get(chosen.number, self._connected(), tag)

    def _cancel(self, request: Cancel, tag: Tag) -> None:
        transfer = self.transfers.choose(
            request.number,
            "cancel",
            lambda transfer: transfer.is_under_way,
            "No transfer is under way.",
        )
        transfer.cancel()
        self._tell_done(tag)
        if transfer.has_ended:  # it had not begun; a running transfer is shown once it has stopped
            self.tell(transfer)

    def _open(self, request: OpenFile, tag: Tag) -> None:
        transfer = self.downloads.saved(request.number)
        assert transfer.path is not None
        # In a greenlet of its own, since the opener may take two seconds.
        self._spawn(self._open_path, transfer.path, transfer.kind, tag)

    def _open_path(self, path: Path, kind: MessageType, tag: Tag) -> None:
        from chat.client.desktop.opening import (
            open_file,  # loaded with the first file that is opened
        )

        try:
            open_file(path, kind, self._open_rules)
        except DesktopError as problem:
            self._refuse("failed", str(problem), tag)
        else:
            self._tell_done(tag)

    def _list(self, request: ListTransfers, tag: Tag) -> None:
        self._frontend.show(TransferListing(self.transfers.all(), tag))

    def _tell_done(self, tag: Tag) -> None:
        if tag is not None:  # only programs give tags
            self._frontend.show(Done(tag))
