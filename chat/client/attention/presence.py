"""Decide which joins and leaves are worth a line: in a large room, most come from users who never talk."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum

# With SMART, a user who has talked within this time counts as part of the conversation.
RECENTLY = timedelta(minutes=30)
# Speakers that are remembered; the one who has been silent longest goes first.
MAX_SPEAKERS = 10_000


class PresenceMode(str, Enum):
    """The joins and leaves to show: ALL, SMART (of users who have talked lately), or NONE."""

    ALL = "all"
    SMART = "smart"
    NONE = "none"


class Presence:
    """Decide about joins and leaves by ``mode``, which may change at any time."""

    def __init__(self, mode: PresenceMode = PresenceMode.ALL) -> None:
        self.mode = mode
        # When each user talked last, in the order of these moments.
        self._spoke: dict[str, datetime] = {}

    def spoke(self, name: str, moment: datetime) -> None:
        """Note that ``name`` said or sent something at ``moment``."""
        # Noted in every mode, so that a change of the mode counts at once.
        self._spoke.pop(name, None)
        self._spoke[name] = moment
        if len(self._spoke) > MAX_SPEAKERS:
            del self._spoke[next(iter(self._spoke))]

    def has_spoken(self, name: str, since: datetime) -> bool:
        """Return whether ``name`` said or sent something at the moment ``since`` or later."""
        spoke = self._spoke.get(name)
        return spoke is not None and spoke >= since

    def is_shown(self, name: str, moment: datetime) -> bool:
        """Return whether to show that ``name`` joined or left at ``moment``."""
        if self.mode is PresenceMode.SMART:
            spoke = self._spoke.get(name)
            return spoke is not None and moment - spoke <= RECENTLY
        return self.mode is PresenceMode.ALL
