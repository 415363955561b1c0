"""Put into the model what happens to rooms: the user enters or leaves one, and rooms change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from chat.client.connection.events import (
    EnteredRoom,
    HereCount,
    Invited,
    LeftRoom,
    RoomChanged,
    RoomFacts,
    TopicChanged,
    Welcome,
)
from chat.client.conversation.ui_events import RoomListing, Tag
from chat.client.frontends.room_lines import (
    elsewhere_words,
    entered_lines,
    invited_line,
    left_line,
    room_list_lines,
    topic_changed_line,
)
from chat.client.frontends.wording import some_names
from chat.client.screen.model.entries import Remark
from chat.client.screen.model.model import Model
from chat.client.screen.model.rooms import Membership
from chat.client.screen.model.views import View
from chat.client.screen.text.styles import DIM, ERROR
from chat.client.state.places import room_log
from chat.protocol.notices import NoticeCode
from chat.sanitize import sanitize

_LOST = "you are not in the room any more"
# Why a login does not lead into a room that the user was in, by the code of the refusal.
_REFUSALS = {
    NoticeCode.NO_SUCH_ROOM.value: f"{_LOST}: it is gone",
    NoticeCode.NOT_INVITED.value: f"{_LOST}: you are not invited",
    NoticeCode.TOO_MANY_ROOMS.value: f"{_LOST}: you are in too many rooms",
}


class RoomUpdater:
    """Put rooms into ``model``. ``takers`` has a method for each event."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._told: set[str] = (
            set()
        )  # rooms of whose invitations the user was told, by folded names
        self.takers: dict[type, Callable[[Any, datetime], None]] = {
            EnteredRoom: self._entered,
            LeftRoom: self._left,
            TopicChanged: self._topic,
            RoomChanged: self._changed,
            Invited: self._invited,
            HereCount: self._counted,
            RoomListing: self._listed,
        }

    def welcome(self, event: Welcome) -> None:
        """Take the rooms of a login; mark rooms that were lost meanwhile, and tell of new invitations."""
        model = self._model
        model.default_room.topic, model.default_room.here = event.topic, event.here
        model.default_name = event.default_room or model.default_name
        inside = {room_log(facts.name) for facts in event.rooms if facts.name is not None}
        refused = {room_log(name): code for name, code in event.refused}
        for view in [*model.rooms]:
            room = view.room
            if room is None or room.name is None or room_log(room.name) in inside:
                continue
            if room.membership is Membership.INSIDE:
                code = refused.get(room_log(room.name), "")
                self._lose(view, event.timestamp, _REFUSALS.get(code, _LOST))
        for facts in event.rooms:
            self._enter(facts)
        self._tell_invitations(event.invited, event.timestamp)

    def settle(self, tag: Tag, now: datetime) -> None:
        """Take the answer to a request to enter a room, if ``tag`` is that of one.

        If the user is in the room, an event has told it before.
        """
        view = self._model.entering.pop(tag, None)
        room = None if view is None else view.room
        if view is not None and room is not None and room.membership is Membership.ENTERING:
            room.leave()
            view.append(
                Remark(now, (f"you are not in {room.name}; /close closes this view.",), DIM)
            )

    def _enter(self, facts: RoomFacts) -> View | None:
        """Note that the user is in a room; return its view, None for the default room."""
        if facts.name is None:
            return None
        view = self._model.open_room(facts.name)
        assert view.room is not None
        view.room.enter(facts)
        self._model.other_rooms.pop(room_log(facts.name), None)
        return view

    def _entered(self, event: EnteredRoom, now: datetime) -> None:
        was_inside = event.facts.name is not None and self._is_inside(event.facts.name)
        view = self._enter(event.facts)
        if view is None or view.room is None or was_inside:
            return
        first, *further = entered_lines(event.facts, self._model.username)
        lines = (f"{first}{elsewhere_words(event)}", *further)
        view.append(Remark(event.timestamp, lines, DIM))

    def _is_inside(self, name: str) -> bool:
        view = self._model.room_view(name)
        return view is not None and view.room is not None and view.room.is_inside

    def _left(self, event: LeftRoom, now: datetime) -> None:
        view = self._model.room_view(event.room)
        if event.receipt is not None and not self._is_inside(event.room):
            self._model.other_rooms.pop(room_log(event.room), None)
            name = sanitize(event.room)
            self._model.remark(now, f"you have declined the invitation to the room {name}")
            return
        if view is None or view.room is None or view is self._model.default:
            return
        if view.room.membership is Membership.OUTSIDE:
            return  # a login has found it out
        self._lose(view, event.timestamp, left_line(event))

    def _lose(self, view: View, moment: datetime, line: str) -> None:
        """Mark a room as left: its log stays, and nothing can be said in it."""
        assert view.room is not None
        view.room.leave()
        name = view.room.name
        lines = (line, f"/join {name} comes back, /close closes this view.")
        view.append(Remark(moment, lines, ERROR))

    def _topic(self, event: TopicChanged, now: datetime) -> None:
        view = self._model.room_view(event.room)
        if view is None or view.room is None:
            return
        view.room.topic = event.topic
        view.append(Remark(event.timestamp, (topic_changed_line(event),), DIM))

    def _changed(self, event: RoomChanged, now: datetime) -> None:
        view = self._model.room_view(event.room)
        if view is not None and view.room is not None:
            view.room.wants_kind = True
            view.append(Remark(event.timestamp, (event.sentence,), DIM))

    def _invited(self, event: Invited, now: datetime) -> None:
        if event.user is not None and event.user in self._model.attention.ignored:
            return
        self._told.add(room_log(event.room))
        self._model.other_rooms[room_log(event.room)] = event.room
        self._tell(event.timestamp, invited_line(event))

    def _tell_invitations(self, names: Iterable[str], moment: datetime) -> None:
        new = [name for name in names if room_log(name) not in self._told]
        self._told.update(map(room_log, new))
        self._model.other_rooms.update((room_log(name), name) for name in names)
        if new:
            rooms = some_names(new)
            self._tell(moment, f"you may join {rooms}: /join {sanitize(new[0])} enters it")

    def _tell(self, moment: datetime, line: str) -> None:
        """Add a line in the default room, and where the user looks."""
        model = self._model
        entry = Remark(moment, (line,), DIM)
        for view in {id(each): each for each in (model.default, model.current)}.values():
            view.append(entry)

    def _listed(self, event: RoomListing, now: datetime) -> None:
        self._model.know_rooms(event.rooms)
        self._model.command_of(event.tag)
        self._model.remark(now, *room_list_lines(event))

    def _counted(self, event: HereCount, now: datetime) -> None:
        view = self._model.room_view(event.room)
        if view is not None and view.room is not None:
            view.room.here = event.here
            view.room.people.are_complete = False
            view.room.wants_names = event.announced
