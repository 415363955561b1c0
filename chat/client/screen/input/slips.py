"""Find in a draft what a user hardly meant to send."""

from __future__ import annotations

from chat.client.conversation.commands import Availability, find
from chat.client.conversation.requests import RequestError


def command_below(text: str) -> str | None:
    """Return the command, such as ``/help``, that the last line of ``text`` would be if it stood alone.

    None if there is one line only, or no command: a path such as ``/etc/hosts`` is none.
    """
    above, end, last = text.rstrip().rpartition("\n")
    words = last.split(maxsplit=1)
    if not end or not above.strip() or not words or not words[0].startswith("/"):
        return None
    try:
        find(words[0][1:], Availability.SCREEN)
    except RequestError:
        return None
    return words[0]
