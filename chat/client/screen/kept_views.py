"""Keep the views over restarts of the client: the rooms, what is read and typed in each, and how loud each is."""

from __future__ import annotations

from collections.abc import Callable

from chat.client.attention.notify import NotifyMode
from chat.client.attention.read_marks import ReadUpTo
from chat.client.conversation.commands import shown_line
from chat.client.screen.controller import Controller
from chat.client.screen.model.model import Model
from chat.client.screen.model.views import View
from chat.client.state.memory import Memory
from chat.client.state.places import ROOM, ROOM_PREFIX, LogKey, LogPlace, room_log

# Before the name of the other user, in the key of a private view.
_PARTNER = "with:"


class KeptViews:
    """Put what ``memory()`` has into ``model`` at a login, and what has changed since into the memory.

    ``save`` is called when the memory has something to write.
    """

    def __init__(
        self,
        model: Model,
        controller: Controller,
        memory: Callable[[], Memory],
        save: Callable[[], object],
    ) -> None:
        self._model = model
        self._controller = controller
        self._memory = memory
        self._save = save
        self._restored: Memory | None = None  # that of the user who is logged in

    def restore(self) -> None:
        """Open the views of the user who has logged in. Views that are open stay as they are."""
        memory = self._memory()
        if memory is self._restored:
            return
        self._restored = memory
        for key, level in memory.notify_levels.items():
            self._model.set_notify(LogKey(key), NotifyMode(level))
        marks = self._model.attention.read_marks
        for name in (None, *memory.rooms):
            if name is not None:
                self._model.open_room(name)
            place = memory.read(room_log(name))
            if place is not None:
                marks.restore(ReadUpTo(place.seq, room=name))
        for key, draft in memory.drafts.items():
            view = self._view_of(key)
            if view is not None:
                self._controller.restore_draft(view, draft)

    def keep(self) -> None:
        """Note what has changed. Call it a few times a second."""
        memory, model = self._memory(), self._model
        if memory is not self._restored:
            return
        for log, mode in model.notify_modes.items():
            if memory.notify(log) != mode.value:
                memory.keep_notify(log, mode.value)
        if model.epoch is not None:
            for view in model.rooms:
                seq = view.read_up_to
                if seq is not None:
                    memory.keep_read(room_log(view.room_name), LogPlace(model.epoch, seq))
        for view in model.views:
            draft = self._controller.draft_of(view)
            # What a user of another program takes for a command with a password is kept nowhere.
            is_secret = bool(draft.strip()) and shown_line(draft) != draft
            memory.keep_draft(_key_of(view), "" if is_secret else draft)
        if memory.is_dirty:
            self._save()

    def _view_of(self, key: str) -> View | None:
        if key.startswith(_PARTNER):
            return self._model.open_view(key.removeprefix(_PARTNER))
        if key == ROOM or key.startswith(ROOM_PREFIX):
            view = self._model.log_view(LogKey(key))
            return view if key == ROOM or view is not self._model.default else None
        return None


def _key_of(view: View) -> str:
    return f"{_PARTNER}{view.peer}" if view.peer is not None else room_log(view.room_name)
