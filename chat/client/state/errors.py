"""The errors of a state file."""

from __future__ import annotations

from chat.client.errors import ChatError


class StateFileError(ChatError):
    """The state file can't be read, written or understood; the text is a sentence that names the file."""


class StateInUse(StateFileError):
    """Another client on this machine uses the state file."""
