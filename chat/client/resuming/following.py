"""Follow one log: find out what is missing since a place, and put it in order with what comes live. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import TypeAlias

from chat.client.connection.events import RoomHistory
from chat.client.connection.session.timestamps import read_timestamp
from chat.client.resuming.events import (
    CatchUpBegan,
    CatchUpEnded,
    CatchUpEvent,
    Message,
    MissingMessages,
    MissingReason,
    Renumbered,
)
from chat.client.resuming.ranges import Ranges, count_kept, first_of_last, last_kept, parts_of
from chat.client.resuming.wishes import CatchUpWishes
from chat.client.state.places import MAILBOX, ROOM, LogKey, LogPlace
from chat.local_time import exact_timestamp
from chat.protocol.commands import MAX_REPLAY, HistoryQuery
from chat.protocol.errors import HeaderError
from chat.protocol.notices import NoticeCode
from chat.structs import replace

# Live messages that wait behind a page. Further ones are dropped and fetched, as those before them.
_MAX_WAITING = 1000

Output: TypeAlias = list[Message | CatchUpEvent]


class _Step(Enum):
    ENTERING = auto()  # another device has joined the room, and its facts are asked for
    LIVE = auto()  # nothing is missing
    REPLAY = auto()  # the last messages come with the login
    CONTEXT = auto()  # a page of before the place, or the last one, is asked for
    PAGES = auto()  # pages behind the place are asked for


class LogFollower:
    """The messages of one log, over all connections. ``place`` is where an earlier run of the client was.

    ``room`` is the name of the room, if the log is of one beside the default room.
    ``claim`` is called with each message that a page brings, and returns the message to show: perhaps it is the echo of
    a line without an answer.
    """

    def __init__(
        self,
        log: LogKey,
        place: LogPlace | None,
        wishes: CatchUpWishes,
        claim: Callable[[Message], Message] = lambda message: message,
        room: str | None = None,
    ) -> None:
        self.room = room
        self._log: LogKey = log
        self._wishes = wishes
        self._claim = claim
        self._epoch, self._seq = (place.epoch, place.seq) if place is not None else ("", 0)
        self._time: datetime | str | None = place.time if place is not None else None
        self._knows_place = place is not None
        self._facts: RoomHistory | None = None
        self._step = _Step.LIVE
        self._has_entered = False
        # Where the page of context ends; None: at the end of the log. Messages of a page of context.
        self._before: int | None = None
        self._context = wishes.context
        self._waiting: dict[int, Message] = {}
        self._first_waiting = 0
        self._began_before: int | None = None
        self._dropped = False  # whether live messages were dropped since the last query
        self._may_skip = self._is_outdated = False
        self._begun_with: int | None = None  # the messages shown since CatchUpBegan, if it was told

    @property
    def place(self) -> LogPlace | None:
        """The place up to which all messages were returned; None while the server keeps no messages."""
        if self._facts is None or not self._knows_place:
            return None
        time = self._time
        return LogPlace(
            self._epoch, self._seq, exact_timestamp(time) if isinstance(time, datetime) else time
        )

    @property
    def is_fetching(self) -> bool:
        """Whether a page is asked for, or will be."""
        return self._step in (_Step.CONTEXT, _Step.PAGES)

    @property
    def is_busy(self) -> bool:
        """Whether earlier messages are on their way."""
        return self._step is not _Step.LIVE

    @property
    def replay(self) -> int:
        """How many of the last messages to ask for at the next login: without a place, nothing else is known."""
        is_known = self._knows_place and self._step is not _Step.REPLAY
        return 0 if is_known else self._wishes.replay

    def hold(self) -> None:
        """Let messages wait for ``enter``, which comes soon: another device has joined the room."""
        self._step = _Step.ENTERING

    def enter(self, facts: RoomHistory | None) -> Output:
        """Begin a session, or a stay in the room, with what the server tells of this log then."""
        is_first, self._has_entered = not self._has_entered, True
        held = self._waiting if self._step is _Step.ENTERING else {}
        if self._step is _Step.REPLAY or self._is_reading_last:
            self._knows_place = False  # the last messages come once more
            is_first = True
        elif self._step is _Step.CONTEXT:
            is_first = True  # the connection was lost before the page came
        self._step, self._facts, self._begun_with = _Step.LIVE, facts, None
        self._waiting, self._is_outdated = held, False
        # The facts are of later than the messages that were held.
        self._began_before = self._first_waiting if held else None
        output = self._enter(facts, is_first=is_first)
        self._began_before = None
        return output

    def _enter(self, facts: RoomHistory | None, *, is_first: bool) -> Output:
        if facts is None:
            self._seq = max(self._seq, (self._began_before or 1) - 1)
            return self._end(complete=False)
        if not self._knows_place:
            self._go_to_end(facts)
            if self._log == ROOM:
                return self._begin_replay(facts)
            if is_first:
                # The server shows messages with the login in the default room alone.
                most = self._wishes.context if self._log == MAILBOX else self._wishes.replay
                self._ask_for_last(facts, most)
            return [] if self.is_fetching else self._follow(facts)
        if not self._wishes.follows:
            self._go_to_end(facts)
            return self._end()
        if not self._is_at_place(facts):
            return self._begin_anew(facts)
        self._may_skip = True
        if is_first and self._wishes.context and self._seq >= facts.oldest:
            self._before, self._context = self._seq + 1, self._wishes.context
            self._step = _Step.CONTEXT
            return []
        return self._begin_pages(facts)

    def take(self, message: Message) -> Output:
        """Take a message that came by itself: live, or shown again with the login."""
        seq = message.seq
        if seq is None or (self._facts is None and self._step is not _Step.ENTERING):
            return [message]
        if self._step is _Step.REPLAY:
            if message.replay:
                return self._take_replayed(message, seq)
            return [*self.flush(), *self._take_live(message, seq)]
        if message.replay:
            return []  # the server shows what was not asked for
        return self._take_live(message, seq)

    def passes(self, message: Message) -> bool:
        """Take a message if it is simply the next one, as nearly all are; return False if ``take`` must look at it."""
        seq = message.seq
        if seq is None or (self._facts is None and self._step is not _Step.ENTERING):
            return True  # without numbers there are no places
        if seq != self._seq + 1 or message.replay or self._step is not _Step.LIVE:
            return False
        self._seq, self._time = seq, message.timestamp
        return True

    def flush(self) -> Output:
        """Go on, although the login did not bring all the messages that the welcome had announced."""
        return self._end() if self._step is _Step.REPLAY else []

    @property
    def query(self) -> HistoryQuery | None:
        """The query that brings the next page; None if nothing is missing. ``answer`` or ``refuse`` comes next."""
        private = self._log == MAILBOX
        if self._step is _Step.CONTEXT:
            return HistoryQuery(private, before=self._before, limit=self._context)
        if self._step is not _Step.PAGES:
            return None
        self._dropped = False
        place = self.place
        assert place is not None, "pages are asked for behind a place"
        return HistoryQuery(
            private, after=place.seq, epoch=place.epoch, time=place.time, limit=MAX_REPLAY
        )

    def answer(self, page: Sequence[Message], *, more: bool, lost: Ranges) -> Output:
        """Take the answer to ``query``: a page, whether more follow, and the ranges without messages."""
        assert self._facts is not None, "a server that keeps nothing is not asked"
        if self._step is _Step.CONTEXT:
            return self._take_context(page, [*self._facts.lost, *lost])
        if self._step is not _Step.PAGES:
            return []  # numbered anew meanwhile
        known = [*self._facts.lost, *lost]
        output: Output = []
        before = self._seq
        for message in sorted(page, key=_number):
            if (seq := _number(message)) > self._seq:
                output += self._missing(seq - 1, known)
                # What came live as well has its receipt already.
                live = self._waiting.pop(seq, None)
                output.append(self._show(live or self._claim(message), seq))
        if self._seq > before and (more or self._dropped):
            return [*output, *self._skip(known)]
        return [*output, *self._end_pages(known)]

    def refuse(self, code: str) -> Output:
        """Take a refusal of ``query``."""
        facts, is_bad_place = self._facts, code == NoticeCode.BAD_PLACE.value
        is_outdated, self._is_outdated = self._is_outdated, False
        if is_bad_place and is_outdated:
            return []
        if facts is not None and self._step is _Step.PAGES and is_bad_place:
            return [*self._ended(complete=False), *self._begin_anew(facts)]
        if self._step is _Step.CONTEXT and facts is not None and self._before is not None:
            return self._begin_pages(facts)
        return self._end(complete=False)

    def leave(self) -> Output:
        """End the stay in the room."""
        return self._ended(complete=False)

    def renumber(self, epoch: str) -> None:
        """Go on under another epoch: the server told so while the user is here, so the numbers go on."""
        self._is_outdated = self.is_fetching  # a query under the old epoch may be on its way
        if self._facts is not None:
            self._facts = replace(self._facts, epoch=epoch)
            self._epoch, self._time = epoch, None

    # The steps

    def _is_at_place(self, facts: RoomHistory) -> bool:
        """Return whether the log may still have the place."""
        if self._epoch != facts.epoch or self._seq > facts.last:
            return False
        place = self.place
        known = (place and place.time), facts.time
        return self._seq < facts.last or None in known or known[0] == known[1]

    def _go_to_end(self, facts: RoomHistory) -> None:
        self._epoch, self._seq, self._time = facts.epoch, facts.last, facts.time
        self._knows_place = True
        if self._began_before is not None:
            self._seq, self._time = self._began_before - 1, None

    def _begin_replay(self, facts: RoomHistory) -> Output:
        count = min(self._wishes.replay, count_kept(facts.oldest, facts.last, facts.lost))
        if not count:
            return []
        self._step = _Step.REPLAY
        return [self._begun(count, None)]

    def _take_replayed(self, message: Message, seq: int) -> Output:
        assert self._facts is not None
        assert self._begun_with is not None
        self._begun_with += 1
        return [message, *(self._end() if seq >= last_kept(self._facts) else [])]

    def _begin_anew(self, facts: RoomHistory) -> Output:
        self._go_to_end(facts)
        self._ask_for_last(facts, self._wishes.context)
        renumbered = Renumbered(self._log, self.room)
        return [renumbered, *([] if self.is_fetching else self._follow(facts))]

    def _follow(self, facts: RoomHistory) -> Output:
        return self._begin_pages(facts) if self._wishes.follows else self._end()

    @property
    def _is_reading_last(self) -> bool:
        """Whether the last messages are asked for, without a place before them."""
        return self._step is _Step.CONTEXT and self._before is None and self._log != ROOM

    def _ask_for_last(self, facts: RoomHistory, most: int) -> None:
        if most and last_kept(facts):
            self._before = self._began_before
            self._step, self._context = _Step.CONTEXT, most

    def _take_context(self, page: Sequence[Message], lost: Ranges) -> Output:
        assert self._facts is not None
        # Behind the end come only messages that were said since the login; they wait already.
        shown = [message for message in page if _number(message) <= self._seq]
        output: Output = []
        if shown:
            output.append(self._begun(len(shown), None))
            shown.sort(key=_number)
            # An earlier run has told of the holes, on a screen that is gone.
            ends = [*map(_number, shown[1:]), self._seq + 1]
            for message, end in zip(shown, ends, strict=True):
                output.append(message)
                for part in parts_of(_number(message) + 1, end - 1, lost):
                    output += (
                        [MissingMessages(self._log, *part[:2], "lost", self.room)]
                        if part[2]
                        else []
                    )
            self._begun_with = len(shown)
            output.append(CatchUpEnded(self._log, len(shown), room=self.room))
            self._begun_with = None
        if self._before is None:
            return [*output, *self._end()]
        return [*output, *self._begin_pages(self._facts)]

    def _begin_pages(self, facts: RoomHistory) -> Output:
        if self._seq >= facts.last:
            return self._end()
        first = max(self._seq + 1, facts.oldest)
        expected = count_kept(first, facts.last, facts.lost)
        if not expected:
            return self._end_pages(facts.lost)
        self._step = _Step.PAGES
        return [self._begun(expected, _moment(self._time))]

    def _take_live(self, message: Message, seq: int) -> Output:
        if self._step is not _Step.LIVE:
            if not self._waiting:
                self._first_waiting = seq
            elif len(self._waiting) >= _MAX_WAITING:
                self._waiting.clear()
                self._dropped = True
            self._waiting[seq] = message
            return []
        # A smaller number is no doubt given anew: on one connection, no message comes twice.
        if seq <= self._seq + 1 or not self._wishes.follows:
            return [self._show(message, seq)]
        self._waiting[seq] = message
        self._step = _Step.PAGES
        return [self._begun(seq - 1 - self._seq, _moment(self._time))]

    def _skip(self, lost: Ranges) -> Output:
        """Skip what is too much, after the first page has been shown. Lost numbers do not count."""
        assert self._facts is not None
        most = self._wishes.most
        if most is None or not self._may_skip:
            return []
        first = first_of_last(most, self._seq + 1, self._facts.last, lost)
        if first == self._seq + 1:
            return []
        self._may_skip = False
        return self._missing(first - 1, lost, "skipped")

    def _end_pages(self, lost: Ranges) -> Output:
        assert self._facts is not None
        output = self._missing(max(self._facts.last, self._seq), lost)
        ended = self._end(lost=lost)
        return [*output, *ended]

    def _end(self, *, complete: bool = True, lost: Ranges = ()) -> Output:
        """Go on live, with the messages that wait."""
        output = self._ended(complete=complete)
        waiting, self._waiting = self._waiting, {}
        for seq in sorted(waiting):
            if seq > self._seq:
                output += self._missing(seq - 1, lost, "expired" if complete else "unavailable")
                output.append(self._show(waiting[seq], seq))
        return output

    def _ended(self, *, complete: bool) -> Output:
        shown, self._begun_with = self._begun_with, None
        self._step = _Step.LIVE
        return [] if shown is None else [CatchUpEnded(self._log, shown, complete, self.room)]

    def _begun(self, expected: int, since: datetime | None) -> CatchUpBegan:
        self._begun_with = 0
        return CatchUpBegan(self._log, expected, since, self.room)

    def _show(self, message: Message, seq: int) -> Message:
        self._seq, self._time = seq, message.timestamp
        if self._begun_with is not None:
            self._begun_with += 1
        return message

    def _missing(self, last: int, lost: Ranges, other: MissingReason = "expired") -> Output:
        """Name the numbers up to ``last`` that have no message, and go on behind them."""
        output: Output = []
        for first, end, is_lost in parts_of(self._seq + 1, last, lost):
            reason: MissingReason = "lost" if is_lost else other
            output.append(MissingMessages(self._log, first, end, reason, self.room))
        if last > self._seq:
            self._seq, self._time = last, None
        return output


def _moment(time: datetime | str | None) -> datetime | None:
    if not isinstance(time, str):
        return time
    try:
        return read_timestamp(time)
    except HeaderError:
        return None


def _number(message: Message) -> int:
    return message.seq or 0
