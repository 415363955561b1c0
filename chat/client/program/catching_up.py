"""Find out which of the messages that the server shows again are new to the user.

The server shows its last messages after each login. The first time they are what was said before the user came; later
they are also what was said while the connection was lost.
"""

from __future__ import annotations

from typing import TypeAlias

from chat.client.connection.events import Attachment, Event, Notice, RoomHistory, Text, Welcome
from chat.client.conversation.ui_events import Earlier, Renumbered
from chat.client.program.settings import Mode, Settings
from chat.protocol.commands import MAX_REPLAY
from chat.structs import MutableStruct, field

_DEFAULT_REPLAY = 50  # messages, at the first login

Shown: TypeAlias = Event | Earlier | Renumbered


class _Batch(MutableStruct):
    """Messages that are shown together. ``last`` is the number of the last one that comes."""

    welcome: Welcome
    history: RoomHistory
    last: int
    since: int | None  # the last number that the user has seen; None if nothing is known
    messages: list[Text | Attachment] = field(default_factory=list)


class CatchingUp:
    """Remember the last message of the room that was shown, over all connections.

    ``first`` is how many messages to ask for at the first login; 0: never ask. ``for_people``: earlier messages are
    collected and shown before the welcome, between two ``Earlier``, so that they stand in the order of their times.
    Otherwise each event passes at once.
    """

    def __init__(self, first: int, *, for_people: bool = True) -> None:
        self._first = first
        self._for_people = for_people
        self._epoch: str | None = None
        self._seen: int | None = None  # the number, under this epoch; None if nothing is known
        self._batch: _Batch | None = None

    @property
    def wanted(self) -> int:
        """How many messages to ask for at the next login: after a first one, all that the server shows."""
        if not self._first:
            return 0
        knows_place = self._epoch is not None and self._seen is not None
        return MAX_REPLAY if knows_place else self._first

    def take(self, event: Event) -> list[Shown]:
        """Return what to show for ``event``."""
        if isinstance(event, Welcome):
            return self._enter(event)
        batch = self._batch
        if batch is None:
            return self._pass(event)
        if not isinstance(event, Text | Attachment) or not event.replay:
            return [*self.flush(), *self._pass(event)]
        batch.messages.append(event)
        return self.flush() if event.seq is None or event.seq >= batch.last else []

    def flush(self) -> list[Shown]:
        """Return what was collected, also if the server has not sent all that it announced."""
        batch, self._batch = self._batch, None
        if batch is None:
            return []
        messages = [each for message in batch.messages for each in self._pass(message)]
        if not messages:
            return [batch.welcome]
        number, away = len(messages), batch.since is not None
        return [
            Earlier(number, away, begins=True, missing=_missing(batch)),
            *messages,
            Earlier(number, away, begins=False),
            batch.welcome,
        ]

    def _enter(self, welcome: Welcome) -> list[Shown]:
        self._batch = None  # of a connection that broke: its messages come again
        history, before = welcome.history, self._epoch
        self._epoch = None if history is None else history.epoch
        if history is None or not self._first:
            return [welcome]
        since = self._seen if before == history.epoch else None
        self._seen = since
        renumbered: list[Shown] = []
        if self._for_people and before not in (None, history.epoch):
            renumbered.append(Renumbered())
        last = _last_kept(history)
        if last <= (since or 0) or not self._for_people:
            self._seen = since or 0
            return [*renumbered, welcome]
        self._batch = _Batch(welcome, history, last, since)
        return renumbered

    def _pass(self, event: Event) -> list[Shown]:
        """Return ``event``, and remember that it was shown; return nothing for a message that was shown before."""
        if isinstance(event, Notice) and event.epoch is not None:
            self._epoch, self._seen = event.epoch, 0
        if not isinstance(event, Text | Attachment) or event.seq is None or event.to is not None:
            return [event]  # private messages have a count of their own
        if event.replay and event.seq <= (self._seen or 0):
            return []
        self._seen = event.seq
        return [event]


def catching_up_of(settings: Settings, *, is_watched: bool) -> CatchingUp:
    """Return what ``settings`` ask for; ``is_watched``: a person sees the output."""
    for_people = settings.mode is not Mode.JSON
    if not (for_people and is_watched):
        return CatchingUp(settings.script_replay, for_people=for_people)
    return CatchingUp(_DEFAULT_REPLAY if settings.replay is None else settings.replay)


def _last_kept(history: RoomHistory) -> int:
    """Return the number of the last message that the server can show; 0 if there is none."""
    last = history.last
    for start, end in sorted(history.lost, reverse=True):
        if start <= last <= end:
            last = start - 1
    return last if last >= history.oldest else 0


def _missing(batch: _Batch) -> int:
    """Return how many messages between the last one seen and the first of ``batch`` were not shown again."""
    first = next((each.seq for each in batch.messages if each.seq is not None), None)
    if batch.since is None or first is None or first <= batch.since + 1:
        return 0
    lost = sum(
        max(0, min(end, first - 1) - max(start, batch.since + 1) + 1)
        for start, end in batch.history.lost
    )
    return max(0, first - 1 - batch.since - lost)
