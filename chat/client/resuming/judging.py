"""Find out what became of messages that were sent, and not answered before the connection was lost. No I/O.

The server is asked which of them it has. A message that it does not have was not said, and is said again. A message is
undecided if the answer would prove nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from chat.client.connection.events import Attachment, RoomHistory, Text, Welcome
from chat.client.state.places import MAILBOX, ROOM, LogKey, LogPlace, room_log
from chat.client.state.unanswered_line import Author, FirstSending
from chat.protocol.commands import HistoryQuery
from chat.protocol.notices import NoticeCode

MAX_NONCES = 64  # of a query

NO_HISTORY = "The server keeps no messages, so nobody can find out whether it was said."
NOT_PRIVATE = (
    "The server keeps no private messages of guests, so nobody can find out whether it was said."
)
NO_PROOF = "The server could not tell which messages are yours, so nobody can find out whether it was said."
RENUMBERED = "The server counts its messages anew, so nobody can find out whether it was said."
NOT_THERE = "You are not in the room any more, so nobody can find out whether it was said."
LOST = "The server lost messages, perhaps this one too."
TOO_OLD = (
    "The server no longer keeps messages of that time, so nobody can find out whether it was said."
)

_REFUSALS = {
    NoticeCode.BAD_PLACE.value: LOST,
    NoticeCode.NOT_IN_ROOM.value: NOT_THERE,
    NoticeCode.NO_SUCH_ROOM.value: NOT_THERE,
}


class LookUp(NamedTuple):
    """Ask about one message: was it said? ``room`` is its room; None: the default room, or a user."""

    nonce: str
    log: LogKey
    first: FirstSending
    room: str | None = None


class Verdicts(NamedTuple):
    """Hold what was found out: ``absent`` messages were not said; of ``undecided`` ones, by nonce, the reason."""

    said: Collection[str] = ()
    absent: Collection[str] = ()
    undecided: Iterable[tuple[str, str]] = ()


class SessionProof(NamedTuple):
    """Tell what a session proves. ``has_device``: the login had the device of this client."""

    welcome: Welcome
    has_device: bool

    def facts(self, log: LogKey) -> RoomHistory | None:
        """Return what the welcome tells of a log; None if the user is not in its room."""
        if log == ROOM:
            return self.welcome.history
        if log == MAILBOX:
            return self.welcome.mailbox
        here = (facts for facts in self.welcome.rooms if room_log(facts.name) == log)
        return next((facts.history for facts in here), None)

    def proves(self, first: FirstSending) -> bool:
        """Return whether the server knows that the user who sent the message is the user of this session."""
        if first.author == "account":
            return self.welcome.account
        return first.author == "device" and self.knows_device

    @property
    def knows_device(self) -> bool:
        """Whether the server knows the user by the device of this client."""
        return self.has_device and self.welcome.device is True

    @property
    def author(self) -> Author:
        """By what the server will know the sender of what is sent now."""
        if self.welcome.account:
            return "account"
        return "device" if self.knows_device else "nothing"


class Judge:
    """The questions of one session. Ask ``query``, and give the answer, until it is None."""

    def __init__(self) -> None:
        self._batches: deque[list[LookUp]] = deque()
        # Those of the first batch that the server did not find. Before they count as absent, the message behind the
        # place must prove that the server has not removed old messages meanwhile.
        self._unproved: list[str] | None = None

    @property
    def is_done(self) -> bool:
        """Whether every question has its verdict."""
        return not self._batches

    def begin(self, questions: Iterable[LookUp], session: SessionProof) -> Verdicts:
        """Begin a session; return the questions that nobody can decide."""
        self._batches.clear()
        self._unproved = None
        absent, undecided = [], []
        by_log: dict[LogKey, list[LookUp]] = {}
        for question in questions:
            reason = why_undecided(question, session)
            if reason is not None:
                undecided.append((question.nonce, reason))
            elif nothing_followed(question, session):
                absent.append(question.nonce)
            else:
                by_log.setdefault(question.log, []).append(question)
        for asked in by_log.values():
            asked.sort(key=_seq_of)
            self._batches.extend(
                asked[start : start + MAX_NONCES] for start in range(0, len(asked), MAX_NONCES)
            )
        return Verdicts(absent=absent, undecided=undecided)

    def add(self, question: LookUp, session: SessionProof) -> Verdicts:
        """Add a question to a session that has begun; return the verdict if nobody must be asked.

        The message was sent in a session before: until its session has ended, a message may still be said.
        """
        reason = why_undecided(question, session)
        if reason is None and nothing_followed(question, session):
            return Verdicts(absent=[question.nonce])
        if reason is None:
            self._batches.append([question])
            return Verdicts()
        return Verdicts(undecided=[(question.nonce, reason)])

    @property
    def room(self) -> str | None:
        """The room of ``query``; None: the default room, or private messages."""
        return self._batches[0][0].room if self._batches else None

    @property
    def query(self) -> HistoryQuery | None:
        """The query for the next questions, or None."""
        if not self._batches:
            return None
        batch = self._batches[0]
        # The earliest place: behind it are all of these messages that were said.
        place = batch[0].first.place
        assert place is not None, "without a place a question is undecided"
        query = HistoryQuery(
            batch[0].log == MAILBOX, after=place.seq, epoch=place.epoch, time=place.time
        )
        if self._unproved is not None:
            return query._replace(limit=1)
        return query._replace(nonces=tuple(question.nonce for question in batch))

    def answer(
        self, page: Sequence[Text | Attachment], *, more: bool, lost: Collection[object]
    ) -> Verdicts:
        """Take the answer to ``query``: the messages that the server has, whether more follow, and what was lost."""
        if self._unproved is not None:
            return self._prove(page)
        # Others see nonces, and may use them again: only our own messages count.
        found = {message.nonce for message in page if message.own}
        batch = self._batches[0]
        rest = [question.nonce for question in batch if question.nonce not in found]
        said = [question.nonce for question in batch if question.nonce in found]
        if rest and not (more or lost):
            self._unproved = rest
            return Verdicts(said)
        self._batches.popleft()
        return Verdicts(said, undecided=[(nonce, LOST) for nonce in rest])

    def _prove(self, page: Sequence[Text | Attachment]) -> Verdicts:
        rest, self._unproved = self._unproved or [], None
        place = self._batches.popleft()[0].first.place
        assert place is not None, "without a place a question is undecided"
        if page and page[0].seq == place.seq + 1:
            return Verdicts(absent=rest)
        return Verdicts(undecided=[(nonce, TOO_OLD) for nonce in rest])

    def refuse(self, code: str) -> Verdicts:
        """Take a refusal of ``query``."""
        reason = _REFUSALS.get(code, NO_HISTORY)
        batch = [question.nonce for question in self._batches.popleft()]
        rest, self._unproved = self._unproved or batch, None
        return Verdicts(undecided=[(nonce, reason) for nonce in rest])


def why_undecided(question: LookUp, session: SessionProof) -> str | None:
    """Return why nobody can find out whether a message was said; None if the server can be asked."""
    welcome, place = session.welcome, question.first.place
    facts = session.facts(question.log)
    if welcome.history is None:
        return NO_HISTORY
    if facts is None and question.log == MAILBOX:
        return NOT_PRIVATE
    if not session.proves(question.first):
        return NO_PROOF
    if place is None:
        return NO_HISTORY
    # Of a room that the user has left, the server shows them their own messages.
    return None if facts is None else _why_not_at(place, facts)


def nothing_followed(question: LookUp, session: SessionProof) -> bool:
    """Return whether the log had no message behind the place at the login, so that no query is needed."""
    facts = session.facts(question.log)
    place = question.first.place
    return facts is not None and place is not None and place.seq == facts.last


def _why_not_at(place: LogPlace, facts: RoomHistory) -> str | None:
    if place.epoch != facts.epoch:
        return RENUMBERED
    if place.seq > facts.last or any(end > place.seq for _, end in facts.lost):
        return LOST
    if place.seq + 1 < facts.oldest:
        return TOO_OLD
    if place.seq == facts.last and None not in (place.time, facts.time):
        return None if place.time == facts.time else LOST
    return None


def _seq_of(question: LookUp) -> int:
    return question.first.place.seq if question.first.place is not None else 0
