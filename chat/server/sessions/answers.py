"""Keep the answers to one client in the order of the frames that they answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gevent
from gevent.event import Event

from chat.protocol.notices import NoticeCode
from chat.server.limits.waits import REMINDER
from chat.server.log.log import Record
from chat.server.room.commands import FoundMessages

# Bytes of contents whose runs are not settled. Above this, the server reads nothing more from the client, so a log that
# commits slowly does not fill the memory.
MAX_OPEN = 256 * 1024
# Bytes that each message counts beside its content. Without them, a client could queue texts of one byte, or refusals,
# in any number.
_PLACE = 128
_LOOK = 1.0  # seconds between two looks at the first place


class Answer(NamedTuple):
    """Hold a notice for the sender of a frame. ``nonce`` is that of the frame.

    ``facts`` are further fields of the header of the notice. ``found`` goes before the notice.
    """

    notice: NoticeCode
    sentence: str
    nonce: str | None = None
    facts: Mapping[str, Any] | None = None
    found: FoundMessages | None = None


def answers_to(record: Record) -> list[Answer]:
    """Return the notices for the sender of a settled record; none if its run was delivered: the echo answers it."""
    if record.rejection is None:
        return []
    notice, sentence, _ = record.rejection
    nonces = record.run.nonces
    return [Answer(notice, sentence, nonce.decode() if nonce else None) for nonce in nonces]


def _cost(place: Record | Answer) -> int:
    if isinstance(place, Answer):
        return _PLACE if place.found is None else _PLACE + place.found.size
    return place.run.size + _PLACE * len(place.run.contents)


def _ignore(*arguments: object) -> None:
    """Take the place of the functions of a session that has ended."""


class AnswerQueue:
    """Queue answers that are not known yet, and answers that must wait for those.

    A log may commit a run later than the run was appended. Then a refusal that is known at once must wait, or the
    client would get the refusal before the answer to an earlier frame. A log that commits at once needs no queue, so a
    session makes one only for its first record that is not settled.

    ``remind`` is called every ``REMINDER`` seconds while the same answer has to wait.
    """

    def __init__(self, send: Callable[[Answer], object], remind: Callable[[], object]) -> None:
        self._send = send
        self._remind = remind
        self._places: deque[Record | Answer] = deque()
        self._open_bytes = 0
        self._changed = Event()
        self._is_closed = False
        # A timer that runs on while answers wait. So the usual wait of some milliseconds starts none.
        self._timer: Any = None
        self._looked_at: Record | Answer | None = None
        self._looks = 0

    def __bool__(self) -> bool:
        return bool(self._places)

    def close(self) -> None:
        """Wait for nothing any more: the client is gone, so nobody reads the answers."""
        self._is_closed = True
        self._places.clear()
        # They lead to the session, and records lead here until the log commits them.
        self._send = self._remind = _ignore
        self._changed.set()
        self._end_timer()

    def wait_for(self, record: Record) -> None:
        """Keep a place for the answer to ``record``, which is not settled yet."""
        self._places.append(record)
        self._open_bytes += _cost(record)
        record.on_settled = self._settled
        if self._timer is None and not self._is_closed:
            self._timer = gevent.get_hub().loop.timer(_LOOK, _LOOK)
            self._timer.start(self._look)

    def put(self, answer: Answer) -> None:
        """Send ``answer`` when all answers before it have been sent: at once if the queue is empty.

        Waits for room in a full queue, so that nothing more is read from the client.
        """
        if self._places:
            self._places.append(answer)
            self._open_bytes += _cost(answer)
            self.wait_for_room()
        else:
            self._send(answer)

    def wait_for_room(self) -> None:
        """Wait while the places count more than ``MAX_OPEN`` bytes, and the client is not gone."""
        while self._open_bytes > MAX_OPEN and not self._is_closed:
            self._wait(None)

    def wait_until_empty(self, timeout: float | None = None) -> bool:
        """Wait until the queue is empty, at most ``timeout`` seconds for each next answer; return whether it is.

        It is empty, too, when the client is gone.
        """
        while self._places:
            if not self._wait(timeout):
                return False
        return True

    def _wait(self, timeout: float | None) -> bool:
        self._changed.clear()
        return bool(self._changed.wait(timeout))

    def _settled(self, record: Record) -> None:
        """Send the answers at the head of the queue that are known now."""
        # Records may settle out of order. Then this one keeps its place, and the head settles later.
        while self._places:
            place = self._places[0]
            if isinstance(place, Answer):
                self._open_bytes -= _cost(place)
                self._send(place)
            elif place.is_settled:
                self._open_bytes -= _cost(place)
                # A run that was delivered has no answer here: the room has sent the echo.
                for answer in answers_to(place):
                    self._send(answer)
            else:
                break
            self._places.popleft()
        self._changed.set()

    def _look(self) -> None:
        """Remind the user, if the first answer has waited for so long since the last time."""
        first = self._places[0] if self._places else None
        if first is None:
            self._end_timer()
        elif first is not self._looked_at:
            self._looks = 0
        else:
            self._looks += 1
            if self._looks % REMINDER == 0:
                self._remind()
        self._looked_at = first

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None
        self._looked_at = None
