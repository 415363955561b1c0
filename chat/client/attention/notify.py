"""Name how loudly a room tells of new messages."""

from __future__ import annotations

from enum import Enum


class NotifyMode(str, Enum):
    """The messages of a room that ring: ALL, MENTIONS of the user, or NONE; with NONE, they are not counted either."""

    ALL = "all"
    MENTIONS = "mentions"
    NONE = "none"
