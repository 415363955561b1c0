"""Put the events of the connection into the model: into the right view, and with their other effects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice
from sys import intern
from typing import Any, NamedTuple

from chat.client.connection.events import BadFrame, Joined, Left, Notice, Text, Welcome
from chat.client.conversation.news import (
    Announced,
    Disconnected,
    Done,
    Explanation,
    Failed,
    Lag,
    News,
    People,
    TransferChanged,
    Transfers,
    Trouble,
)
from chat.client.conversation.transfer_list import State, Transfer
from chat.client.frontends.display import lines_of
from chat.client.frontends.wording import people, some_names, transfer_line, transfer_state
from chat.client.screen.model.entries import Movement, Remark, Said, Shared, Step
from chat.client.screen.model.model import Model
from chat.client.screen.model.views import View
from chat.client.screen.text.styles import DIM, ERROR

# A line with more entries than this below it counts as out of sight.
_FAR = 20


class Alert(NamedTuple):
    """Point to a message for the user: it mentions them, or it is private."""

    view: View
    entry: Said | Shared


class Intake:
    """Put events into ``model``."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._lost_at: datetime | None = None
        self._trouble = ""  # the last sentence shown about the connection
        self._takers: dict[type, Callable[[Any, datetime], Alert | None]] = {
            Welcome: self._welcome,
            Joined: self._joined,
            Left: self._left,
            Text: self._text,
            Notice: self._notice,
            BadFrame: self._bad_frame,
            Announced: self._announced,
            TransferChanged: self._transfer_changed,
            Done: self._done,
            Failed: self._failed,
            Trouble: self._trouble_told,
            Disconnected: self._disconnected,
            Lag: self._lag,
            People: self._people,
            Transfers: self._transfers,
            Explanation: self._explanation,
        }

    def take(self, news: News, now: datetime) -> Alert | None:
        """Put ``news`` into the model; return an alert if it is a message for the user.

        ``now`` is the time of events to which the server gave none.
        """
        return self._takers[type(news)](news, now)

    def _text(self, news: Text, now: datetime) -> Alert | None:
        model = self._model
        # The parser makes a new string of the sender's name for each message. Fifty thousand entries should share one.
        sender = intern(news.sender)
        if model.people.ignored and model.people.is_ignored(sender):
            return None
        # An original server does not tell who was there before: users are found as they speak.
        if sender not in model.people.names:
            model.people.add(sender)
        own, to, text = news.own, news.to, news.text
        mentions = not own and text in model.mentions
        said = Said(news.timestamp, sender, text, to, own, mentions)
        calls = mentions or (to is not None and not own)
        view = model.room if to is None else model.view_with(to if own else sender)
        view.append(said, calls=calls)
        return Alert(view, said) if calls else None

    def _announced(self, news: Announced, now: datetime) -> Alert | None:
        model = self._model
        attachment = news.attachment
        sender, to, own = intern(attachment.sender), attachment.to, attachment.own
        if model.people.is_ignored(sender):
            return None
        model.people.add(sender)
        shared = Shared(
            attachment.timestamp,
            sender,
            attachment.kind,
            attachment.filename,
            attachment.size,
            to,
            own,
            news.transfer,
        )
        calls = to is not None and not own
        view = model.view_with(None if to is None else to if own else sender)
        view.append(shared, calls=calls)
        return Alert(view, shared) if calls else None

    def _joined(self, news: Joined, now: datetime) -> None:
        self._model.people.add(news.username)
        self._move(Step(news.timestamp, news.username, joined=True))

    def _left(self, news: Left, now: datetime) -> None:
        self._model.people.remove(news.username)
        self._move(Step(news.timestamp, news.username, joined=False, reason=news.reason))

    def _move(self, step: Step) -> None:
        model = self._model
        if model.people.is_ignored(step.name):
            return
        # By id, since both may be the room's view: then there is one line, not two.
        views = {id(view): view for view in (model.room, model.view_with(step.name))}
        for view in views.values():
            last = view.entries[-1] if view.entries else None
            if not isinstance(last, Movement) or not last.fold(step):
                view.append(Movement(step))

    def _welcome(self, news: Welcome, now: datetime) -> None:
        model = self._model
        model.rename(news.username)
        model.people.reset(news.users)
        model.is_online, model.retry_in, model.lag = True, None, 0.0
        if self._lost_at is None:
            others = [name for name in news.users if name != news.username]
            company = f", with {some_names(others)}" if others else ""
            line = f"you are in the room as {news.username}{company}"
        else:
            line = f"back in the room as {news.username} after {_duration(now - self._lost_at)}"
        self._lost_at, self._trouble = None, ""
        self._tell(news.timestamp, line, *(lines_of(news.motd) if news.motd else ()))

    def _disconnected(self, news: Disconnected, now: datetime) -> None:
        """Show an outage. It may take hours and many tries, so only a new reason gets a new line."""
        model = self._model
        model.tick(now)  # so that the countdown begins now
        model.is_online, model.retry_in, model.lag = False, news.retry_in, 0.0
        self._lost_at = self._lost_at or now
        model.is_dismissed = news.retry_in is None
        if news.retry_in is None:  # an earlier event has told why
            self._warn(now, "Disconnected; /reconnect connects again.")
            return
        if news.reason != self._trouble:
            self._trouble = news.reason
            # No pause: the user asked to reconnect.
            self._warn(now, f"{news.reason} Trying again." if news.retry_in else news.reason)

    def _lag(self, news: Lag, now: datetime) -> None:
        self._model.tick(now)
        self._model.lag = news.seconds

    def _notice(self, news: Notice, now: datetime) -> None:
        first, *further = lines_of(news.sentence)
        self._tell(news.timestamp, f"the server says: {first}", *further)

    def _bad_frame(self, news: BadFrame, now: datetime) -> None:
        self._warn(now, f"The server sent an invalid frame: {news.problem}")

    def _trouble_told(self, news: Trouble, now: datetime) -> None:
        self._warn(now, news.sentence)

    def _transfer_changed(self, news: TransferChanged, now: datetime) -> None:
        model, transfer = self._model, news.transfer
        if transfer.state is State.RUNNING:
            model.running[transfer.number] = transfer
            pending = model.pending(transfer.tag) if transfer.outgoing else None
            if pending is not None:
                pending.transfer = transfer
            return
        model.running.pop(transfer.number, None)
        # A line that is in sight shows the end itself.
        if transfer.has_ended and not transfer.outgoing and not self._is_in_sight(transfer):
            words = f"number {transfer.number}, {transfer.filename}: {transfer_state(transfer)}"
            style = ERROR if transfer.state is State.FAILED else DIM
            model.room.append(Remark(now, (words,), style))

    def _is_in_sight(self, transfer: Transfer) -> bool:
        """Return whether the line of the transfer, which also shows its end, is near the end of a log."""
        views = (self._model.room, self._model.view_with(transfer.peer))
        return any(
            isinstance(entry, Shared) and entry.transfer is transfer
            for view in views
            for entry in islice(reversed(view.entries), _FAR)
        )

    def _done(self, news: Done, now: datetime) -> None:
        self._model.settle(news.tag)
        if news.answer is not None:
            first, *further = lines_of(news.answer)
            self._model.remark(now, f"the server says: {first}", *further)

    def _failed(self, news: Failed, now: datetime) -> None:
        if not self._model.settle(news.tag, news.sentence):
            self._model.remark(now, news.sentence, style=ERROR)

    def _people(self, news: People, now: datetime) -> None:
        self._model.remark(now, people(news.users, len(news.users) if news.complete else None))

    def _transfers(self, news: Transfers, now: datetime) -> None:
        if news.transfers:
            self._model.remark(now, "attachments:", *map(transfer_line, news.transfers))
        else:
            self._model.remark(now, "no attachments yet")

    def _explanation(self, news: Explanation, now: datetime) -> None:
        self._model.remark(now, "help:", *news.lines)

    def _tell(self, moment: datetime, *lines: str) -> None:
        self._model.room.append(Remark(moment, lines, DIM))

    def _warn(self, now: datetime, line: str) -> None:
        self._model.room.append(Remark(now, (line,), ERROR))


def _duration(time: timedelta) -> str:
    """Return a time as ``8 s``, ``1 min 12 s`` or ``3 h 5 min``."""
    minutes, seconds = divmod(max(0, round(time.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
