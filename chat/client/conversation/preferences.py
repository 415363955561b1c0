"""Carry out commands that change what this user sees, and nothing else: each returns the lines that report it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chat.client.attention.attention import Attention
from chat.client.attention.presence import PresenceMode
from chat.client.conversation.requests import (
    Highlight,
    Ignore,
    RequestError,
    SetPresence,
    Unhighlight,
    Unignore,
)

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
            Ignore: self._ignore,
            Unignore: self._unignore,
            Highlight: self._highlight,
            Unhighlight: self._unhighlight,
        }

    def _set_presence(self, request: SetPresence) -> tuple[str, ...]:
        presence = self._attention.presence
        if request.mode is not None:
            presence.mode = PresenceMode(request.mode)
        return (_PRESENCE[presence.mode],)

    def _ignore(self, request: Ignore) -> tuple[str, ...]:
        ignored = self._attention.ignored
        if request.pattern is None:
            patterns = ", ".join(ignored.patterns)
            return (f"ignored: {patterns}" if patterns else "nobody is ignored",)
        ignored.add(request.pattern)
        return (f"{request.pattern} is ignored from now on",)

    def _unignore(self, request: Unignore) -> tuple[str, ...]:
        ignored, name = self._attention.ignored, request.pattern
        if not ignored.remove(name):
            others = ", ".join(ignored.matching(name))
            why = f" by itself; /unignore {others} would show it" if others else ""
            raise RequestError(f"{name} is not ignored{why}.")
        others = ", ".join(ignored.matching(name))
        if others:
            return (f"{name} is still ignored, by {others}",)
        return (f"{name} is no longer ignored",)

    def _highlight(self, request: Highlight) -> tuple[str, ...]:
        if request.word is None:
            words = ", ".join(self._attention.words)
            return (f"highlighted: your name, {words}" if words else "highlighted: your name",)
        self._attention.add_word(request.word)
        return (f"{request.word} is highlighted from now on",)

    def _unhighlight(self, request: Unhighlight) -> tuple[str, ...]:
        if not self._attention.remove_word(request.word):
            raise RequestError(f"{request.word} is not highlighted.")
        return (f"{request.word} is no longer highlighted",)
