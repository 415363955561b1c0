"""Limit clients that are not in the room yet, by address: connections, failed logins, and the pace of logins."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum

from chat.server.limits.limits import address_key
from chat.server.limits.throttle import Queues, SlidingWindow
from chat.server.settings import Rate, Settings

WINDOW = 60.0  # seconds
JOINS_PER_SECOND = 1.0  # of one address, after a burst of as many as it may have connections
LOGGED_JOINS = 20  # log lines for joins of one address in a window; further joins are only counted


class Verdict(Enum):
    """The decision about a new connection."""

    ADMIT = 1
    REFUSE = 2
    CLOSE = 3  # without an answer


class AddressLimits:
    """Count connections and logins of each address, and decide which are too many.

    A ``host`` is an address as a socket reports it, or None for a unix socket, which is never limited. An IPv6 address
    counts as its network of 64 bits. Networks that the settings exempt are not limited.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._exempt = settings.exempt
        self._connects = SlidingWindow(settings.max_connects, WINDOW, clock=clock)
        self._refusals = SlidingWindow(settings.max_connects, WINDOW, clock=clock)
        self._logins = SlidingWindow(settings.max_logins, WINDOW, clock=clock)
        self._joins = Queues(_pace(settings), clock=clock)
        self._logged = SlidingWindow(LOGGED_JOINS, WINDOW, clock=clock)

    def adapt(self, settings: Settings) -> None:
        """Go on with the limits of ``settings``. Earlier events still count."""
        self._exempt = settings.exempt
        self._connects.limit = self._refusals.limit = settings.max_connects
        self._logins.limit = settings.max_logins
        self._joins.change(_pace(settings))

    def count_connection(self, host: str | None) -> Verdict:
        """Count a connection. Of the connections over the limit, as many again as the limit get an answer."""
        key = address_key(host, self._exempt)
        if not self._connects.admit(key):
            return Verdict.ADMIT
        return Verdict.CLOSE if self._refusals.admit(key) else Verdict.REFUSE

    def count_attempt(self, host: str | None) -> bool:
        """Count a login attempt, and return whether it is within the limit."""
        return not self._logins.admit(address_key(host, self._exempt))

    def reserve_join(self, host: str | None, patience: float) -> float | None:
        """Reserve the next place for a login of ``host``, and return the seconds until then.

        Return None, and reserve nothing, if that is more than ``patience`` seconds.
        """
        return self._joins.reserve(address_key(host, self._exempt), patience)

    def forgive_attempt(self, host: str | None) -> None:
        """Take back an attempt that succeeded: only failed attempts are limited."""
        self._logins.forgive(address_key(host, self._exempt))

    def forgive_connection(self, host: str | None) -> None:
        """Take back a connection that turned out to belong to a user who is in the room."""
        self._connects.forgive(address_key(host, self._exempt))

    def may_log_join(self, host: str | None) -> bool:
        """Return whether the log should have a line for a user who joined from ``host``."""
        return not self._logged.admit(address_key(host, self._exempt))

    def forget_old(self) -> None:
        """Free the memory of quiet addresses."""
        for counted in (self._connects, self._refusals, self._logins, self._logged, self._joins):
            counted.forget_old()


def _pace(settings: Settings) -> Rate:
    # After a restart of the server, all users of an office log in again at once, and must not wait.
    return Rate(JOINS_PER_SECOND, settings.max_per_address)
