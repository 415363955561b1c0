"""Move the users of this server to the other servers of the cluster, some at a time, before it stops."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection
from typing import NamedTuple

from gevent.event import Event

from chat.protocol.notices import NoticeCode
from chat.server.directory.directory import Directory
from chat.server.room.service import ChatService
from chat.server.sessions.session import Session
from chat.sizes import counted

log = logging.getLogger("chat.server")

PERIOD = 0.1  # seconds between two batches
BATCH = 50  # sessions in a batch, unless there are so many that all batches would take longer than
SPREAD = 5.0  # seconds
PATIENCE = 10.0  # seconds in which the users may go, after the last batch
NOTICED = 2.0  # seconds until a balancer has noticed that /healthz answers 503
_LOOK = 0.05  # seconds between two looks whether they have gone
_GO = "This server is about to stop; your client goes to another one."
_ENDS = "The server is shutting down."
CLOSED = "This server is about to stop; try another one."


class DrainPlan(NamedTuple):
    """Say how many ``users`` a drain would move, to how many ``servers``."""

    users: int
    servers: int


class Draining:
    """Ask users to go to one of ``other_addresses``. One of ``own_addresses`` among them is that of a balancer.

    ``close_entrance`` gets the sentence by which logins are refused from then on. ``end_connections`` lets all sessions
    leave that are still here. ``ended`` is set when this server has left the log: then nobody can move any more.
    """

    def __init__(
        self,
        directory: Directory[Session],
        service: ChatService,
        *,
        other_addresses: Callable[[], list[str]],
        own_addresses: Collection[str],
        close_entrance: Callable[[str], object],
        end_connections: Callable[[], object],
        ended: Event,
    ) -> None:
        self._directory = directory
        self._service = service
        self._other_addresses = other_addresses
        self._own_addresses = frozenset(own_addresses)
        self._close_entrance = close_entrance
        self._end_connections = end_connections
        self._ended = ended

    def plan(self) -> DrainPlan:
        """Return what ``run`` would do now."""
        return DrainPlan(self._directory.users_here, len(self._other_addresses()))

    def run(self) -> None:
        """Move the users, and let the others leave; return when nobody is here."""
        self._close_entrance(CLOSED)
        self._move()
        if self._ended.is_set():
            return
        # Before the log closes: so the other servers hear at once that these users leave, and why.
        for session in self._directory.here:
            self._service.notify(session, NoticeCode.SHUTTING_DOWN, _ENDS)
        self._end_connections()

    def _move(self) -> None:
        """Ask the users to move; return when those who can have gone, or had their time."""
        # A raw client does not know the notice. Its user hears of the stop.
        moving = [session for session in self._directory.here if session.token is not None]
        if not moving or not self._other_addresses():
            return
        # A balancer would lead some users back to this server, which has the fewest connections soon.
        balances = not self._own_addresses.isdisjoint(self._other_addresses())
        if balances and self._ended.wait(NOTICED):
            return
        log.info("moving %s to other servers", counted(len(moving), "session"))
        size = max(BATCH, math.ceil(len(moving) * PERIOD / SPREAD))
        for start in range(0, len(moving), size):
            # Asked for each batch: a server may have gone.
            facts = {"servers": self._other_addresses()}
            for session in moving[start : start + size]:
                self._service.notify(session, NoticeCode.MOVE, _GO, facts=facts)
            if self._ended.wait(PERIOD):
                return
        self._wait_until_gone(moving)

    def _wait_until_gone(self, moving: list[Session]) -> None:
        deadline = time.monotonic() + PATIENCE
        while (left := sum(map(self._directory.is_here, moving))) and time.monotonic() < deadline:
            if self._ended.wait(_LOOK):
                return
        if left:
            log.warning("%s did not move to another server", counted(left, "session"))
