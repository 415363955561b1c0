"""Ask who is in a room, once it is looked at: at a login, the server tells only how many they are."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from chat.client.conversation.requests import Who
from chat.client.conversation.ui_events import Asked, Failed, Tag, UiEvent, UserList
from chat.client.screen.model.model import Model
from chat.client.screen.model.rooms import ShownRoom

# Of a room with more users, the names are not asked for.
MAX_NAMES = 1000


class RoomNames:
    """Ask for the names by ``ask``, and put them into the room."""

    def __init__(self, model: Model, ask: Callable[[Asked], object]) -> None:
        self._model = model
        self._ask = ask
        self._tags = count(1)
        self._asked: dict[Tag, ShownRoom] = {}

    def look(self) -> None:
        """Ask for the names of the room that is shown, if they are not known."""
        room = self._model.current.room
        if room is None or not room.wants_names or not (self._model.is_online and room.is_inside):
            return
        room.wants_names = False
        if room.here is not None and room.here > MAX_NAMES:
            return
        tag = f"names {next(self._tags)}"
        self._asked[tag] = room
        self._ask(Asked(Who(room.name, limit=MAX_NAMES), tag))

    def take(self, event: UiEvent) -> bool:
        """Take the answer to a question of this screen; return False if ``event`` is none."""
        if not isinstance(event, UserList | Failed) or event.tag not in self._asked:
            return False
        room = self._asked.pop(event.tag)
        if isinstance(event, UserList) and room.is_inside and not event.has_more:
            room.people.reset(event.users)
        return True
