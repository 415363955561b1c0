"""Strangers, counted by address: how often they connect and try to log in, and how fast they come into the room."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum

from chat.server.limits import Rate, address_key
from chat.server.settings import Settings
from chat.server.throttle import Queues, SlidingWindow

WINDOW = 60.0  # seconds
JOINS_PER_SECOND = 1.0  # of one address, after as many at once as it may have connections
LOGGED_JOINS = 20  # of one address in a window; what is over is only counted


class Welcome(Enum):
    """What a connection is worth."""

    COME_IN = 1
    SAY_NO = 2
    CLOSE = 3  # without an answer


class Newcomers:
    """Whoever is not in the room yet. A ``host`` is as a socket reports it; None, a unix socket, is never slowed.

    An address is an IPv4 address or an IPv6 network of 64 bits; the networks that settings exempt don't count.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._exempt = settings.exempt
        self._connects = SlidingWindow(settings.max_connects, WINDOW, clock=clock)
        self._refusals = SlidingWindow(settings.max_connects, WINDOW, clock=clock)
        self._logins = SlidingWindow(settings.max_logins, WINDOW, clock=clock)
        # An office that comes back after the server was away is not kept waiting.
        rate = Rate(JOINS_PER_SECOND, settings.max_per_address)
        self._joins = Queues(rate, clock=clock)
        self._logged = SlidingWindow(LOGGED_JOINS, WINDOW, clock=clock)

    def connects(self, host: str | None) -> Welcome:
        """Count a connection. Of those that are too many, as many again are told so."""
        key = address_key(host, self._exempt)
        if not self._connects.admit(key):
            return Welcome.COME_IN
        return Welcome.CLOSE if self._refusals.admit(key) else Welcome.SAY_NO

    def may_try(self, host: str | None) -> bool:
        """Count a try to log in; whether it may be looked at."""
        return not self._logins.admit(address_key(host, self._exempt))

    def line_up(self, host: str | None, patience: float) -> float | None:
        """One who is to be let in: the seconds until it is his turn, None if that is more than ``patience``."""
        return self._joins.line_up(address_key(host, self._exempt), patience)

    def came_in(self, host: str | None) -> None:
        """A try succeeded, and does not count: only those that fail are to be few."""
        self._logins.give_back(address_key(host, self._exempt))

    def was_no_newcomer(self, host: str | None) -> None:
        """A connection that counted turned out to be one more of somebody who is in the room."""
        self._connects.give_back(address_key(host, self._exempt))

    def is_worth_a_line(self, host: str | None) -> bool:
        """Whether the log is to tell of one who has come in, by name."""
        return not self._logged.admit(address_key(host, self._exempt))

    def forget_old(self) -> None:
        """Give back what quiet addresses take."""
        for counted in (self._connects, self._refusals, self._logins, self._logged, self._joins):
            counted.forget_old()
