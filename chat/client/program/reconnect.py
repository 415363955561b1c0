"""Keeps one user in the room: connects, and connects again whenever the connection is lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import gevent
from gevent.event import Event

from chat.client.connection.connection import Connection
from chat.client.connection.liveness import uptime
from chat.client.conversation.conversation import Conversation
from chat.client.conversation.ui_events import Disconnected, Frontend, Lag
from chat.client.errors import (
    ChatError,
    ConnectionLost,
    Dismissed,
    LoginRefused,
    UntrustedServer,
)
from chat.process.offload import Outcome, WorkFailed, outcome_of
from chat.protocol.notices import Refusal


class RetryPolicy(NamedTuple):
    """Times in seconds. ``first``: the pause before a new try, doubled until ``longest``. Each pause is up to a half
    longer or shorter by chance, so that a thousand clients don't come back to a restarted server at once. No pause is
    over ``longest``. ``after_input`` is how long to go on trying once there is nothing more to come.
    """

    first: float = 1.0
    longest: float = 60.0
    after_input: float = 60.0


class GaveUp(ChatError):
    """There is no connection, and no hope of one in time."""


# Seconds for an orderly end of a connection that is to be replaced, because it may be dead.
_FAREWELL = 1.0
# Seconds between two looks at the clock during a pause; a look that comes _SLEPT seconds late: the machine slept.
_LOOK_EVERY = 5.0
_SLEPT = 5.0
# Seconds between two looks at how long the server has owed an answer.
_LAG_EVERY = 1.0
# Refusals of a login that the same login will meet again.
_FINAL = frozenset(
    refusal.value
    for refusal in (
        Refusal.BAD_USERNAME,
        Refusal.BANNED,
        Refusal.ENCRYPTION_NEEDED,
        Refusal.PASSWORD_NEEDED,
        Refusal.WRONG_PASSWORD,
    )
)
_ASKED = ConnectionLost("Connecting again.")


class Reconnector:
    """``connect`` makes a connection for a user name and raises ChatError. ``spawn`` runs a function beside it.

    A server that had restarted, or is full, or still takes our own old connection for us, is tried again; one that
    does not want us any more, or not with what we can show, is not. Nor do we come back by ourselves to where we were
    told to leave, or to where we have come in from elsewhere: with ``stays``, only when somebody asks for it.
    """

    def __init__(
        self,
        connect: Callable[[str], Connection],
        conversation: Conversation,
        frontend: Frontend,
        spawn: Callable[..., gevent.Greenlet[..., object]],
        patience: RetryPolicy | None = None,
        *,
        stays: bool = False,
    ) -> None:
        self._connect = connect
        self._conversation = conversation
        self._frontend = frontend
        self._spawn = spawn
        self._patience = patience or RetryPolicy()
        self._stays = stays
        self._pause = self._patience.first
        self._input_ended_at: float | None = None
        self._woken = Event()
        self._hurries = False  # somebody asked to connect again at once
        self._username: str | None = None  # under which it was asked for

    def reconnect(self, username: str | None = None) -> None:
        """At once: without the rest of the pause, or instead of the connection there is. Under ``username``, if any."""
        self._hurries = True
        self._username = username
        connection = self._conversation.connection
        if connection is not None:
            self._spawn(connection.close, _FAREWELL)
        self._woken.set()

    def input_ended(self) -> None:
        """Nothing more is to be said, so patience is limited from now on."""
        self._input_ended_at = uptime()
        self._woken.set()

    def run(self, connection: Connection) -> None:
        """Until the connection is closed by ourselves. Raises GaveUp, LoginRefused, Dismissed."""
        while True:
            begun = uptime()
            lost = self._serve(connection)
            if lost is None and not self._hurries:
                return
            # A server that lets us in and drops us at once is not to be asked every second.
            if uptime() - begun >= self._patience.longest:
                self._pause = self._patience.first
            connection.close(timeout=0)
            if isinstance(lost, Dismissed) and not self._hurries:
                self._wait_to_be_asked(lost)
            connection = self._connect_again(connection.username, lost or _ASKED)

    def _serve(self, connection: Connection) -> ConnectionLost | None:
        """Read and send over it until it ends; returns how, None if we closed it."""
        conversation = self._conversation
        conversation.connection = connection
        helpers = [self._spawn(task, connection) for task in (self._send, self._report_lag)]
        try:
            for event in connection:
                conversation.handle_event(event)
            return None
        except ConnectionLost as lost:
            return lost
        finally:
            gevent.killall(helpers)
            conversation.connection = None
            conversation.unacknowledged.connection_ended()

    def _send(self, connection: Connection) -> None:
        try:
            self._conversation.unacknowledged.send_all(
                lambda item: self._conversation.send(connection, item)
            )
        except ConnectionLost:
            return  # the reader is told as well, and it is the reader who ends the connection

    def _report_lag(self, connection: Connection) -> None:
        """Tell when an answer of the server is overdue, and when the server is heard again."""
        is_lagging = False
        while True:
            gevent.sleep(_LAG_EVERY)
            lag = connection.lag
            if bool(lag) is not is_lagging:
                is_lagging = not is_lagging
                self._frontend.show(Lag(lag))

    def _wait_to_be_asked(self, dismissed: Dismissed) -> None:
        if not self._stays:
            raise dismissed
        self._frontend.show(Disconnected(str(dismissed), None))
        while not self._hurries:
            self._woken.clear()
            self._woken.wait()

    def _connect_again(self, username: str, problem: ChatError) -> Connection:
        lost_at = uptime()
        while True:
            delay = 0.0 if self._hurries else self._next_pause()
            self._frontend.show(Disconnected(str(problem), delay))
            slept = self._sleep(delay, lost_at)
            if self._hurries:
                self._hurries, self._pause = False, self._patience.first
                username, self._username = self._username or username, None
            elif slept:
                self._pause = self._patience.first  # after sleep the network may be another one
            else:
                self._pause = min(self._pause * 2, self._patience.longest)
            try:
                return self._try_to_connect(username)
            except LoginRefused as refused:
                if refused.code in _FINAL:
                    raise
                problem = refused
            except UntrustedServer:
                raise  # whoever it is now, it is not to be tried until it is believed
            except ChatError as failed:
                problem = failed

    def _try_to_connect(self, username: str) -> Connection:
        """Connect, but give up if the user asks to connect again meanwhile: the server may be silent.

        Raises ChatError.
        """
        attempt = gevent.spawn(outcome_of, self._connect, username)
        attempt.link(lambda _: self._woken.set())
        try:
            while not attempt.ready() and not self._hurries:
                self._woken.clear()
                self._woken.wait()
        finally:
            attempt.kill()  # closes its sockets, too
        outcome: Any = attempt.value
        if isinstance(outcome, gevent.GreenletExit):  # killed before it began
            raise _ASKED
        try:
            connection = cast("Outcome[Connection]", outcome).get()
        except WorkFailed:
            if not self._hurries:
                raise
            raise _ASKED from None  # killed while it was connecting
        if self._hurries:  # the user asked just when the connection was made
            connection.close(timeout=0)
            raise _ASKED
        return connection

    def _next_pause(self) -> float:
        return min(self._pause * random.uniform(0.5, 1.5), self._patience.longest)

    def _sleep(self, seconds: float, lost_at: float) -> bool:
        """Pause for ``seconds``; return whether the machine slept meanwhile, which ends the pause. Raises GaveUp.

        Timers stop while the machine sleeps, so the clock that runs on is read every few seconds.
        """
        end = uptime() + seconds
        while (now := uptime()) < end and not self._hurries:
            last = end
            if self._input_ended_at is not None:
                last = max(self._input_ended_at, lost_at) + self._patience.after_input
                if now >= last:
                    raise GaveUp("The connection could not be made again.")
            pause = min(end - now, last - now, _LOOK_EVERY)
            self._woken.clear()
            self._woken.wait(pause)
            if uptime() - now > pause + _SLEPT:
                return True
        return False
