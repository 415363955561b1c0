"""Hold what the user wants to see: the one object that the frontends and the commands share."""

from __future__ import annotations

from chat.client.attention.presence import Presence, PresenceMode


class Attention:
    """Hold the choices of one run."""

    def __init__(self, presence: PresenceMode = PresenceMode.ALL) -> None:
        self.presence = Presence(presence)
