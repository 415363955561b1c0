"""Keep one user in the room: connect again whenever the connection is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias, cast

import gevent
from gevent.event import Event

from chat.client.attention.read_marks import UserMarks
from chat.client.connection.connection import Connection
from chat.client.connection.events import Notice, Text
from chat.client.connection.liveness import uptime
from chat.client.conversation.confirming import Confirming
from chat.client.conversation.conversation import Conversation
from chat.client.conversation.ui_events import Frontend, Lag
from chat.client.errors import (
    ChatError,
    ConnectionLost,
    Dismissed,
    LoginRefused,
)
from chat.client.program.catching_up import CatchingUp
from chat.client.program.loss_display import LossDisplay
from chat.client.program.partners import Partners
from chat.client.resuming.events import (
    CatchUpBegan,
    CatchUpEnded,
    Disconnected,
    LineRestored,
    MissingMessages,
    Renumbered,
    ResumedEvent,
)
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.servers.changing import MOVES, ServerChanges
from chat.client.servers.retrying import Pauses, RetryPolicy, is_final
from chat.client.servers.server_choice import ServerChoice
from chat.net.address import Address
from chat.process.offload import Outcome, WorkFailed, outcome_of
from chat.protocol.commands import Command, Verb
from chat.protocol.notices import NoticeCode


class GaveUp(ChatError):
    """The connection could not be made again in time."""


# Seconds for an orderly end of a connection that is replaced on request; short, since the connection may be dead.
_FAREWELL = 1.0
# Seconds between two looks at the clock during a pause. If a look is _SLEPT seconds late, the machine has slept.
_LOOK_EVERY = 5.0
_SLEPT = 5.0
# Seconds that earlier messages may take, before they and the welcome are shown.
_COLLECTING = 2.0
# Seconds between two checks whether an answer of the server is overdue.
_LAG_EVERY = 1.0
# Seconds between two looks at what the user has read.
_READ_EVERY = 3.0
# What is shown as it is.
_SHOWN = (CatchUpBegan, CatchUpEnded, LineRestored, MissingMessages, Renumbered)
_ASKED = ConnectionLost("Reconnecting.")


class Connect(Protocol):
    """Makes a connection for a user name; ``among``: only to one of these servers. Raises ChatError."""

    def __call__(self, username: str, among: Sequence[Address] = ()) -> Connection: ...


# Asks the user for another password or name after a refusal, and connects. Raises ChatError.
Recover: TypeAlias = Callable[[LoginRefused], Connection]


class Reconnector:
    """Replaces a lost connection. ``connect`` makes one for a user name; ``spawn`` runs a function beside the caller.

    The client tries again if the server has restarted, is full, or still holds the user's old connection. It gives up
    if the server refuses the name, the password or the user, or shows another key. After a kick, or a login of the user
    from another place, the client does not return by itself: two clients would throw each other out for ever.

    With ``stays``, it never gives up: it tells what happened and waits until the user asks to reconnect, so that
    nothing on the screen is lost. Before that, ``recover`` may ask the user for another password or name.
    ``catching_up`` decides which earlier messages are shown; without it, the ones that come. The server is told of new
    ``marks`` of a registered user.

    If ``servers`` has others, the client goes to one of them: when the connection is lost, and when a server asks it
    to. A user who is back within a moment sees no outage.
    """

    def __init__(
        self,
        connect: Connect,
        conversation: Conversation,
        frontend: Frontend,
        spawn: Callable[..., gevent.Greenlet[..., object]],
        patience: RetryPolicy | None = None,
        *,
        stays: bool = False,
        recover: Recover | None = None,
        catching_up: CatchingUp | None = None,
        marks: UserMarks | None = None,
        servers: ServerChoice | None = None,
    ) -> None:
        self._connect = connect
        self._conversation = conversation
        self._frontend = frontend
        self._spawn = spawn
        self._patience = patience or RetryPolicy()
        self._stays = stays
        self._recover = recover
        self._catching_up = catching_up or CatchingUp(for_people=False)
        self._display = LossDisplay(frontend.show, self._catching_up)
        self._changes = ServerChanges(
            GEVENT, servers, lambda old, among: connect(old.username, among)
        )
        self._marks = marks or UserMarks()
        self._partners = Partners(lambda: conversation.resumer.memory)
        self._pauses = Pauses(self._patience)
        self._confirming = Confirming(conversation.unacknowledged, frontend.show)
        self._input_ended_at: float | None = None
        self._woken = Event()
        self._hurries = False  # the user asked to reconnect at once
        self._username: str | None = None  # the name that the user asked to reconnect with

    def reconnect(self, username: str | None = None) -> None:
        """Reconnect at once: end the pause, or replace the present connection. ``username``: log in with this name."""
        self._hurries = True
        self._username = username
        connection = self._conversation.connection
        if connection is not None:
            self._spawn(connection.close, _FAREWELL)
        self._woken.set()

    def input_ended(self) -> None:
        """Limit the tries from now on, because nothing more will be sent."""
        self._input_ended_at = uptime()
        self._woken.set()

    def run(self, connection: Connection) -> None:
        """Serve ``connection`` and its successors until this side closes one.

        Raises GaveUp, LoginRefused, Dismissed, UntrustedServer.
        """
        self._spawn(self._conversation.resumer.save_now_and_then)
        while True:
            begun = uptime()
            lost = self._serve(connection)
            if self._hurries:
                self._changes.cancel()
            moved = self._changes.outcome_of_move(lost)
            if moved is not None:
                connection.close(timeout=0)
                connection = moved
                self._display.has_moved()
                continue
            if lost is None and not self._hurries:
                return
            self._pauses.was_connected(uptime() - begun)
            self._display.lost(connection.silence)
            self._changes.lost(uptime() - begun)
            connection.close(timeout=0)
            if isinstance(lost, Dismissed) and not self._hurries:
                self._wait_to_be_asked(lost)
                lost = None
            connection = self._connect_again(connection.username, lost or _ASKED)
            self._display.is_back()

    def _serve(self, connection: Connection) -> ConnectionLost | None:
        """Read and send until the connection ends; return the error, None if this side closed the connection."""
        conversation = self._conversation
        conversation.go_on(connection)
        helpers = [
            self._spawn(task, connection)
            for task in (self._send, self._report_lag, self._stop_collecting, self._tell_read)
        ]
        resumer = conversation.resumer
        try:
            for event in connection:
                if type(event) is Notice and self._takes(event, connection):
                    continue
                self._show(resumer.take(event, has_device=connection.has_device))
            return None
        except ConnectionLost as lost:
            return lost
        finally:
            gevent.killall(helpers)
            conversation.connection = None
            resumer.connection_ended()
            self._confirming.end()

    def _show(self, events: Iterable[ResumedEvent]) -> None:
        is_quiet = self._catching_up.is_quiet
        for event in events:
            if type(event) is Text and not is_quiet:  # nearly all are, and nothing holds them up
                self._show_one(event)
            else:
                self._show_each(self._catching_up.take(event))
        # Behind all lines of an earlier run: the frontend must have them before it gets their outcomes.
        self._conversation.unacknowledged.tell_answers()
        if self._conversation.resumer.is_catching_up:
            return
        if self._catching_up.is_holding:
            self._show_each(self._catching_up.flush())
        self._catching_up.is_quiet = False

    def _show_each(self, events: Iterable[ResumedEvent]) -> None:
        for event in events:
            self._show_one(event)

    def _show_one(self, event: ResumedEvent) -> None:
        other = self._partners.check(event)
        if other is not None:
            self._frontend.show(other)
        if isinstance(event, _SHOWN):
            self._frontend.show(event)
        else:
            self._conversation.handle_event(event)

    def _stop_collecting(self, connection: Connection) -> None:
        """Show the welcome after a while, although earlier messages are missing that it has announced."""
        gevent.sleep(_COLLECTING)
        self._show(self._conversation.resumer.flush())
        self._show_each(self._catching_up.flush())

    def _send(self, connection: Connection) -> None:
        try:
            self._conversation.resumer.send_all(
                connection, lambda item: self._conversation.send(connection, item)
            )
        except ConnectionLost:
            return  # the reader sees the loss, too, and ends the connection

    def _tell_read(self, connection: Connection) -> None:
        while True:
            gevent.sleep(_READ_EVERY)
            self.tell_read()

    def tell_read(self) -> None:
        """Tell the server how far the user has read, for their other devices. Called at the end, and now and then."""
        connection = self._conversation.connection
        # The marks of guests are not stored.
        if connection is None or connection.username not in connection.registered:
            return
        for mark in self._marks.take_new():
            partner = mark.partner
            command = Command(
                Verb.READ.value,
                seq=mark.seq,
                private=partner is not None,
                partner=partner,
                room=mark.room,
            )
            try:
                connection.tell(command)
            except ConnectionLost:
                return  # the reader sees the loss, too, and ends the connection

    def _report_lag(self, connection: Connection) -> None:
        """Tell when an answer of the server is overdue, and when the server is heard again."""
        is_lagging = False
        while True:
            gevent.sleep(_LAG_EVERY)
            self._confirming.look()
            lag = connection.lag
            if bool(lag) is not is_lagging:
                is_lagging = not is_lagging
                self._frontend.show(Lag(lag))

    def _wait_to_be_asked(self, problem: ChatError) -> None:
        """Wait until the user asks to reconnect.

        Raises ``problem`` without ``stays``, and when the input ends: then nobody can ask any more.
        """
        if self._stays:
            self._frontend.show(Disconnected(str(problem), None))
        while not self._hurries:
            if not self._stays or self._input_ended_at is not None:
                raise problem
            self._woken.clear()
            self._woken.wait()

    def _takes(self, notice: Notice, connection: Connection) -> bool:
        """Take a notice about the server itself; return whether nobody wants to see it."""
        if notice.code == NoticeCode.WAITING.value:
            self._confirming.waits()
        elif notice.code in MOVES:
            return self._changes.take(notice, connection)
        return False

    def _connect_again(self, username: str, problem: ChatError) -> Connection:
        """Try until a connection is made. Raises GaveUp, LoginRefused, UntrustedServer."""
        lost_at, own = uptime(), username
        while True:
            elsewhere = None if self._hurries else self._changes.delay()
            delay = 0.0 if self._hurries else elsewhere
            if delay is None:
                delay = self._pauses.next()
            with self._display.during_try(problem, delay, elsewhere=elsewhere is not None):
                slept = self._sleep(delay, lost_at)
                if self._hurries:
                    self._hurries = False
                    self._pauses.begin_anew()
                    username, self._username = self._username or username, None
                elif slept:
                    self._pauses.begin_anew()  # the machine may be in another network now
                try:
                    return self._try_to_connect(username)
                except ChatError as failed:
                    problem = failed
            if not is_final(problem, is_chosen=username != own):
                continue
            if self._recover is not None and isinstance(problem, LoginRefused):
                try:
                    return self._recover(problem)
                except ChatError as failed:
                    problem = failed
            self._wait_to_be_asked(problem)
            # The next try is under the name that the user had, unless the user gives another.
            username, problem = own, _ASKED

    def _try_to_connect(self, username: str) -> Connection:
        """Connect, but give up if the user asks to reconnect meanwhile: the server may be silent.

        Raises ChatError.
        """
        # In a separate greenlet, since a connect waits for the network and can't look for the user's request.
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
                    raise GaveUp("The client could not reconnect in time.")
            pause = min(end - now, last - now, _LOOK_EVERY)
            self._woken.clear()
            self._woken.wait(pause)
            if uptime() - now > pause + _SLEPT:
                return True
        return False
