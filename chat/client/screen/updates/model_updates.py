"""Put the events of the connection into the model: into the right view, and with their other effects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any

from chat.client.attention.names import folded
from chat.client.connection.events import (
    BadFrame,
    Joined,
    Left,
    Notice,
    StatusChanged,
    Welcome,
)
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import (
    BlockListing,
    DeviceListing,
    Done,
    Explanation,
    Failed,
    FileListing,
    Lag,
    MentionList,
    Problem,
    ServerInfo,
    Told,
    TransferChanged,
    TransferListing,
    UiEvent,
    Unconfirmed,
    UserFound,
    UserList,
)
from chat.client.frontends.room_lines import crowd_words
from chat.client.frontends.wording import (
    DISCONNECTED,
    block_line,
    changed_server_line,
    device_lines,
    file_lines,
    kept_line,
    local_times,
    mention_lines,
    people,
    server_lines,
    some_names,
    status_line,
    transfer_line,
    transfer_state,
    user_found,
    who_says,
)
from chat.client.resuming.events import Disconnected
from chat.client.screen.model.entries import Movement, Remark, Shared, Step
from chat.client.screen.model.model import Model
from chat.client.screen.model.views import View
from chat.client.screen.text.styles import DIM, ERROR, TEXT
from chat.client.screen.updates.message_updates import Alert, MessageUpdater
from chat.client.screen.updates.room_updates import RoomUpdater
from chat.protocol.notices import NoticeCode
from chat.sanitize import lines_of

# A line with more entries than this below it counts as out of sight.
_FAR = 20
# How many of the last entries are searched for a reason that was told just now.
_JUST_TOLD = 3


class ModelUpdater:
    """Put events into ``model``."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._messages = MessageUpdater(model)
        self._rooms = RoomUpdater(model)
        self._lost_at: datetime | None = None
        self._is_inside = False
        self._changed = ""  # why the client has gone to another server, a moment ago
        self._trouble = ""  # the last sentence shown about the connection
        self._attempt: Remark | None = None  # the last one about an attempt that the user made
        self._takers: dict[type, Callable[[Any, datetime], Alert | None]] = {
            Welcome: self._welcome,
            Joined: self._joined,
            Left: self._left,
            StatusChanged: self._status_changed,
            Notice: self._notice,
            BadFrame: self._bad_frame,
            TransferChanged: self._transfer_changed,
            Done: self._done,
            Failed: self._failed,
            Problem: self._problem_told,
            Disconnected: self._disconnected,
            Lag: self._lag,
            Unconfirmed: self._unconfirmed,
            UserList: self._people,
            DeviceListing: self._devices,
            BlockListing: self._blocks,
            UserFound: self._found,
            ServerInfo: lambda event, now: self._model.remark(now, *server_lines(event)),
            TransferListing: self._transfers,
            FileListing: lambda event, now: self._model.remark(now, *file_lines(event)),
            Explanation: self._explanation,
            MentionList: lambda event, now: self._model.remark(now, *mention_lines(event.mentions)),
            Told: lambda event, now: self._model.remark(now, *event.lines),
            **self._messages.takers,
            **self._rooms.takers,
        }

    def update(self, event: UiEvent, now: datetime) -> Alert | None:
        """Put ``event`` into the model; return an alert if it is a message for the user.

        ``now`` is the time of events to which the server gave none.
        """
        return self._takers[type(event)](event, now)

    def _joined(self, event: Joined, now: datetime) -> None:
        view = self._model.room_view(event.room)
        if view is None or view.room is None:
            return
        room = view.room
        room.people.add(event.username)
        if room.here is not None:
            room.here += 1
        if event.room is None:
            room.people.mark(event.username, registered=event.registered, moderator=event.moderator)
        self._move(Step(event.timestamp, event.username, joined=True), view)

    def _left(self, event: Left, now: datetime) -> None:
        view = self._model.room_view(event.room)
        if view is None or view.room is None:
            return
        room = view.room
        room.people.remove(event.username)
        if room.here is not None:
            room.here = max(0, room.here - 1)
        self._move(Step(event.timestamp, event.username, joined=False, reason=event.reason), view)

    def _status_changed(self, event: StatusChanged, now: datetime) -> None:
        people = self._model.default_room.people
        people.mark(event.username, registered=event.registered, moderator=event.moderator)
        if not self._is_ignored(event.username):
            self._tell(event.timestamp, status_line(event))

    def _is_ignored(self, name: str) -> bool:
        return name != self._model.username and name in self._model.attention.ignored

    def _move(self, step: Step, room: View) -> None:
        model = self._model
        if self._is_ignored(step.name):
            return
        views = [room]
        if not model.attention.presence.is_shown(step.name, step.moment):
            views.clear()
        # A private view is about this user, who may answer no more.
        private = model.view_with(step.name)
        if room is model.default and private is not room:
            views.append(private)
        for view in views:
            last = view.entries[-1] if view.entries else None
            # A user who has talked elsewhere since they came did not just come and go.
            if (
                not isinstance(last, Movement)
                or model.attention.presence.has_spoken(step.name, last.moment)
                or not last.fold(step)
            ):
                view.append(Movement(step))

    def _welcome(self, event: Welcome, now: datetime) -> None:
        model = self._model
        if model.is_named and folded(event.username) != folded(model.username):
            # The private messages of another user have numbers of their own.
            for view in model.views:
                if view.peer is not None:
                    view.renumber()
        model.rename(event.username)
        model.is_named = True
        model.default_room.people.reset(event.users, event.registered, event.moderators)
        model.is_online, model.retry_in, model.lag = True, None, 0.0
        model.unconfirmed = None
        model.epoch = None if event.history is None else event.history.epoch
        model.can_search = event.search
        kept: tuple[str, ...] = ()
        was_inside, self._is_inside, model.is_changing = self._is_inside, True, False
        if was_inside:
            reason, self._changed = self._changed, ""
            if reason:
                self._tell(now, changed_server_line(reason, event.node))
            self._rooms.welcome(event)
            return
        if self._lost_at is None:
            kept = (kept_line(event.history),) if event.history is not None else ()
            others = [name for name in event.users if name != event.username]
            company = f", with {some_names(others)}" if others else crowd_words(event.here)
            line = f"you are in the room as {event.username}{company}"
        else:
            line = f"back in the room as {event.username} after {_duration(now - self._lost_at)}"
        self._lost_at, self._trouble = None, ""
        self._tell(event.timestamp, line, *kept, *(lines_of(event.motd) if event.motd else ()))
        self._rooms.welcome(event)

    def _disconnected(self, event: Disconnected, now: datetime) -> None:
        """Show an outage. It may take hours and many tries, so only a new reason gets a new line."""
        model = self._model
        if event.elsewhere:
            self._changed, model.is_changing = event.reason, True
            return
        self._is_inside, self._changed, model.is_changing = False, "", False
        model.tick(now)  # so that the countdown begins now
        model.is_online, model.retry_in, model.lag = False, event.retry_in, 0.0
        # Only the next connection tells again who is there, and whether it is encrypted.
        model.encrypted = None
        for view in model.rooms:
            assert view.room is not None
            view.room.people.are_complete, view.room.here = False, None
        self._lost_at = self._lost_at or now
        model.is_dismissed = event.retry_in is None
        self._messages.leave()
        if event.retry_in is None:
            self._stay_disconnected(event.reason, now)
            return
        if event.reason == self._trouble:
            return
        self._trouble = event.reason
        if event.retry_in:
            self._warn(now, f"{event.reason} Trying again.")
            return
        # No pause: the user asked to reconnect, perhaps in a private view.
        self._attempt = Remark(now, (event.reason,), ERROR)
        for view in self._room_and_current():
            view.append(self._attempt)

    def _stay_disconnected(self, reason: str, now: datetime) -> None:
        """Say what ended the connection and what to do, in the room and where the user looks."""
        why = lines_of(local_times(reason))
        for view in self._room_and_current():
            # A notice of the server, or the question for another password, may have told the reason already.
            is_told = _ends_with(view, why[0], self._attempt)
            view.append(Remark(now, (DISCONNECTED,) if is_told else (*why, DISCONNECTED), ERROR))
        # A second attempt gets a line, too: it separates the refusals.
        self._trouble = ""

    def _room_and_current(self) -> list[View]:
        room, current = self._model.default, self._model.current
        return [room] if current is room else [room, current]

    def _lag(self, event: Lag, now: datetime) -> None:
        self._model.tick(now)
        self._model.lag = event.seconds

    def _unconfirmed(self, event: Unconfirmed, now: datetime) -> None:
        since = event.since
        self._model.tick(now)
        waited = None if since is None else (now - since).total_seconds()
        self._model.unconfirmed = None if waited is None else max(0.0, waited)
        self._model.lag = 0.0  # the notice is a sign of life

    def _notice(self, event: Notice, now: datetime) -> None:
        if event.code == NoticeCode.WAITING.value:
            self._model.unconfirmed = self._model.unconfirmed or 0.0
            return
        if event.code == NoticeCode.SHUTTING_DOWN.value:
            return  # the line about the lost connection gives the same sentence
        if event.code == NoticeCode.EPOCH.value:
            self._model.epoch = event.epoch
        first, *further = lines_of(local_times(event.sentence))
        lines = (f"{who_says(event.code)}: {first}", *further)
        # An announcement is for everyone to read, so it is as bright as a message.
        style = TEXT if event.code == NoticeCode.ANNOUNCEMENT.value else DIM
        view = self._model.room_view(event.room) or self._model.default
        view.append(Remark(event.timestamp, lines, style))

    def _bad_frame(self, event: BadFrame, now: datetime) -> None:
        self._warn(now, f"The server sent an invalid frame: {event.problem}")

    def _problem_told(self, event: Problem, now: datetime) -> None:
        self._warn(now, event.sentence)

    def _transfer_changed(self, event: TransferChanged, now: datetime) -> None:
        model, transfer = self._model, event.transfer
        if transfer.state is TransferState.RUNNING:
            model.running[transfer.number] = transfer
            pending = model.pending(transfer.tag) if transfer.outgoing else None
            if pending is not None:
                pending.transfer = transfer
            return
        model.running.pop(transfer.number, None)
        # A line that is in sight shows the end itself.
        if transfer.has_ended and not transfer.outgoing and not self._is_in_sight(transfer):
            words = f"number {transfer.number}, {transfer.filename}: {transfer_state(transfer)}"
            style = ERROR if transfer.state is TransferState.FAILED else DIM
            model.default.append(Remark(now, (words,), style))

    def _is_in_sight(self, transfer: Transfer) -> bool:
        """Return whether the line of the transfer, which also shows its end, is near the end of a log."""
        views = (self._model.default, self._model.view_with(transfer.peer))
        return any(
            isinstance(entry, Shared) and entry.transfer is transfer
            for view in views
            for entry in islice(reversed(view.entries), _FAR)
        )

    def _done(self, event: Done, now: datetime) -> None:
        self._model.unconfirmed = None
        self._model.settle(event.tag)
        self._rooms.settle(event.tag, now)
        self._model.command_of(event.tag)
        if event.answer is not None:
            first, *further = lines_of(local_times(event.answer))
            self._model.remark(now, f"the server says: {first}", *further)

    def _failed(self, event: Failed, now: datetime) -> None:
        self._model.unconfirmed = None
        sentence = local_times(event.sentence)
        command = self._model.command_of(event.tag)
        if self._model.settle(event.tag, sentence):
            return
        if command is not None:
            self._model.refuse(now, command, sentence)
        else:
            self._model.remark(now, sentence, style=ERROR)
        self._rooms.settle(event.tag, now)

    def _people(self, event: UserList, now: datetime) -> None:
        self._model.remark(now, people(event))

    def _devices(self, event: DeviceListing, now: datetime) -> None:
        self._model.command_of(event.tag)
        self._model.remark(now, *device_lines(event))

    def _blocks(self, event: BlockListing, now: datetime) -> None:
        self._model.command_of(event.tag)
        self._model.remark(now, block_line(event))

    def _found(self, event: UserFound, now: datetime) -> None:
        self._model.remark(now, user_found(event))

    def _transfers(self, event: TransferListing, now: datetime) -> None:
        if event.transfers:
            self._model.remark(now, "attachments:", *map(transfer_line, event.transfers))
        else:
            self._model.remark(now, "no attachments yet")

    def _explanation(self, event: Explanation, now: datetime) -> None:
        self._model.remark(now, "help:", *event.lines)

    def _tell(self, moment: datetime, *lines: str) -> None:
        self._model.default.append(Remark(moment, lines, DIM))

    def _warn(self, now: datetime, line: str) -> None:
        self._model.default.append(Remark(now, (local_times(line),), ERROR))


def _ends_with(view: View, line: str, attempt: Remark | None) -> bool:
    """Return whether one of the last remarks in ``view``, and after ``attempt`` if it is there, tells ``line``."""
    newest_first = takewhile(lambda entry: entry is not attempt, reversed(view.entries))
    last = islice(newest_first, _JUST_TOLD)
    return any(
        told.endswith(line) for entry in last if isinstance(entry, Remark) for told in entry.lines
    )


def _duration(time: timedelta) -> str:
    """Return a time as ``8 s``, ``1 min 12 s`` or ``3 h 5 min``."""
    minutes, seconds = divmod(max(0, round(time.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
