"""Put messages into the model: new ones, earlier ones, and what the user has read of them elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from sys import intern
from typing import Any, NamedTuple

from chat.client.attention.notify import NotifyMode
from chat.client.attention.read_marks import ReadUpTo
from chat.client.connection.events import Attachment, ReadElsewhere, Text
from chat.client.conversation.ui_events import Announced, Doubted, DoubtSettled, OtherAccount
from chat.client.frontends.wording import (
    REMOVED,
    RENUMBERED,
    earlier_words,
    missing_line,
    other_account_line,
)
from chat.client.resuming.events import (
    CatchUpBegan,
    CatchUpEnded,
    LineRestored,
    MissingMessages,
    Renumbered,
)
from chat.client.screen.model.entries import Doubtful, Remark, Said, Shared, peer_of
from chat.client.screen.model.model import Model
from chat.client.screen.model.views import View
from chat.client.screen.text.styles import DIM, ERROR
from chat.client.state.places import MAILBOX, LogKey, log_of

# Views that missed private messages may open by themselves, with the room: as many as have a key. Further messages
# stand in the room's log.
MAX_VIEWS_OPENED = 9


_ALL = NotifyMode.ALL


class Alert(NamedTuple):
    """Point to a message that rings: it mentions the user, it is private, or the user hears of all in its room."""

    view: View
    entry: Said | Shared


class MessageUpdater:
    """Put messages into ``model``. ``takers`` has a method for each event, which returns an alert or None."""

    def __init__(self, model: Model) -> None:
        self._model = model
        # The catch-ups that are on: the time of the last message that the user has seen before.
        self._since: dict[LogKey, datetime | None] = {}
        self._begun: set[int] = set()  # the views in which the rule of this absence stands, by id
        self.takers: dict[type, Callable[[Any, datetime], Alert | None]] = {
            Text: self._text,
            Announced: self._announced,
            ReadElsewhere: self._read_elsewhere,
            CatchUpBegan: self._began,
            CatchUpEnded: self._ended,
            MissingMessages: self._missing,
            Renumbered: self._renumbered,
            LineRestored: self._restored,
            Doubted: self._doubted,
            DoubtSettled: self._settled,
            OtherAccount: self._other_account,
        }

    def _text(self, event: Text, now: datetime) -> Alert | None:
        model = self._model
        # The parser makes a new string of the sender's name for each message. Fifty thousand entries should share one.
        sender = intern(event.sender)
        if not event.own and sender in model.attention.ignored:
            return None
        if event.replay:
            self._append_earlier(self._earlier_text(event, sender), event.room)
            return None
        own, to, text, room = event.own, event.to, event.text, event.room
        if to is None and room is None:  # a fast path
            view, people = model.default, model.default_room.people
        else:
            view = model.view_with(None if to is None else to if own else sender, room)
            people = (view.room or model.default_room).people
        # An original server does not tell who was there before: users are found as they speak.
        if sender not in people.names:
            people.add(sender)
        model.attention.presence.spoke(sender, event.timestamp)
        if own:
            model.unconfirmed = None
        mentions = not own and model.attention.hear(event.timestamp, sender, text, to, room)
        said = Said(
            event.timestamp,
            sender,
            text,
            to,
            own,
            mentions,
            seq=event.seq,
            elsewhere=event.elsewhere,
            waits=event.waiting,
        )
        view.append(said, is_new=not own)
        if said.calls or (view.room is not None and view.room.notify is _ALL):
            return _alert(view, said)
        return None

    def _earlier_text(self, event: Text, sender: str) -> Said:
        words = REMOVED if event.purged else event.text
        peer = None if event.to is None else event.to if event.own else sender
        is_new = self._is_new(peer, event.room, event.seq)
        # A mention that the user has missed is marked, and listed once, but it rings no more.
        mentions = (
            is_new
            and not event.own
            and self._model.attention.hear(event.timestamp, sender, words, event.to, event.room)
        )
        return Said(
            event.timestamp,
            sender,
            words,
            event.to,
            event.own,
            mentions,
            earlier=not is_new,
            seq=event.seq,
            elsewhere=event.elsewhere,
        )

    def _announced(self, event: Announced, now: datetime) -> Alert | None:
        model = self._model
        attachment = event.attachment
        sender, to, own = intern(attachment.sender), attachment.to, attachment.own
        if not own and sender in model.attention.ignored:
            return None
        shared = Shared(
            attachment.timestamp,
            sender,
            attachment.kind,
            attachment.filename,
            None if attachment.purged else attachment.size,
            to,
            own,
            event.transfer,
            attachment.replay and not self._is_new_attachment(attachment),
            attachment.seq,
            attachment.elsewhere,
            attachment.waiting,
        )
        if attachment.replay:
            self._append_earlier(shared, attachment.room)
            return None
        view = model.view_with(peer_of(shared), attachment.room)
        (view.room or model.default_room).people.add(sender)
        model.attention.presence.spoke(sender, attachment.timestamp)
        view.append(shared, is_new=not own)
        return _alert(view, shared)

    def _is_new_attachment(self, attachment: Attachment) -> bool:
        to, sender = attachment.to, attachment.sender
        peer = None if to is None else to if attachment.own else sender
        return self._is_new(peer, attachment.room, attachment.seq)

    def _append_earlier(self, entry: Said | Shared, room: str | None) -> None:
        """Show a message that was said before. It rings for nobody, and its sender may be gone."""
        peer = peer_of(entry)
        log = log_of(peer, room)
        if not self._is_new(peer, room, entry.seq):
            self._model.view_with(peer, room).append(entry, is_new=False)
            return
        view = self._view_of_missed(peer, room, own=entry.own)
        if id(view) not in self._begun:
            self._begun.add(id(view))
            # With older messages above the rule, the last of them tells the time.
            view.begin_absence(view.end, self._since.get(log))
        elif view.since is None:
            # The rule stands in what an earlier run had shown but nobody had read.
            view.since = self._since.get(log)
        view.append(entry, is_new=not entry.own, missed=True)

    def _is_new(self, peer: str | None, room: str | None, seq: int | None) -> bool:
        """Return whether the user has not seen an earlier message: neither here nor, as far as known, elsewhere."""
        read = self._model.attention.read_marks.of(peer, room)
        if read is None or seq is None:
            return self._since.get(log_of(peer, room)) is not None
        return seq > read

    def _view_of_missed(self, peer: str | None, room: str | None, *, own: bool) -> View:
        model = self._model
        if peer is None or own or model.private_views + 1 >= MAX_VIEWS_OPENED:
            return model.view_with(peer, room)
        return model.open_view(peer)

    def leave(self) -> None:
        """Note that the connection was lost. The next login begins another absence."""
        self._begun.clear()
        self._since.clear()

    def _began(self, event: CatchUpBegan, now: datetime) -> None:
        self._since[event.log] = event.since

    def _ended(self, event: CatchUpEnded, now: datetime) -> None:
        since = self._since.pop(event.log, None)
        if event.shown and event.log != MAILBOX:
            words = f"above: {earlier_words(event.shown, since, now)}"
            self._model.log_view(event.log).append(Remark(now, (words,), DIM))

    def _missing(self, event: MissingMessages, now: datetime) -> None:
        self._model.log_view(event.log).append(Remark(now, (missing_line(event),), DIM))

    def _restored(self, event: LineRestored, now: datetime) -> None:
        line = event.line
        self._model.say(line.nonce, line.text, line.to, line.sent_at, line.room)

    def _doubted(self, event: Doubted, now: datetime) -> None:
        line, model = event.line, self._model
        # On its way until now: as the user typed it, or as a former run of the client left it.
        for view in model.views:
            _ = view.pop_pending(event.tag) or view.pop_pending(line.nonce)
        model.view_with(line.to, line.room).append(Doubtful(event, model.username))

    def _settled(self, event: DoubtSettled, now: datetime) -> None:
        for view in self._model.views:
            for entry in reversed(view.entries):
                if isinstance(entry, Doubtful) and entry.doubt.number == event.number:
                    entry.outcome = event.outcome
                    return

    def _other_account(self, event: OtherAccount, now: datetime) -> None:
        model, name = self._model, event.username
        if name not in model.attention.ignored:
            model.view_with(name).append(Remark(now, (other_account_line(name),), ERROR))

    def _read_elsewhere(self, event: ReadElsewhere, now: datetime) -> None:
        mark = ReadUpTo(event.seq, event.partner, event.room)
        if event.partner is None:
            view = self._model.room_view(event.room)
            if view is not None:
                view.read_elsewhere(mark)
            return
        # Private messages stand in a view of their own, or in the default room's.
        for view in self._model.views:
            if view.room is None or view is self._model.default:
                view.read_elsewhere(mark)

    def _renumbered(self, event: Renumbered, now: datetime) -> None:
        renumbered = self._model.log_view(event.log)
        for view in self._model.views:
            # The default room's log, and that of private messages, begin anew together.
            if view is renumbered or (renumbered is self._model.default and view.room is None):
                view.renumber()
        renumbered.append(Remark(now, (RENUMBERED,), DIM))


def _alert(view: View, entry: Said | Shared) -> Alert | None:
    """Return the alert about a new message, if it should ring."""
    mode = NotifyMode.MENTIONS if view.room is None else view.room.notify
    if entry.own or mode is NotifyMode.NONE:
        return None
    return Alert(view, entry) if entry.calls or mode is _ALL else None
