"""Pass events of the connection to the user: into the model, by the bell, by the desktop, in pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from chat.client.connection.events import Text
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import (
    Announced,
    Explanation,
    Preview,
    TransferChanged,
    UiEvent,
)
from chat.client.errors import ChatError
from chat.client.program.settings import Settings
from chat.client.screen.controller import Controller
from chat.client.screen.draw.layout import log_width
from chat.client.screen.input.keys import Action
from chat.client.screen.input.own_keys import OwnKeys
from chat.client.screen.local_commands import LocalCommands
from chat.client.screen.model.entries import Said, Shared
from chat.client.screen.model.model import Model
from chat.client.screen.updates.message_updates import Alert
from chat.client.screen.updates.model_updates import ModelUpdater
from chat.protocol.descriptor import MessageType

# Seconds between two signals, so that a flood of mentions does not become a flood of noise.
SIGNAL_PAUSE = 2.0
# The largest picture in cells, and the smallest that is worth drawing.
_PICTURE_COLUMNS, _PICTURE_ROWS = 40, 12
_LEAST_COLUMNS, _LEAST_ROWS = 8, 3
_OF_TRANSFERS = (Announced, TransferChanged)


class FrontendContext(Protocol):
    """List what the frontend needs from the program around it."""

    @property
    def colours(self) -> int: ...

    def spawn(self, function: Callable[..., object], *arguments: object) -> object: ...

    def repaint(self) -> None: ...


class ScreenFrontend:
    """Show events in ``model``: the frontend (``chat.client.conversation.ui_events``) of the screen."""

    def __init__(
        self,
        model: Model,
        controller: Controller,
        local: LocalCommands,
        around: FrontendContext,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        self._model = model
        self._controller = controller
        self._local = local
        self._around = around
        self._now = now
        self._notify = settings.notify
        self._draws_pictures = settings.pictures
        self._intake = ModelUpdater(model)
        self._signals: list[bytes] = []
        self._signalled_at = -SIGNAL_PAUSE

    @property
    def draws_pictures(self) -> bool:
        """Return whether images are drawn: the user wants them, and the terminal has colours."""
        return self._draws_pictures and self._around.colours > 0

    def show(self, event: UiEvent) -> None:
        """Show ``event``; a message for the user also rings, or raises a notification."""
        if isinstance(event, Preview):
            self._show_preview(event)
            return
        # The help of one command is a line in the log.
        if isinstance(event, Explanation) and len(event.lines) > 1:
            self._controller.show_page(
                "commands", _help_page(event.lines, self._controller.own_keys)
            )
            self._around.repaint()
            return
        if type(event) is not Text and self._controller.take(event):
            self._around.repaint()
            return
        # A text has its own time, and many come at once.
        now = event.timestamp if type(event) is Text else self._now()
        alert = self._intake.update(event, now)
        if alert is not None:
            self._call(alert)
        if isinstance(event, _OF_TRANSFERS) and event.transfer is not None:
            self._picture_of(event.transfer)
        self._around.repaint()

    def send(self, sequence: bytes) -> None:
        """Have ``sequence`` sent to the terminal with the next frame; it must leave no trace on the screen."""
        self._signals.append(sequence)
        self._around.repaint()

    def signals(self) -> Iterator[bytes]:
        """Return the sequences that draw the user's attention to the terminal, each once."""
        signals, self._signals = self._signals, []
        yield from signals

    def _call(self, alert: Alert) -> None:
        moment = time.monotonic()
        if moment - self._signalled_at < SIGNAL_PAUSE:
            return
        self._signalled_at = moment
        if self._local.bell:
            self._signals.append(b"\a")
        # A user who looks at the terminal needs no notification.
        if self._notify != "off" and not self._model.has_focus:
            self._around.spawn(self._raise_notification, alert)

    def _raise_notification(self, alert: Alert) -> None:
        from chat.client.desktop.programs import DesktopError
        from chat.client.screen import notifications  # loaded only if notifications are wanted

        entry = alert.entry
        body = entry.text if isinstance(entry, Said) else entry.filename
        room = alert.view.room_name
        where = "" if room is None else f"in {room} "
        title = f"{entry.sender} {where}at {self._model.address}"
        sequence = notifications.notification(self._notify, title, body)
        if sequence is not None:
            self._signals.append(sequence)
            self._around.repaint()
            return
        try:
            notifications.notify_send(title, body)
        except DesktopError as problem:
            # A program that is missing will stay missing: one remark is enough.
            self._notify = "off"
            self._model.remark(self._now(), f"{problem} Notifications are off from now on.")
            self._around.repaint()

    def _picture_of(self, transfer: Transfer) -> None:
        """Draw the image of ``transfer``, once it has arrived."""
        if transfer.kind is not MessageType.IMAGE or transfer.state is not TransferState.DONE:
            return
        if transfer.path is None or not self.draws_pictures:
            return
        shared = self._model.shared_by(transfer)
        if shared is not None and not shared.picture:
            self._around.spawn(self._draw_picture, shared, transfer.path)

    def _show_preview(self, preview: Preview) -> None:
        shared = self._model.shared_by(preview.transfer)
        if shared is None or shared.picture:
            preview.file.close()
        else:
            self._around.spawn(self._draw_preview, shared, preview.file)

    def _draw_preview(self, shared: Shared, file: BinaryIO) -> None:
        with file:
            self._draw_picture(shared, Path(shared.filename), file)

    def _draw_picture(self, shared: Shared, path: Path, file: BinaryIO | None = None) -> None:
        """Draw the image at ``path``, or the image in ``file``; ``path`` is then only its name."""
        from chat.client.screen.pictures import pictures  # loaded with the first picture

        size = self._controller.size
        # The log indents a picture by up to a dozen columns.
        columns = min(_PICTURE_COLUMNS, log_width(self._model, size.columns) - 12)
        rows = min(_PICTURE_ROWS, (size.rows - 3) // 2)
        if columns < _LEAST_COLUMNS or rows < _LEAST_ROWS:
            return
        try:
            drawn = pictures.draw(path, columns, rows, self._around.colours, file)
        except ChatError as problem:
            # Dim, next to the announcement: the file itself is still available.
            self._model.remark(self._now(), f"no picture: {problem}")
        else:
            self._model.set_picture(shared, drawn)
        self._around.repaint()


def _help_page(lines: Iterable[str], keys: OwnKeys) -> list[str]:
    tab = keys.name_of(Action.COMPLETE)
    return [
        "Commands:",
        *(f"  {line}" for line in lines),
        "Texts:",
        f"  Any other line is a text. {keys.name_of(Action.SUBMIT)} sends it; // begins a text with a slash.",
        *(
            [f"  :smi and {tab} make an emoji; a name that is not completed is sent as it is."]
            if tab
            else []
        ),
        f"  {keys.name_of(Action.SHOW_KEYS) or '/keys'} shows the keys.",
    ]
