"""Read arguments that are one text, one name, one number, or on and off."""

from __future__ import annotations

import re
from collections.abc import Callable

from chat.client.attention.presence import PresenceMode
from chat.client.conversation.requests import (
    Reply,
    Request,
    RequestError,
    Say,
    SetPresence,
    Unhighlight,
)

_PRESENCE_MODES = [mode.value for mode in PresenceMode]
_LISTED = dict.fromkeys(("get", "cancel", "open"), " from /transfers")


def parse_message(rest: str) -> Request:
    """Parse a user's name and a text for them. Raises RequestError."""
    to, _, text = rest.partition(" ")
    if not text.strip():
        raise RequestError("Expected /msg NAME TEXT.")
    return Say(text.strip(), to)


def parse_reply(rest: str) -> Request:
    """Parse the text of an answer. Raises RequestError."""
    if not rest:
        raise RequestError("Expected /reply TEXT.")
    return Reply(rest)


def parse_action(rest: str) -> Request:
    """Parse /me. Raises RequestError.

    The text is sent as typed (as in XEP-0245), so a client without /me shows a sensible line too.
    """
    if not rest:
        raise RequestError("Expected /me TEXT.")
    return Say(f"/me {rest}")


def parse_number(rest: str, *, make: Callable[[int | None], Request], name: str) -> Request:
    """Parse an optional number of an attachment or a line. Raises RequestError."""
    if not rest:
        return make(None)
    digits = rest.removeprefix("#")
    if not re.fullmatch(r"[0-9]{1,9}", digits, re.ASCII):
        raise RequestError(f"Expected /{name} or /{name} N, with a number{_LISTED.get(name, '')}.")
    return make(int(digits))


def parse_nothing(rest: str, *, make: Callable[[], Request], name: str) -> Request:
    """Raise RequestError if the command ``name`` has arguments."""
    if rest:
        raise RequestError(f"/{name} takes no arguments.")
    return make()


def parse_name(rest: str, *, make: Callable[[str], Request], name: str) -> Request:
    """Parse one name. Raises RequestError."""
    if not rest or len(rest.split()) > 1:
        raise RequestError(f"Expected /{name} NAME.")
    return make(rest)


def parse_optional_name(rest: str, *, make: Callable[[str | None], Request], name: str) -> Request:
    """Parse one name, or none. Raises RequestError."""
    if len(rest.split()) > 1:
        raise RequestError(f"Expected /{name} or /{name} NAME.")
    return make(rest or None)


def parse_switch(rest: str, *, make: Callable[[bool | None], Request], name: str) -> Request:
    """Parse ``on``, ``off`` or nothing. Raises RequestError."""
    if not rest:
        return make(None)
    if rest.lower() not in ("on", "off"):
        raise RequestError(f"Expected /{name} on or /{name} off.")
    return make(rest.lower() == "on")


def parse_presence(rest: str) -> Request:
    """Parse the joins and leaves to show. Raises RequestError."""
    mode = rest.lower()
    if mode and mode not in _PRESENCE_MODES:
        raise RequestError(f"Expected /presence {', '.join(_PRESENCE_MODES[:-1])} or none.")
    return SetPresence(mode or None)


def parse_unhighlight(rest: str) -> Request:
    """Parse a word. Raises RequestError."""
    if not rest:
        raise RequestError("Expected /unhighlight WORD.")
    return Unhighlight(rest)
