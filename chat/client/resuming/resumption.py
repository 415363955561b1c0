"""Decide what follows a login: the outcome of messages without an answer, then the missed messages. No I/O.

One query is on its way at a time, while live messages go on. First come the messages in question, since others wait for
the verdict; then the room, then the private messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from chat.client.connection.events import Attachment, Event, Notice, Text, Welcome
from chat.client.connection.receipts import new_nonce
from chat.client.resuming.events import CatchUpEvent, Message
from chat.client.resuming.following import CatchUpWishes, LogFollower
from chat.client.resuming.judging import Judge, LookUp, SessionProof, Verdicts
from chat.client.state.places import MAILBOX, ROOM, LogKey, LogPlace
from chat.client.state.unanswered_line import FirstSending
from chat.protocol.commands import HistoryQuery
from chat.protocol.notices import NoticeCode

Asker: TypeAlias = LogFollower | Judge
Resumed: TypeAlias = Event | CatchUpEvent


class Ask(NamedTuple):
    """Hold a query for the server, and its nonce."""

    nonce: str
    query: HistoryQuery


class _Pending(NamedTuple):
    ask: Ask
    asker: Asker
    page: list[Message]


class Resumption:
    """The steps after each login of one user, over all connections.

    ``places`` are those of an earlier run of the client. ``claim`` is called with each earlier message of this user; it
    returns the message to show. ``judged`` is called with verdicts.
    """

    def __init__(
        self,
        places: Callable[[LogKey], LogPlace | None],
        wishes: CatchUpWishes,
        claim: Callable[[Message], Message],
        judged: Callable[[Verdicts], object],
    ) -> None:
        self._followers = {
            log: LogFollower(log, places(log), wishes, claim) for log in (ROOM, MAILBOX)
        }
        self._judge = Judge()
        self._claim = claim
        self._judged = judged
        self._session: SessionProof | None = None
        self._pending: _Pending | None = None

    @property
    def may_speak(self) -> bool:
        """Whether new messages may be sent: the login is complete, and no earlier message is in question."""
        return self._session is not None and self._judge.is_done

    def first_sending(self, log: LogKey) -> FirstSending:
        """Return what to note of a message for ``log`` that is about to be sent for the first time."""
        assert self._session is not None, "nothing is sent before the login is complete"
        return FirstSending(self._followers[log].place, self._session.author)

    def place(self, log: LogKey) -> LogPlace | None:
        """Return the place up to which messages were returned; None if the server keeps none."""
        return self._followers[log].place

    def enter(
        self, welcome: Welcome, questions: Iterable[LookUp], *, has_device: bool
    ) -> list[CatchUpEvent | Message]:
        """Begin a session. ``questions`` are about the messages without an answer."""
        self._session = SessionProof(welcome, has_device)
        self._pending = None
        self._judged(self._judge.begin(questions, self._session))
        return [
            each
            for log, follower in self._followers.items()
            for each in follower.enter(self._session.facts(log))
        ]

    def question(self, question: LookUp) -> None:
        """Find out what became of a message, if a session has begun; else ``enter`` gets the question."""
        if self._session is not None:
            self._judged(self._judge.add(question, self._session))

    def leave(self) -> None:
        """End the session: the connection is lost."""
        self._session = self._pending = None

    def take(self, event: Event) -> list[Resumed]:
        """Return what to show for an event of the connection, other than the Welcome."""
        if isinstance(event, Text | Attachment):
            return self._take_message(event)
        if not isinstance(event, Notice):
            return [event]
        pending = self._pending
        nonce = None if event.receipt is None else event.receipt.nonce
        if pending is not None and nonce == pending.ask.nonce:
            return [*self._finish(pending, event)]
        if event.code == NoticeCode.EPOCH.value and event.epoch is not None:
            for follower in self._followers.values():
                follower.renumber(event.epoch)
        return [event]

    def passes(self, text: Text) -> bool:
        """Take a text that changes nothing but the place; return False if ``take`` must look at it."""
        return text.answers is None and text.to is None and self._followers[ROOM].passes(text)

    def flush(self) -> list[Resumed]:
        """Go on, although the login did not bring all the messages that the welcome had announced."""
        return [each for follower in self._followers.values() for each in follower.flush()]

    @property
    def is_catching_up(self) -> bool:
        """Whether earlier messages are on their way."""
        return any(follower.is_busy for follower in self._followers.values())

    @property
    def replay(self) -> int:
        """How many of the last messages to ask for at the next login."""
        return self._followers[ROOM].replay

    @property
    def wants_to_ask(self) -> bool:
        """Whether ``next_ask`` has a query."""
        if self._session is None or self._pending is not None:
            return False
        return not self._judge.is_done or any(
            follower.is_fetching for follower in self._followers.values()
        )

    def next_ask(self) -> Ask | None:
        """Return the next query to send now, or None. Its answer must reach ``take`` before there is another."""
        if self._session is None or self._pending is not None:
            return None
        askers: list[Asker] = [self._judge, *self._followers.values()]
        for asker in askers:
            query = asker.query
            if query is not None:
                ask = Ask(new_nonce(), query)
                self._pending = _Pending(ask, asker, [])
                return ask
        return None

    def _take_message(self, message: Message) -> list[Resumed]:
        if message.answers is not None:
            pending = self._pending
            if pending is None or message.answers != pending.ask.nonce:
                return [message]  # of a query of the program's own
            pending.page.append(message)
            return []
        log: LogKey = ROOM if message.to is None else MAILBOX
        return [*self._followers[log].take(message)]

    def _finish(self, pending: _Pending, answer: Notice) -> list[CatchUpEvent | Message]:
        self._pending = None
        asker, page = pending.asker, pending.page
        is_done = answer.code == NoticeCode.DONE.value
        if isinstance(asker, LogFollower):
            if is_done:
                return asker.answer(page, more=answer.more, lost=answer.lost)
            return asker.refuse(answer.code)
        if is_done:
            self._judged(asker.answer(page, more=answer.more, lost=answer.lost))
        else:
            self._judged(asker.refuse(answer.code))
        return []
