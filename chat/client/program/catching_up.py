"""Decide which earlier messages are fetched for the user, and show them before the welcome."""

from __future__ import annotations

from chat.client.attention.read_marks import ReadUpTo, UserMarks
from chat.client.connection.events import (
    Attachment,
    EnteredRoom,
    LeftRoom,
    Notice,
    ReadElsewhere,
    Text,
    Welcome,
)
from chat.client.program.settings import Mode, Settings
from chat.client.resuming.events import (
    CatchUpBegan,
    CatchUpEnded,
    LineFound,
    LineRestored,
    MissingMessages,
    PerhapsSaid,
    Renumbered,
    ResumedEvent,
)
from chat.client.resuming.wishes import CatchUpWishes
from chat.client.state.places import LogKey, room_log
from chat.protocol.notices import NoticeCode
from chat.structs import replace

_DEFAULT_REPLAY = 50  # messages, at the first login
# Of the messages that a person missed. Further ones would hide the newest, and nobody reads them.
_MOST = 1000

# What may stand before the welcome: it is about what was before. A room may have been left meanwhile.
_EARLIER = (
    LeftRoom,
    Text,
    Attachment,
    CatchUpBegan,
    CatchUpEnded,
    MissingMessages,
    Renumbered,
    LineRestored,
    PerhapsSaid,
    LineFound,
)

_OF_A_MOMENT = (Text, Attachment, CatchUpBegan, CatchUpEnded)


class CatchingUp:
    """Put the earlier messages before the welcome, so that they stand in the order of their times.

    ``for_people``: the welcome waits for the earlier messages. Otherwise each event passes at once. ``marks`` get what
    the server knows of the user's reading.
    """

    def __init__(self, *, for_people: bool = True, marks: UserMarks | None = None) -> None:
        self.is_for_people = for_people
        self._marks = marks or UserMarks()
        self._welcome: Welcome | None = None  # of the present connection, while it waits
        self._last: Welcome | None = None
        self._rooms: dict[LogKey, str] = {}  # that the user is in, beside the default one
        self.is_quiet = False

    def begin(self, *, quietly: bool) -> None:
        """Begin with a connection. ``quietly``: the user was away for a moment only.

        Then messages of that moment are shown as if they came live, to people: they ring and count as any others.
        """
        self.is_quiet = quietly and self.is_for_people

    def take(self, event: ResumedEvent) -> list[ResumedEvent]:
        """Return what to show for ``event``."""
        if self.is_quiet and isinstance(event, _OF_A_MOMENT):
            return _as_live(event)
        if isinstance(event, Text):  # nearly all are
            return [event]
        if isinstance(event, Welcome):
            self._marks.enter(event.history, event.mailbox, event.rooms)
            self._last = event
            self._rooms = {room_log(facts.name): facts.name or "" for facts in event.rooms}
            if self.is_quiet or not self.is_for_people:
                return [event]
            self._welcome = event  # one that waits is of a connection that broke
            return []
        if isinstance(event, ReadElsewhere):
            self._marks.heard(ReadUpTo(event.seq, event.partner, event.room))
        elif isinstance(event, EnteredRoom):
            self._marks.enter_room(event.facts)
            self._rooms[room_log(event.facts.name)] = event.facts.name or ""
        elif isinstance(event, LeftRoom):
            self._rooms.pop(room_log(event.room), None)
        elif isinstance(event, Renumbered):
            self._marks.forget()
            if self._last is not None:
                self._marks.enter(self._last.history, self._last.mailbox, self._last.rooms)
        elif isinstance(event, Notice) and event.code == NoticeCode.EPOCH.value:
            self._marks.forget()
            rooms = (Renumbered(log, name) for log, name in self._rooms.items())
            return [*self.flush(), Renumbered(), *rooms, event]
        return [event] if isinstance(event, _EARLIER) else [*self.flush(), event]

    @property
    def is_holding(self) -> bool:
        """Whether the welcome waits."""
        return self._welcome is not None

    def flush(self) -> list[ResumedEvent]:
        """Return the welcome, if it waits."""
        welcome, self._welcome = self._welcome, None
        return [] if welcome is None else [welcome]


def _as_live(event: ResumedEvent) -> list[ResumedEvent]:
    """Return what was said while the user was away for a moment as if they had been here."""
    return [replace(event, replay=False)] if isinstance(event, Text | Attachment) else []


def wishes_of(settings: Settings, *, is_watched: bool) -> CatchUpWishes:
    """Return which earlier messages ``settings`` ask for; ``is_watched``: a person sees the output."""
    if settings.mode is Mode.JSON or not is_watched:
        return CatchUpWishes(settings.script_replay, follows=settings.script_replay > 0)
    replay = _DEFAULT_REPLAY if settings.replay is None else settings.replay
    return CatchUpWishes(replay, context=replay, most=_MOST, follows=replay > 0)
