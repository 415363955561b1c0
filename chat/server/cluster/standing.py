"""Tell how a server stands to the log: follows it, cannot reach it, or has left it for good."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from gevent.event import Event


class Standing(str, Enum):
    """List how a server may stand to the log. After the last five, the server never follows this log again."""

    STARTING = "starting"
    FOLLOWING = "following"  # what is said is applied here
    AWAY = "engine away"  # nothing is confirmed until the engine is back
    OVER = "lease over"  # others may have fenced this server; its sessions have to end
    CUT = "log cut"  # this server has applied entries that the log does not have
    BEHIND = "behind the log"  # entries that this server has not applied were trimmed
    FAILED = "failed"  # an entry could not be applied
    CLOSED = "closed"


class StandingBoard:
    """Combine what the parts of a log meet, and tell each change by ``tell``, with a reason for the operator.

    The standing is FOLLOWING while no part has trouble. ``tell`` must not wait.
    """

    def __init__(self, parts: tuple[str, ...], tell: Callable[[Standing, str], object]) -> None:
        self.standing = Standing.STARTING
        self.ended = Event()
        self._tell = tell
        self._starting = set(parts)
        self._troubles: dict[str, str] = {}

    @property
    def has_ended(self) -> bool:
        return self.ended.is_set()

    def well(self, part: str) -> None:
        """Note that ``part`` works."""
        self._starting.discard(part)
        self._troubles.pop(part, None)
        if not self._troubles and not self._starting:
            self._change(Standing.FOLLOWING, "")

    def trouble(self, part: str, reason: str) -> None:
        """Note that ``part`` does not reach the engine."""
        self._troubles[part] = reason
        self._change(Standing.AWAY, reason)

    def end(self, standing: Standing, reason: str) -> None:
        """Leave the log for good. Only the first call counts."""
        self._change(standing, reason)
        self.ended.set()

    def _change(self, standing: Standing, reason: str) -> None:
        if self.standing is not standing and not self.has_ended:
            self.standing = standing
            self._tell(standing, reason)
