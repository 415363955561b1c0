"""Ask the server for something in tasks beside the others, and show the answers or the failures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import gevent.event
from gevent.lock import BoundedSemaphore

from chat.client.connection.connection import Connection
from chat.client.conversation.requests import RequestError
from chat.client.conversation.ui_events import Frontend, Tag, UiEvent
from chat.client.errors import ChatError, ConnectionLost, NotSupported, QueryRefused

# Requests under way; a further one waits, and the input behind it. The server answers one at a time anyway.
AT_ONCE = 4
_LOST = "The connection was lost before the server answered."

# Asks over the present connection, and returns what to show. Raises RequestError and ChatError.
Question: TypeAlias = Callable[[Connection], UiEvent]


class Asking:
    """The questions to the server whose answers are read page by page, and not in the queue of messages.

    ``connected`` returns the present connection, or raises RequestError. ``refuse`` shows a failure by its code, a
    sentence and a tag.
    """

    def __init__(
        self,
        frontend: Frontend,
        connected: Callable[[], Connection],
        spawn: Callable[..., object],
        refuse: Callable[[str, str, Tag], object],
    ) -> None:
        self._frontend = frontend
        self._connected = connected
        self._spawn = spawn
        self._refuse = refuse
        self._turns = BoundedSemaphore(AT_ONCE)
        self._typed: deque[tuple[Question, Tag]] = deque()  # the first is under way
        self._running = 0
        self._ended = gevent.event.Event()

    @property
    def is_asking(self) -> bool:
        """Whether a question is under way, or its answer not shown yet."""
        return self._running > 0

    def wait(self) -> None:
        """Wait until a question under way has its answer."""
        self._ended.wait()

    def connection(self) -> Connection:
        """Return the present connection. Raises RequestError without one."""
        return self._connected()

    def ask(self, question: Question, tag: Tag) -> None:
        """Ask beside other questions. Raises RequestError without a connection."""
        self._connected()
        self._turns.acquire()
        self._running += 1
        self._spawn(self._answer_in_turn, question, tag)

    def ask_in_order(self, question: Question, tag: Tag) -> None:
        """Ask when the questions in order before this one are answered. Raises RequestError without a connection."""
        self._connected()
        self._running += 1
        self._typed.append((question, tag))
        if len(self._typed) == 1:
            self._spawn(self._answer_in_order)

    def _answer_in_order(self) -> None:
        while self._typed:
            self._answer(*self._typed[0])
            self._typed.popleft()

    def _answer_in_turn(self, question: Question, tag: Tag) -> None:
        try:
            self._answer(question, tag)
        finally:
            self._turns.release()

    def _answer(self, question: Question, tag: Tag) -> None:
        try:
            answer = question(self._connected())
        except RequestError as problem:  # for example, the connection was lost meanwhile
            self._refuse("bad-request", str(problem), tag)
        except QueryRefused as problem:
            self._refuse(problem.code, str(problem), tag)
        except ConnectionLost:
            self._refuse("lost", _LOST, tag)
        except ChatError as problem:
            code = "not-supported" if isinstance(problem, NotSupported) else "not-sent"
            self._refuse(code, str(problem), tag)
        else:
            self._frontend.show(answer)
        finally:
            self._running -= 1
            # A new event for each change: waiters would miss an event that is set and cleared before they run.
            ended, self._ended = self._ended, gevent.event.Event()
            ended.set()
