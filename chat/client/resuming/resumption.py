"""Decide what follows a login: the outcome of messages without an answer, then the missed messages. No I/O.

One query is on its way at a time, while live messages go on. First come the messages in question, since others wait for
the verdict; then one page after the other, of each log in turn. A room is followed from the moment when the user enters
it until they leave it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, TypeAlias

from chat.client.connection.events import (
    Attachment,
    EnteredRoom,
    Event,
    LeftRoom,
    Notice,
    Text,
    Welcome,
)
from chat.client.connection.receipts import new_nonce
from chat.client.resuming.events import CatchUpEvent, Message
from chat.client.resuming.following import LogFollower
from chat.client.resuming.judging import Judge, LookUp, SessionProof, Verdicts
from chat.client.resuming.wishes import CatchUpWishes
from chat.client.state.kept_rooms import MAX_ROOMS
from chat.client.state.places import MAILBOX, ROOM, LogKey, LogPlace, log_of, room_log
from chat.client.state.unanswered_line import FirstSending
from chat.protocol.commands import Command, Verb
from chat.protocol.notices import NoticeCode

Resumed: TypeAlias = Event | CatchUpEvent


class Ask(NamedTuple):
    """Hold a query for the server, and its nonce."""

    nonce: str
    command: Command


class _Entry:
    """Ask for the facts of a room that another device of the user has joined.

    Joining a room again changes nothing, and the answer has the facts. Until then the room's messages wait.
    """

    def __init__(self, room: str) -> None:
        self.room = room


Asker: TypeAlias = LogFollower | Judge | _Entry


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
        self._places = places
        self._wishes = wishes
        self._judge = Judge()
        self._claim = claim
        self._judged = judged
        self._left: set[LogKey] = set()  # by this run: what an earlier one has seen of them is over
        self._followers: dict[LogKey, LogFollower] = {}
        for log in (ROOM, MAILBOX):
            self._follow(log)
        self._turns: dict[LogKey, int] = {}  # when each log was asked for a page last
        self._entries: dict[LogKey, _Entry] = {}
        self._session: SessionProof | None = None
        self._pending: _Pending | None = None

    @property
    def may_speak(self) -> bool:
        """Whether new messages may be sent: the login is complete, and no earlier message is in question."""
        return self._session is not None and self._judge.is_done

    def first_sending(self, log: LogKey) -> FirstSending:
        """Return what to note of a message for ``log`` that is about to be sent for the first time."""
        assert self._session is not None, "nothing is sent before the login is complete"
        return FirstSending(self.place(log), self._session.author)

    def place(self, log: LogKey) -> LogPlace | None:
        """Return the place up to which messages were returned; None if the server keeps none, or of another room."""
        follower = self._followers.get(log)
        return None if follower is None else follower.place

    @property
    def logs(self) -> Collection[LogKey]:
        """The logs that are followed."""
        return self._followers

    @property
    def rooms(self) -> list[str]:
        """The names of the rooms that the user is in, beside the default room."""
        return [
            follower.room
            for log, follower in self._followers.items()
            if follower.room is not None and log not in self._entries
        ]

    def enter(
        self,
        welcome: Welcome,
        questions: Iterable[LookUp],
        *,
        has_device: bool,
        rooms: Iterable[str] = (),
    ) -> list[Resumed]:
        """Begin a session.

        ``questions`` are about the messages without an answer. ``rooms`` are those in which the user was before, with
        this run of the client or an earlier one.
        """
        self._session = SessionProof(welcome, has_device)
        self._pending = None
        self._judged(self._judge.begin(questions, self._session))
        output = self._leave_rooms(welcome, rooms)
        for facts in welcome.rooms:
            self._follow_room(facts.name)
        for log, follower in self._followers.items():
            output += follower.enter(self._session.facts(log))
        return output

    def question(self, question: LookUp) -> None:
        """Find out what became of a message, if a session has begun; else ``enter`` gets the question."""
        if self._session is not None:
            self._judged(self._judge.add(question, self._session))

    def leave(self) -> None:
        """End the session: the connection is lost."""
        self._session = self._pending = None
        for log in [*self._entries]:
            self._forget(log)  # the next welcome tells of the room

    def take(self, event: Event) -> list[Resumed]:
        """Return what to show for an event of the connection, other than the Welcome."""
        if isinstance(event, Text | Attachment):
            return self._take_message(event)
        if isinstance(event, EnteredRoom):
            return self._take_entry(event)
        if isinstance(event, LeftRoom):
            return self._take_leave(event)
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
        if text.answers is not None or text.to is not None:
            return False
        follower = self._followers.get(room_log(text.room))
        return follower is not None and follower.passes(text)

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
        return (
            not self._judge.is_done
            or bool(self._entries)
            or any(follower.is_fetching for follower in self._followers.values())
        )

    def next_ask(self) -> Ask | None:
        """Return the next query to send now, or None. Its answer must reach ``take`` before there is another."""
        if self._session is None or self._pending is not None:
            return None
        asker = self._next_asker()
        if asker is None:
            return None
        if isinstance(asker, _Entry):
            command = Command(Verb.JOIN.value, room=asker.room)
        else:
            command = Command(Verb.HISTORY.value, query=asker.query, room=asker.room)
        ask = Ask(new_nonce(), command)
        self._pending = _Pending(ask, asker, [])
        return ask

    def _next_asker(self) -> Asker | None:
        if not self._judge.is_done:
            return self._judge
        if self._entries:
            return next(iter(self._entries.values()))
        # Each log in turn, so that one with very many missed messages does not keep the others waiting.
        behind = [log for log, follower in self._followers.items() if follower.is_fetching]
        if not behind:
            return None
        log = min(behind, key=lambda each: self._turns.get(each, 0))
        self._turns[log] = max(self._turns.values(), default=0) + 1
        return self._followers[log]

    # Rooms

    def _follow(self, log: LogKey, room: str | None = None) -> LogFollower:
        place = None if log in self._left else self._places(log)
        follower = LogFollower(log, place, self._wishes, self._claim, room)
        self._followers[log] = follower
        return follower

    def _follow_room(self, name: str | None) -> LogFollower | None:
        """Return the follower of a room, a new one if there is none; None if there are too many."""
        log = room_log(name)
        follower = self._followers.get(log)
        if follower is None:
            # A hostile server may name rooms without end.
            return self._follow(log, name) if len(self._followers) < MAX_ROOMS + 2 else None
        follower.room = name
        return follower

    def _forget(self, log: LogKey) -> None:
        self._followers.pop(log, None)
        self._entries.pop(log, None)
        self._turns.pop(log, None)

    def _leave_room(self, log: LogKey) -> None:
        self._forget(log)
        self._left.add(log)

    def _leave_rooms(self, welcome: Welcome, rooms: Iterable[str]) -> list[Resumed]:
        """Forget the rooms in which the user is no more, and tell so."""
        here = {room_log(facts.name) for facts in welcome.rooms}
        reasons = {room_log(name): code for name, code in welcome.refused}
        output: list[Resumed] = []
        for name in dict.fromkeys([*self.rooms, *rooms]):
            log = room_log(name)
            if log not in here:
                self._leave_room(log)
                output.append(LeftRoom(name, welcome.timestamp, reasons.get(log)))
                here.add(log)  # tell it once, in whatever spelling
        return output

    def _take_entry(self, event: EnteredRoom) -> list[Resumed]:
        pending, log = self._pending, room_log(event.facts.name)
        is_known = log in self._followers and log not in self._entries
        if event.receipt is None:
            if log not in self._followers:
                self._ask_for_facts(event.facts.name)
            return []
        if pending is None or event.receipt.nonce != pending.ask.nonce:
            return self._enter_room(event)
        self._pending = None
        # To the user, the other device has joined just now. If it has left the room since, our question has joined it
        # again, so the user is in the room in any case.
        return [] if is_known else self._enter_room(EnteredRoom(event.facts, event.timestamp))

    def _enter_room(self, event: EnteredRoom) -> list[Resumed]:
        facts = event.facts
        log = room_log(facts.name)
        is_new = log not in self._followers or log in self._entries
        self._entries.pop(log, None)
        follower = self._follow_room(facts.name)
        if follower is None or not is_new:
            return [event]
        return [event, *follower.enter(facts.history)]

    def _ask_for_facts(self, name: str | None) -> LogFollower | None:
        follower = self._follow_room(name)
        if follower is not None and name is not None:
            follower.hold()
            self._entries[room_log(name)] = _Entry(name)
        return follower

    def _take_leave(self, event: LeftRoom) -> list[Resumed]:
        log = room_log(event.room)
        # Without its entry, the user has not heard that they were in the room.
        is_unknown = log in self._entries and event.receipt is None
        follower = self._followers.get(log)
        self._leave_room(log)
        ended = [] if follower is None else follower.leave()
        return [] if is_unknown else [*ended, event]

    # Messages and answers

    def _take_message(self, message: Message) -> list[Resumed]:
        if message.answers is not None:
            pending = self._pending
            if pending is None or message.answers != pending.ask.nonce:
                return [message]  # of a query of the program's own
            pending.page.append(message)
            return []
        follower = self._followers.get(log_of(message.to, message.room))
        if follower is None and self._session is not None:
            # A registered user who joins the first room is from then on in all rooms of their other devices.
            follower = self._ask_for_facts(message.room)
        return [message] if follower is None else [*follower.take(message)]

    def _finish(self, pending: _Pending, answer: Notice) -> list[CatchUpEvent | Message]:
        self._pending = None
        asker, page = pending.asker, pending.page
        is_done = answer.code == NoticeCode.DONE.value
        if isinstance(asker, LogFollower):
            if all(each is not asker for each in self._followers.values()):
                return []  # its room was left meanwhile
            if is_done:
                return asker.answer(page, more=answer.more, lost=answer.lost)
            return asker.refuse(answer.code)
        if isinstance(asker, _Entry):
            if self._entries.get(room_log(asker.room)) is asker:
                self._forget(room_log(asker.room))  # the room is closed to the user by now, or gone
            return []
        if is_done:
            self._judged(asker.answer(page, more=answer.more, lost=answer.lost))
        else:
            self._judged(asker.refuse(answer.code))
        return []
