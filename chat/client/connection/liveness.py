"""Notice a server that has vanished, or that is silent although its connection is up.

TCP notices neither a frozen server nor a path that is broken behind a proxy or a middlebox. So if one of our servers
has sent no byte for a while, the client sends it a ping, which is a command of the protocol.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from chat.client.connection.link import Link
from chat.client.runtime.runtime import Event, Runtime

# If a check comes this many seconds late, this program was stopped or the machine slept. The silence of that time says
# nothing about the server.
_STOPPED = 5.0


class Silence(NamedTuple):
    """Limits of silence. After ``ping_after`` seconds without a byte the client pings, later it gives up.

    ``lag_from``: the user hears of a missing answer after so many seconds. ``look_every``: seconds between two checks.
    """

    ping_after: float = 20.0
    give_up_after: float = 60.0
    lag_from: float = 5.0
    look_every: float = 1.0


SILENCE = Silence()
# With another server to go to. Not much sooner: a server that is slow under load must not lose its users to the others,
# which would then be slow.
SILENCE_OF_ONE_OF_SEVERAL = Silence(give_up_after=35.0)


def uptime() -> float:
    """Return the seconds of a clock that goes on while the machine sleeps, if the system has one."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Liveness:
    """The watch over one connection.

    ``ping`` sends a ping. None: silence is no reason to give up, since an original server answers no pings.
    ``is_owed`` tells whether the server owes an answer.
    """

    def __init__(
        self,
        link: Link,
        runtime: Runtime,
        ping: Callable[[], object] | None,
        is_owed: Callable[[], bool],
        silence: Silence = SILENCE,
        clock: Callable[[], float] = uptime,
    ) -> None:
        self._link = link
        self._runtime = runtime
        self._ping = ping
        self._is_owed = is_owed
        self._silence = silence
        self._clock = clock
        self._received = -1
        self._looked_at = self._heard_at = clock()
        self._pinged = False
        self._owed_since: float | None = None

    @property
    def lag(self) -> float:
        """Seconds for which the server has owed an answer and sent no byte; 0.0 if below ``lag_from``."""
        since = self._owed_since
        lag = 0.0 if since is None else self._clock() - since
        return lag if lag >= self._silence.lag_from else 0.0

    @property
    def silence(self) -> float:
        """Seconds without a byte from the server, until the last check."""
        return max(0.0, self._looked_at - self._heard_at)

    def run(self, ended: Event) -> None:
        """Check until the connection has ``ended`` or is given up."""
        while not ended.wait(self._silence.look_every):
            if not self.look():
                return

    def look(self) -> bool:
        """Check once; return False if the connection was given up."""
        now = self._clock()
        was_stopped = now - self._looked_at > self._silence.look_every + _STOPPED
        self._looked_at = now
        pulse = self._link.stream.pulse()
        if pulse.is_dead:
            self._link.give_up("The server has vanished: it acknowledges no data any more.")
            return False
        # Unread bytes count as a sign of life: our reader may be the one that waits.
        if pulse.received != self._received or pulse.is_unread:
            self._received = pulse.received
            self._hear(now)
        elif was_stopped:
            # Ping at once: the server had no chance to be heard, but may have gone meanwhile.
            self._hear(now - self._silence.ping_after)
        return self._ping is None or self._act_on_silence(now - self._heard_at, now, self._ping)

    def _hear(self, moment: float) -> None:
        """Count the silence from ``moment`` on."""
        self._heard_at = moment
        self._pinged = False
        self._owed_since = None

    def _act_on_silence(self, silence: float, now: float, ping: Callable[[], object]) -> bool:
        """Ping or give up after ``silence`` seconds without a byte; return False if the connection was given up."""
        if silence >= self._silence.give_up_after:
            self._link.give_up(f"The server has sent nothing for {silence:.0f} s.")
            return False
        must_ping = not self._pinged and silence >= self._silence.ping_after
        if self._owed_since is None and (must_ping or self._is_owed()):
            self._owed_since = now
        if must_ping:
            self._pinged = True
            # In a task: sending waits while the connection takes no bytes, and the watch must go on.
            self._runtime.spawn(ping)
        return True
