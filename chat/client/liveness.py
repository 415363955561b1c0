"""Notice a server that has vanished, or that has fallen silent although its connection lives.

TCP tells nothing of a server that is frozen, nor of a path that is broken behind a proxy or a middlebox. So a server
of ours that has sent no byte for a while is asked for a sign of life: by a ping, which is a command.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from chat.client.link import Link
from chat.client.runtime import Event, Runtime

# A look that comes so many seconds too late means that this program was stopped or the machine slept: what was not
# heard meanwhile says nothing of the server.
_STOPPED = 5.0


class Silence(NamedTuple):
    """How long a server may send nothing, in seconds: until it is pinged, and until it is given up.

    ``lag_from``: an answer that is missing for less is not worth telling. ``look_every``: seconds between two looks.
    """

    ping_after: float = 20.0
    give_up_after: float = 60.0
    lag_from: float = 5.0
    look_every: float = 1.0


SILENCE = Silence()


def uptime() -> float:
    """Seconds that pass while the machine sleeps, too, where the system counts them."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Liveness:
    """The watch over one connection.

    ``ping`` asks the server for a sign of life; None: nothing is concluded from silence, as with an original server,
    which may have nothing to say. ``is_owed`` tells whether the server still has to answer something.
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
        """Seconds for which an answer has been missing without a byte from the server; 0.0 if that is no time."""
        since = self._owed_since
        lag = 0.0 if since is None else self._clock() - since
        return lag if lag >= self._silence.lag_from else 0.0

    def run(self, ended: Event) -> None:
        """Look until the connection has ``ended`` or is given up."""
        while not ended.wait(self._silence.look_every):
            if not self.look():
                return

    def look(self) -> bool:
        """Look once; False if the connection was given up."""
        now = self._clock()
        was_stopped = now - self._looked_at > self._silence.look_every + _STOPPED
        self._looked_at = now
        pulse = self._link.stream.pulse()
        if pulse.is_dead:
            self._link.give_up("The server has vanished: it no longer acknowledges anything.")
            return False
        if pulse.received != self._received or pulse.is_unread:
            self._received = pulse.received
            self._hear(now)
        elif was_stopped:
            self._hear(now - self._silence.ping_after)
        return self._ping is None or self._judge(now - self._heard_at, now, self._ping)

    def _hear(self, moment: float) -> None:
        """Count from ``moment`` on."""
        self._heard_at = moment
        self._pinged = False
        self._owed_since = None

    def _judge(self, silence: float, now: float, ping: Callable[[], object]) -> bool:
        """What follows from ``silence``, in seconds; False if the connection was given up."""
        if silence >= self._silence.give_up_after:
            self._link.give_up(f"The server has sent nothing for {silence:.0f} s.")
            return False
        must_ping = not self._pinged and silence >= self._silence.ping_after
        if self._owed_since is None and (must_ping or self._is_owed()):
            self._owed_since = now
        if must_ping:
            self._pinged = True
            self._runtime.spawn(ping)  # a connection that takes nothing makes it wait
        return True
