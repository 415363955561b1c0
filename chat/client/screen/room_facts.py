"""Ask for what the server does not tell by itself: the users in the room that is shown, and the new kind of a room.

At a login, the server tells only how many users are in each room. When an owner changes a room, it tells a sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from chat.client.conversation.requests import Request, Who
from chat.client.conversation.room_requests import ListRooms
from chat.client.conversation.ui_events import Asked, Failed, RoomListing, Tag, UiEvent, UserList
from chat.client.screen.model.model import Model
from chat.client.screen.model.rooms import ShownRoom

# Of a room with more users, the names are not asked for.
MAX_NAMES = 1000
# Rooms that are listed where the user looks for one.
MAX_ROOMS = 500
# Names that begin as a name that is to be completed.
MAX_FOUND = 20


class RoomQuestions:
    """Ask about rooms by ``ask``, and put the answers into ``model``."""

    def __init__(self, model: Model, ask: Callable[[Asked], object]) -> None:
        self._model = model
        self._ask = ask
        self._tags = count(1)
        self._asked: dict[Tag, ShownRoom | None] = {}
        self._finding: dict[Tag, Callable[[], object]] = {}  # called with the answer

    def find_users(self, begun: str, found: Callable[[], object]) -> None:
        """Ask for users in the room that is shown whose names begin with ``begun``; call ``found`` if there are some.

        Only in a room with so many users that their names are not known.
        """
        room = self._model.current.room
        if room is None or not room.is_inside or room.people.are_complete:
            return
        if self._model.is_online:
            tag = self._tag()
            self._finding[tag] = found
            self._ask_about(room, Who(room.name, begun, limit=MAX_FOUND), tag)

    def find_rooms(self, found: Callable[[], object]) -> None:
        """Ask which rooms there are, and call ``found`` once they are known."""
        if self._model.is_online:
            tag = self._tag()
            self._finding[tag] = found
            self._ask_about(None, ListRooms(limit=MAX_ROOMS), tag)

    def look(self) -> None:
        """Ask for the names in the room that is shown, and for the kinds of rooms, as far as they are not known."""
        if not self._model.is_online:
            return
        shown = self._model.current.room
        for view in self._model.rooms:
            room = view.room
            if room is None or not room.is_inside:
                continue
            if room.wants_kind and room.name is not None:
                room.wants_kind = False
                self._ask_about(room, ListRooms(room.name, limit=1))
            if room is shown and room.wants_names:
                room.wants_names = False
                if room.here is None or room.here <= MAX_NAMES:
                    self._ask_about(room, Who(room.name, limit=MAX_NAMES))

    def take(self, event: UiEvent) -> bool:
        """Take the answer to a question of this screen; return False if ``event`` is none."""
        if not isinstance(event, UserList | RoomListing | Failed) or event.tag not in self._asked:
            return False
        room = self._asked.pop(event.tag)
        found = self._finding.pop(event.tag, None)
        if isinstance(event, RoomListing):
            self._model.know_rooms(event.rooms)
        if room is None:
            if found is not None:
                found()
        elif found is not None:
            room.found = event.users if isinstance(event, UserList) else ()
            if room.found:
                found()
        elif isinstance(event, UserList) and room.is_inside and not event.has_more:
            room.people.reset(event.users)
        return True

    def _tag(self) -> Tag:
        return f"room {next(self._tags)}"

    def _ask_about(self, room: ShownRoom | None, request: Request, tag: Tag = None) -> None:
        tag = tag or self._tag()
        self._asked[tag] = room
        self._ask(Asked(request, tag))
