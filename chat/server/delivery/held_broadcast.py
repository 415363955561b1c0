"""Hold back what users would hear until the disk has the messages before it.

Everything that the room sends goes through one gate, in one order for all: messages, answers, users who join and leave,
and the first frames of a newcomer. The gate is open while no write is expected. Otherwise all waits, in order, behind
the writes that were expected when it was sent. So a user who leaves is still heard before they leave, and a newcomer
hears exactly what was written after they joined.

If the disk fails, the messages that wait are refused. Everything else comes out.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from gevent.event import Event

from chat.protocol.frames import Frame
from chat.protocol.runs import TextFrames
from chat.server.delivery.broadcast import Broadcast, Encodable, do_nothing
from chat.server.delivery.pending import RoomAudience
from chat.server.delivery.send_queue import SendQueue

log = logging.getLogger("chat.server")

Action = Callable[[], object]


class _Held(NamedTuple):
    """Hold one action until so many writes have arrived as were expected when it was held.

    ``refuse`` is called in its place if the disk fails. It is None for what does not depend on the disk.
    """

    after: int
    act: Action
    refuse: Action | None


def _drop() -> None:
    """Take the place of a frame whose message is refused."""


class HeldBroadcast(Broadcast):
    """A broadcast behind a gate.

    The writer of history says when a write is expected, and when writes have arrived. Frames between ``begin_message``
    and ``end_message`` belong to one message, and are dropped if the message is refused.
    """

    def __init__(self, charge: Callable[[float], object] = do_nothing) -> None:
        super().__init__(charge)
        self._expected = self._arrived = 0
        self._held: deque[_Held] = deque()
        self._is_in_message = False
        # While held actions run, what they send in turn is sent in their place.
        self._is_letting_out = False
        # How many frames for one user alone are held. Answers to that user come behind them.
        self._own: dict[SendQueue, int] = {}

    # For the writer of history

    def expect(self) -> None:
        """Hold all that is sent from now on, until one more write has arrived."""
        self._expected += 1

    def arrived(self, count: int) -> None:
        """Let out what was held for the next ``count`` writes, which are on the disk now."""
        self._arrived = min(self._arrived + count, self._expected)
        held = self._held
        self._is_letting_out = True
        try:
            while held and held[0].after <= self._arrived:
                _run(held.popleft().act)
        finally:
            self._is_letting_out = False

    def refuse_all(self) -> None:
        """Refuse all messages that are held, since the disk has failed, and let out everything else.

        No write is expected any more.
        """
        self._let_out_all(lambda each: each.act if each.refuse is None else each.refuse)

    def abandon(self) -> None:
        """Drop all messages that are held, and let out everything else: nobody knows whether the disk will have them.

        No write is expected any more.
        """
        self._let_out_all(lambda each: each.act if each.refuse is None else _drop)

    # For the log

    def begin_message(self) -> None:
        """Let everything that is sent from now on belong to one message."""
        self._is_in_message = True

    def end_message(self, heard: Action | None, refused: Action | None = None) -> None:
        """End the message. Call ``heard`` when users have been sent it, or ``refused`` if the disk fails before.

        ``heard`` is None if the message is not said.
        """
        self._is_in_message = False
        if heard is None:
            return
        if self._is_open:
            heard()
        else:
            self._held.append(_Held(self._expected, heard, refused or _drop))

    def in_turn(self, action: Action, refused: Action = _drop) -> None:
        """Call ``action`` when all that was sent before has come out: now, if nothing is held.

        ``refused`` is called in its place if it belongs to a message that is refused.
        """
        if self._is_open:
            action()
        else:
            self._hold(action, refused)

    def wait_for_turn(self, timeout: float) -> bool:
        """Wait until all that was sent before has come out, at most ``timeout`` seconds; return whether it has."""
        if self._is_open:
            return True
        is_out = Event()
        self._held.append(_Held(self._expected, is_out.set, None))
        return bool(is_out.wait(timeout))

    # What the room sends

    def add(self, send_queue: SendQueue, first: Iterable[Encodable] = ()) -> None:
        self._pass_alone(send_queue, partial(super().add, send_queue, first))

    def remove(self, send_queue: SendQueue) -> None:
        self.in_turn(partial(super().remove, send_queue))

    def join(self, send_queue: SendQueue, audience: RoomAudience) -> None:
        self.in_turn(partial(super().join, send_queue, audience))

    def part(self, send_queue: SendQueue, audience: RoomAudience) -> None:
        self.in_turn(partial(super().part, send_queue, audience))

    def post(self, frame: Frame | TextFrames, audience: RoomAudience | None = None) -> None:
        self.in_turn(partial(super().post, frame, audience))

    def post_to_others(
        self, send_queue: SendQueue, frame: Frame, audience: RoomAudience | None = None
    ) -> None:
        self.in_turn(partial(super().post_to_others, send_queue, frame, audience))

    def post_attachment(
        self, frame: Frame, offer: Frame | None, audience: RoomAudience | None = None
    ) -> None:
        self.in_turn(partial(super().post_attachment, frame, offer, audience))

    def announce(
        self, frame: Frame, audience: RoomAudience | None = None, *, counts: bool | None = None
    ) -> None:
        self.in_turn(partial(super().announce, frame, audience, counts=counts))

    def put(self, send_queue: SendQueue, frame: Encodable) -> None:
        self._pass_alone(send_queue, partial(super().put, send_queue, frame))

    def answer(self, send_queue: SendQueue, encoded: bytes) -> None:
        # Answers to pings show that the server lives, also while the disk stands still. So they pass what others say.
        # They do not pass the first frames of a newcomer, or earlier answers.
        if send_queue in self._own:
            self._pass_alone(send_queue, partial(super().answer, send_queue, encoded))
        else:
            super().answer(send_queue, encoded)

    @property
    def _is_open(self) -> bool:
        return self._is_letting_out or (not self._held and self._expected == self._arrived)

    def _hold(self, action: Action, refused: Action = _drop) -> None:
        self._held.append(_Held(self._expected, action, refused if self._is_in_message else None))

    def _pass_alone(self, send_queue: SendQueue, action: Action) -> None:
        """Pass on a frame for one user."""
        if self._is_open:
            action()
            return
        self._own[send_queue] = self._own.get(send_queue, 0) + 1
        self._hold(partial(self._let_out_alone, send_queue, action))

    def _let_out_alone(self, send_queue: SendQueue, action: Action) -> None:
        left = self._own.get(send_queue, 0) - 1
        if left > 0:
            self._own[send_queue] = left
        else:
            self._own.pop(send_queue, None)
        action()

    def _let_out_all(self, choose: Callable[[_Held], Action]) -> None:
        self._arrived = self._expected
        self._own.clear()
        held, self._held = self._held, deque()
        self._is_letting_out = True
        try:
            for each in held:
                _run(choose(each))
        finally:
            self._is_letting_out = False


def _run(action: Action) -> None:
    try:
        action()
    except Exception:
        # A bug. What is held behind it must come out all the same.
        log.exception("cannot deliver what was held")
