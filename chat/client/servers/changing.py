"""When a user goes to another server: their connection is lost, or their server asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chat.client.connection.connection import Connection
from chat.client.connection.events import Notice
from chat.client.connection.liveness import uptime
from chat.client.errors import ConnectionLost
from chat.client.runtime.runtime import Runtime
from chat.client.servers.retrying import Pauses, RetryPolicy
from chat.client.servers.server_choice import ServerChoice
from chat.net.address import Address
from chat.protocol.notices import NoticeCode

if TYPE_CHECKING:
    from chat.client.servers.moving import Move

# Notices about the server that the user is at.
MOVES = frozenset(
    code.value for code in (NoticeCode.MOVE, NoticeCode.SHUTTING_DOWN, NoticeCode.REPLACED)
)

# Seconds between two moves that have nothing to do with each other. Servers that send a client to and fro must not keep
# it busy, so each further move waits longer, at the server where it is.
_APART = 10.0
_PAUSES = RetryPolicy(first=0.25, longest=60.0)

# Logs in at one of these servers, as the user of the connection. Raises ChatError.
LogInAmong = Callable[[Connection, Sequence[Address]], Connection]


class ServerChanges:
    """The changes of one user from server to server. Without ``servers``, there is only one."""

    def __init__(self, runtime: Runtime, servers: ServerChoice | None, log_in: LogInAmong) -> None:
        self._runtime = runtime
        self._servers = servers
        self._log_in = log_in
        self._move: Move | None = None
        self._is_over = False
        self._moved_at = -_APART
        self._pauses = Pauses(_PAUSES)
        self._goes = False  # whether the next try is at another server

    def take(self, notice: Notice, connection: Connection) -> bool:
        """Take a notice of ``MOVES``: begin to move, unless a move is under way. Return whether it says no more.

        The user goes to one of the servers in the notice; if there are none, to any other one that is known. While a
        move is under way, the new session replaces the old one.
        """
        if notice.code == NoticeCode.REPLACED.value:
            return self._move is not None and self._move.is_under_way
        if self._is_over or (self._move is not None and self._move.is_under_way):
            return notice.code == NoticeCode.MOVE.value
        if self._servers is not None:
            among = notice.servers or self._servers.others
            if among:
                from chat.client.servers.moving import Move  # few servers ask for it

                log_in, delay = self._log_in, self._pause()
                self._move = Move(
                    self._runtime, connection, lambda: log_in(connection, among), delay
                )
                if self._is_over:  # ended by another task since the notice was read
                    self._move.cancel()
        return notice.code == NoticeCode.MOVE.value

    def _pause(self) -> float:
        """Return the seconds before the next move: none, unless one move follows the other."""
        now = uptime()
        is_apart, self._moved_at = now - self._moved_at >= _APART, now
        if is_apart:
            self._pauses.begin_anew()
            return 0.0
        return self._pauses.next()

    def outcome_of_move(self, lost: ConnectionLost | None) -> Connection | None:
        """Return the connection to another server after the end of the last one, if a move there has succeeded.

        ``lost`` is why the last one ended; None: the user has ended it.
        """
        move, self._move = self._move, None
        return None if move is None else move.outcome(lost)

    def cancel(self) -> None:
        """End a move that is under way: the user has asked for something else."""
        move, self._move = self._move, None
        if move is not None:
            move.cancel()

    def end(self) -> None:
        """Begin no further move: the user leaves."""
        self._is_over = True
        self.cancel()

    def lost(self, seconds: float) -> None:
        """Note that the connection was lost after ``seconds``."""
        if self._servers is not None:
            self._servers.lost(seconds)
            self._goes = True

    def delay(self) -> float | None:
        """Return the seconds before a login at another server; None: there is none that may be tried at once."""
        goes, self._goes = self._goes, False
        if self._servers is None or not goes or not self._servers.is_other_ready():
            return None
        return self._servers.spread()
