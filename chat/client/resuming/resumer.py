"""Keep one user's messages over all connections: the queue, the memory, and what follows each login.

A reader gives each event of the connections to ``take`` and shows what comes back; a sender runs ``send_all``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any

from chat.client.connection.connection import Connection
from chat.client.connection.events import EnteredRoom, Event, LeftRoom, Text, Welcome
from chat.client.connection.outgoing import is_unicode
from chat.client.connection.receipts import Status
from chat.client.resuming.events import (
    LineEvent,
    LineFound,
    LineRestored,
    Message,
    PerhapsSaid,
    ResumedEvent,
    RoomEvent,
)
from chat.client.resuming.joined_rooms import JoinedRooms
from chat.client.resuming.judging import LookUp, Verdicts
from chat.client.resuming.outgoing_queue import OutgoingQueue, QueuedMessage, Send, message_of
from chat.client.resuming.resumption import Resumption
from chat.client.resuming.seen import SeenPlaces
from chat.client.resuming.wishes import CatchUpWishes
from chat.client.runtime.runtime import Runtime
from chat.client.state.errors import StateFileError
from chat.client.state.memory import Memory
from chat.client.state.places import MAILBOX
from chat.client.state.unanswered_line import FirstSending, UnansweredLine
from chat.structs import replace

_MARKED = "An earlier run of the client could not find out whether it was said."
_UNKNOWN = FirstSending(None, "nothing")
# Seconds for which places are gathered before they are written.
_LINGER = 0.25
# Lines that are marked as perhaps said. Beyond, the oldest is forgotten.
MAX_PERHAPS = 1000


class Resumer:
    """The queue of outgoing messages, the memory, and the resumption of one user.

    ``answered`` is called with each message of the queue that has its final status. ``restore`` makes a message of a
    line that an earlier run left. ``fault`` is called if the state file can't be written; without it the error is
    raised. ``is_read_at_once``: all that ``take`` returns counts as seen; otherwise only ``saw`` makes it so. ``rooms``
    are to be joined with each login: see ``JoinedRooms``.
    """

    def __init__(
        self,
        runtime: Runtime,
        answered: Callable[[Any], object],
        *,
        wishes: CatchUpWishes | None = None,
        restore: Callable[[UnansweredLine], QueuedMessage] | None = None,
        fault: Callable[[StateFileError], object] | None = None,
        is_read_at_once: bool = True,
        rooms: Iterable[str] | None = None,
    ) -> None:
        self.queue = OutgoingQueue(runtime, self._tell_answer)
        self.memory = Memory()
        self.rooms = JoinedRooms(lambda: self.memory, rooms)
        self.perhaps: dict[str, PerhapsSaid] = {}
        self._runtime = runtime
        self._answered = answered
        self._wishes = wishes or CatchUpWishes()
        self._restore = restore or (lambda line: message_of(line, runtime.event()))
        self._fault = fault
        self._is_read_at_once = is_read_at_once
        self._lock = Lock()  # around the resumption; no greenlet switches while it is held
        self._resumption = self._new_resumption()
        self._line_events: list[LineEvent] = []
        self._verdicts: list[Verdicts] = []
        # What a look-up has found. Its echo may follow in a page.
        self._found: dict[str, QueuedMessage] = {}
        self._seen = SeenPlaces(lambda: self.memory, lambda: self._resumption, self._note_change)
        self._changed = runtime.event()
        self._has_seen = False

    # The memory

    def use(self, memory: Memory) -> None:
        """Go on with ``memory``, which belongs to the user who logs in now."""
        if memory is self.memory:
            return
        old, self.memory = self.memory, memory
        for line in memory.lines():
            self._restore_line(line)
        for log in self._resumption.logs:
            place = self._resumption.place(log)
            if place is not None and log != MAILBOX:
                memory.move(log, place)  # this run has shown the messages up to here
        self._take_along(old, memory)
        old.close()
        self._resumption = self._new_resumption()
        self._seen.begin_anew()

    def save(self) -> None:
        """Write what has changed to the state file. Raises StateFileError, unless there is a ``fault``."""
        try:
            if self._has_seen:
                self.saw_all()
            self.memory.save()
        except StateFileError as problem:
            if self._fault is None:
                raise
            self.memory.forget_file()
            self._fault(problem)

    def close(self) -> None:
        """Write what is left to the state file, and let other clients have it. The client ends in any case."""
        with suppress(StateFileError):  # told before, or nobody is there any more
            self.saw_all()
            self.memory.close()

    def save_now_and_then(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Write changes to the state file a few times a second, until killed or ``is_over``."""
        while not is_over():
            changed = self._changed
            if not (self.memory.is_dirty or self._has_seen):
                changed.wait()
                continue
            self._runtime.sleep(_LINGER)
            self.save()

    def wake(self) -> None:
        """Let the tasks of the sender and of the state file look again."""
        changed, self._changed = self._changed, self._runtime.event()
        changed.set()
        self.queue.wake()

    # Reading

    def take(self, event: Event, *, has_device: bool = False) -> list[ResumedEvent]:
        """Return what to show for an event of the connection. ``has_device``: its login had our device."""
        if type(event) is Text and not self._line_events and self._passes(event):
            return [event]
        resumption, output = self._resumption, list[ResumedEvent]()
        with self._lock:
            could_speak = resumption.may_speak
            if isinstance(event, Welcome):
                questions = [_question(message) for message in self.queue.questioned()]
                rooms = self.rooms.known
                entered = resumption.enter(event, questions, has_device=has_device, rooms=rooms)
                output = [event, *entered]
            else:
                output = [*resumption.take(event)]
            is_changed = could_speak is not resumption.may_speak or resumption.wants_to_ask
        if isinstance(event, Welcome | EnteredRoom | LeftRoom):
            self._seen.begin(left=self.rooms.note(event, output, resumption.rooms))
            self._note_change()
        if isinstance(event, Welcome):
            self._found.clear()
            output[1:1] = self._restored_events()
        self._apply_verdicts()
        lines, self._line_events = self._line_events, []
        self._note_seen()
        if is_changed:
            self.queue.wake()
        return [*lines, *output] if not isinstance(event, Welcome) else [*output, *lines]

    def _passes(self, text: Text) -> bool:
        """Take a text that changes nothing but the place; return False if it may do more."""
        with self._lock:
            if not self._resumption.passes(text):
                return False
        self._note_seen()
        return True

    def _note_seen(self) -> None:
        """Note that the places have moved; they are looked up when they are saved."""
        if self._is_read_at_once and not self._has_seen and self.memory.is_kept:
            self._has_seen = True
            self._note_change()

    @property
    def is_catching_up(self) -> bool:
        """Whether earlier messages are on their way."""
        return self._resumption.is_catching_up

    @property
    def replay(self) -> int:
        """How many of the last messages to ask for at the next login."""
        return self._resumption.replay

    def flush(self) -> list[ResumedEvent]:
        """Go on, although the login did not bring all the earlier messages that were announced."""
        with self._lock:
            return [*self._resumption.flush()]

    def saw(self, event: RoomEvent) -> None:
        """Note that the user has seen ``event``, and all before it."""
        self._seen.saw(event)

    def saw_all(self) -> None:
        """Note that the user has seen all that ``take`` has returned."""
        self._has_seen = False
        self._seen.saw_all()

    def saw_receipts(self) -> None:
        """Note that the user knows all outcomes from the receipts. The client ends."""
        self._seen.saw_receipts()

    # Sending

    def put(self, message: QueuedMessage) -> None:
        """Wait for room in the queue, and append the message. Its line is remembered from now on.

        If the state is kept in a file, do not wait: all that was read should get there. Then call ``checkpoint``.
        """
        message.room = self.rooms.name_of(message.room)
        self.queue.put(message, keep=lambda: self._keep(message), waits=not self.memory.is_kept)

    def checkpoint(self) -> None:
        """Write what has changed to the state file, and wait for room in the queue."""
        self.save()
        self.queue.wait_for_room()

    def question(self, message: QueuedMessage) -> None:
        """Find out what became of a message whose transfer ended before the answer."""
        with self._lock:
            self.queue.restore(message)
            self._resumption.question(_question(message))
        self._apply_verdicts()
        self.queue.tell_answers()
        self.queue.wake()

    def send_all(
        self, connection: Connection, send: Send, is_over: Callable[[], bool] = lambda: False
    ) -> None:
        """Send the queued messages and those that follow, in order, until killed or over. Raises ConnectionLost.

        Queries go first. Messages wait until it is known what became of those before them.
        """
        resumption = self._resumption  # of the user who has this connection
        while True:
            self.queue.wait_to_send(
                lambda: resumption.wants_to_ask or is_over(), lambda: resumption.may_speak
            )
            if is_over():
                return
            with self._lock:
                ask = resumption.next_ask()
                batch = self.queue.next_batch() if ask is None and resumption.may_speak else []
                self._note_first(batch)
            if ask is not None:
                connection.command(ask.command, nonce=ask.nonce)
                continue
            # Before anything is sent: whoever is killed after this looks the lines up.
            self.save()
            for message in batch:
                if not self.queue.send(message, send):
                    self.memory.drop(message.nonce)

    def connection_ended(self) -> None:
        """Put what was not answered in question. Call once nothing is being sent any more."""
        with self._lock:
            self._resumption.leave()
        self.queue.connection_ended()
        self._note_change()

    # Lines that were perhaps said

    def drop(self, nonce: str) -> None:
        """Forget a line that was perhaps said."""
        self.perhaps.pop(nonce, None)
        self.memory.drop(nonce)
        self._note_change()

    # Inside

    def _new_resumption(self) -> Resumption:
        return Resumption(self.memory.place, self._wishes, self._claim, self._verdicts_append)

    def _verdicts_append(self, verdicts: Verdicts) -> None:
        self._verdicts.append(verdicts)  # applied once the lock is free

    def _restore_line(self, line: UnansweredLine) -> None:
        if line.is_perhaps:
            self.perhaps[line.nonce] = PerhapsSaid(line, _MARKED, line.nonce)
            self._line_events.append(self.perhaps[line.nonce])
            return
        message = self._restore(line)
        message.first = line.first
        self._line_events.append(LineRestored(line, message.tag))
        self.queue.restore(message)

    def _restored_events(self) -> list[LineEvent]:
        lines, self._line_events = self._line_events, []
        # First the lines that go on: with the next event, their outcomes may be told.
        return sorted(lines, key=lambda event: not isinstance(event, LineRestored))

    def _take_along(self, old: Memory, memory: Memory) -> None:
        """Move what this run has not finished into the memory of the name that the user has now."""
        restored = {line.nonce for line in memory.lines()}
        for message in self.queue.unanswered():
            if message.nonce in restored:
                continue
            if message.first is not None:
                # The server can't tell that a message under another name was ours.
                message.first = _UNKNOWN
            old.drop(message.nonce)
            self._keep(message)
        for nonce, doubt in self.perhaps.items():
            old.drop(nonce)
            if memory.is_kept and nonce not in restored:
                memory.keep(doubt.line)

    def _keep(self, message: QueuedMessage) -> None:
        line = message.line if self.memory.is_kept else None
        # What can't be sent can't be written to a file, either.
        if line is not None and is_unicode(f"{line.text}{line.to or ''}"):
            self.memory.keep(line)
            self._note_change()

    def _note_first(self, batch: Sequence[QueuedMessage]) -> None:
        new = [each for each in batch if each.first is None]
        for log in {each.log for each in new}:
            messages, first = (
                [each for each in new if each.log == log],
                self._resumption.first_sending(log),
            )
            for message in messages:
                message.first = first
            if self.memory.is_kept:
                self.memory.note_sent([message.nonce for message in messages], first)

    def _claim(self, message: Message) -> Message:
        """Return an earlier message with the receipt that it answers, if it is our own."""
        nonce = message.nonce
        if nonce is None or not message.own:
            return message
        found = self._found.pop(nonce, None) or self.queue.in_flight.find(nonce)
        if isinstance(found, QueuedMessage):
            if found.status is Status.WAITING:
                self._verdicts.append(Verdicts([nonce]))
            return replace(message, receipt=found)
        marked = self.perhaps.pop(nonce, None)
        if marked is not None:
            self.memory.drop(nonce)
            self._line_events.append(LineFound(marked.line, marked.tag))
        return message

    def _apply_verdicts(self) -> None:
        verdicts, self._verdicts = self._verdicts, []
        for said, absent, undecided in verdicts:
            for nonce in said:
                self._let_go(nonce)
                message = self.queue.decide(nonce, Status.ACCEPTED)
                if message is not None:
                    self._found[nonce] = message
            self.queue.say_again(absent)
            for nonce, reason in undecided:
                self._mark(nonce, reason)

    def _mark(self, nonce: str, reason: str) -> None:
        found = self.queue.in_flight.find(nonce)
        if isinstance(found, QueuedMessage) and found.is_upload:
            found.only_goes_on = True  # if the server has a part of it, it was not said
            self.queue.say_again([nonce])
            return
        line = found.line if isinstance(found, QueuedMessage) else None
        if isinstance(found, QueuedMessage) and line is not None:
            self.memory.mark(nonce)
            self.perhaps[nonce] = PerhapsSaid(line._replace(is_perhaps=True), reason, found.tag)
            self._line_events.append(self.perhaps[nonce])
            if len(self.perhaps) > MAX_PERHAPS:
                self.drop(next(iter(self.perhaps)))
        self.queue.decide(nonce, Status.LOST, reason)
        self._note_change()

    def _tell_answer(self, message: QueuedMessage) -> None:
        if message.status is not Status.LOST:
            self._let_go(message.nonce)
        self._answered(message)

    def _let_go(self, nonce: str) -> None:
        """Forget an answered line, in one write with the place behind its echo."""
        if self._is_read_at_once:
            self.memory.drop(nonce)
            self._note_change()
        else:
            self._seen.answered(nonce)

    def _note_change(self) -> None:
        if self.memory.is_kept:
            changed, self._changed = self._changed, self._runtime.event()
            changed.set()


def _question(message: QueuedMessage) -> LookUp:
    return LookUp(message.nonce, message.log, message.first or _UNKNOWN, message.room)
