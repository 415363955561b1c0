"""Carry out commands that change what this user sees, and nothing else: each returns the lines that report it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chat.client.attention.attention import Attention
from chat.client.attention.presence import PresenceMode
from chat.client.conversation.requests import SetPresence

_PRESENCE = {
    PresenceMode.ALL: "all joins and leaves are shown",
    PresenceMode.SMART: "joins and leaves are shown of users who have talked lately",
    PresenceMode.NONE: "no joins and leaves are shown",
}


class Preferences:
    """Change ``attention`` as the user asks. ``doing`` has the function for each kind of request."""

    def __init__(self, attention: Attention) -> None:
        self._attention = attention
        self.doing: dict[type, Callable[[Any], tuple[str, ...]]] = {
            SetPresence: self._set_presence,
        }

    def _set_presence(self, request: SetPresence) -> tuple[str, ...]:
        presence = self._attention.presence
        if request.mode is not None:
            presence.mode = PresenceMode(request.mode)
        return (_PRESENCE[presence.mode],)
