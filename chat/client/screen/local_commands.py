"""Execute the commands that only a screen has: they change the model, and report what they did."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from chat.client.attention.notify import NotifyMode
from chat.client.conversation.requests import (
    ClearLog,
    CloseView,
    Copy,
    FollowLog,
    OnScreen,
    OpenView,
    RequestError,
    SaveLog,
    SearchLog,
    SetBell,
    SetMouse,
    SetRaw,
    ShowBareView,
    ShowEarlier,
    ShowKeys,
    ToggleNames,
    ToggleSidebar,
)
from chat.client.conversation.room_requests import SetNotify
from chat.client.conversation.uploads import expand
from chat.client.errors import explain
from chat.client.frontends.clipboard import (
    NotCopied,
    clipboard_sequence,
    copied_words,
    copyable,
)
from chat.client.frontends.wording import ACTION
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.screen.controller import Controller
from chat.client.screen.draw.sidebar import MIN_COLUMNS
from chat.client.screen.log_file import LogFile, default_path, save
from chat.client.screen.model.entries import Said, Shared
from chat.client.screen.model.model import Model
from chat.client.screen.terminal.modes import PrivateModes
from chat.client.screen.text.styles import DIM, ERROR
from chat.client.state.places import room_log

_NOTIFIES = {
    NotifyMode.ALL: "every message of this room rings",
    NotifyMode.MENTIONS: "messages of this room ring if they mention you; all are counted",
    NotifyMode.NONE: "messages of this room neither ring nor are they counted",
}


class CommandContext(Protocol):
    """List what the commands need from the program around the screen."""

    @property
    def modes(self) -> PrivateModes: ...

    def spawn(self, function: Callable[..., object], *arguments: object) -> object: ...

    def repaint(self) -> None: ...

    def send(self, sequence: bytes) -> None: ...  # to the terminal, with the next frame


class LocalCommands:
    """Execute the commands of the screen.

    ``bell``: ring for messages to the user. ``log_path`` is the file for the log; None means the default path.
    """

    def __init__(
        self,
        model: Model,
        around: CommandContext,
        now: Callable[[], datetime],
        *,
        bell: bool = True,
        log_path: Path | None = None,
    ) -> None:
        self.bell = bell
        self.controller: Controller
        self._model = model
        self._around = around
        self._now = now
        self._log_path = log_path
        self._log: LogFile | None = None
        self._doing: dict[type, Callable[[Any], object]] = {
            Copy: self._copy,
            SearchLog: lambda request: self.controller.search(request.text),
            ShowEarlier: lambda request: self.controller.reading_back.show(request),
            ClearLog: lambda request: model.current.clear(),
            SaveLog: self._save,
            FollowLog: self._follow,
            SetBell: self._set_bell,
            SetMouse: self._set_mouse,
            SetRaw: self._set_raw,
            SetNotify: self._set_notify,
            ToggleNames: self._toggle_names,
            ToggleSidebar: self._toggle_sidebar,
            OpenView: lambda request: model.query(request.name),
            CloseView: self._close_view,
            ShowBareView: lambda request: self.controller.show_bare_view(),
            ShowKeys: lambda request: self.controller.show_keys(),
        }

    def do(self, request: OnScreen) -> None:
        """Execute ``request``. Raises RequestError."""
        self._doing[type(request)](request)

    def start_log(self) -> None:
        """Begin to write the log, as ``/log on`` does. Raises RequestError."""
        self._follow(FollowLog(on=True))

    def write_log(self) -> None:
        """Append new entries to the log file, if one is open. A write error closes the file, and a remark tells why.

        Other greenlets run meanwhile, and may close the file.
        """
        log = self._log
        if log is None:
            return
        try:
            while log is self._log and log.write_new():
                GEVENT.pause()
        except OSError as problem:
            self._log = None
            with suppress(OSError):  # closing writes too; this error was reported already
                log.close()
            self._remark(f"The log is no longer written: {explain(problem)}", ERROR)

    def close_log(self) -> None:
        """Write the last entries and close the log file. Raises OSError."""
        if self._log is not None:
            log, self._log = self._log, None
            log.close()

    def _remark(self, line: str, style: str = DIM) -> None:
        self._model.remark(self._now(), line, style=style)
        self._around.repaint()

    def _save(self, request: SaveLog) -> None:
        path = expand(request.path)
        # Path.exists raises for a name that is too long, or in a directory that may not be searched; lexists does not.
        if os.path.lexists(path):
            raise RequestError(f"{path} exists already; nothing is overwritten.")
        # A copy: more entries may come while it is written.
        self._around.spawn(self._save_entries, tuple(self._model.current.entries), path)

    def _save_entries(self, entries: tuple[Any, ...], path: Path) -> None:
        try:
            count = save(entries, path, GEVENT.pause)
        except (OSError, ValueError) as problem:
            self._remark(f"{path} can't be written: {explain(problem)}", ERROR)
        else:
            self._remark(f"the log is saved as {path} ({count} entries)")

    def _follow(self, request: FollowLog) -> None:
        if request.on is None:
            where = "off" if self._log is None else f"written to {self._log.path}"
            self._remark(f"the log is {where}")
        elif not request.on:
            self.close_log()
            self._remark("the log is off from now on")
        elif self._log is None:
            path: str | Path = "the log"
            try:
                path = self._log_path or default_path(self._model.address)
                model = self._model
                self._log = LogFile(model.default, path, lambda: model.rooms)
            except OSError as problem:
                raise RequestError(f"{path} can't be written: {explain(problem)}") from None
            self._remark(f"the log is written to {path} from now on")

    def _set_bell(self, request: SetBell) -> None:
        if request.on is not None:
            self.bell = request.on
        self._remark(f"the bell is {'on' if self.bell else 'off'}")

    def _set_mouse(self, request: SetMouse) -> None:
        modes = self._around.modes
        modes.mouse = not modes.mouse if request.on is None else request.on
        if modes.mouse:
            self._remark(
                "the mouse is the client's: hold Shift to select text; /mouse gives it back"
            )
        else:
            self._remark("the mouse is the terminal's: it selects text, and the wheel scrolls")

    def _set_raw(self, request: SetRaw) -> None:
        model = self._model
        model.shows_raw = not model.shows_raw if request.on is None else request.on
        how = "without the styles" if model.shows_raw else "with the styles"
        self._remark(f"texts are shown {how} of their markup")

    def _set_notify(self, request: SetNotify) -> None:
        model = self._model
        if model.current.room is None:
            raise RequestError("Private messages always ring; /ignore NAME hides those of a user.")
        if request.mode is not None:
            model.set_notify(room_log(request.room), NotifyMode(request.mode))
        self._remark(_NOTIFIES[model.current.room.notify])

    def _toggle_names(self, request: ToggleNames) -> None:
        self._model.shows_names = not self._model.shows_names

    def _toggle_sidebar(self, request: ToggleSidebar) -> None:
        model = self._model
        is_wanted = model.wants_sidebar
        if not is_wanted and self.controller.size.columns < MIN_COLUMNS:
            raise RequestError(f"The list of views needs a screen of {MIN_COLUMNS} columns.")
        model.shows_sidebar = not is_wanted

    def _copy(self, request: Copy) -> None:
        messages = (entry for entry in reversed(self._model.current.entries) if entry.is_message)
        entry = next(islice(messages, request.number - 1, None), None)
        if not isinstance(entry, Said | Shared):
            raise RequestError("There is no such message here: /copy 1 copies the last one.")
        if isinstance(entry, Said):
            text = copyable(entry.text.removeprefix(ACTION))
        else:
            path = entry.transfer.path if entry.transfer is not None else None
            text = copyable(entry.filename if path is None else str(path))
        try:
            sequence = clipboard_sequence(text)
        except NotCopied as problem:
            raise RequestError(f"{problem} /save FILE writes the whole log.") from None
        self._around.send(sequence)
        self._remark(copied_words(entry.sender, text))

    def _close_view(self, request: CloseView) -> None:
        view = self._model.current
        if self._model.close_page():
            return
        if view is self._model.default:
            raise RequestError("The room can't be closed; /quit leaves it.")
        if view.room is not None and view.room.is_inside:
            raise RequestError(
                "You are in this room: /part leaves it, /notify none keeps it quiet."
            )
        if not self._model.close(view):
            raise RequestError("A message from here is still being sent; try again in a moment.")
        self.controller.forget(view)
