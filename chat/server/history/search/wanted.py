"""Read which messages a user looks for."""

from __future__ import annotations

from typing import NamedTuple

from chat.protocol.commands import Has
from chat.protocol.names import name_key
from chat.server.history.search.folding import fold

MAX_QUERY, MAX_WORDS = 256, 16  # characters, words
# What no message has as its sender, because the name is not valid.
_NOBODY = "?"


class BadSearch(Exception):
    """Report that a search cannot be executed. The text is a sentence for the user."""


class Wanted(NamedTuple):
    """Describe the messages to find: they have all ``words`` (folded), the ``sender`` (a name key), and ``has``.

    None stands for any.
    """

    words: tuple[bytes, ...] = ()
    sender: str | None = None
    has: Has | None = None


def read_wanted(words: str, sender: str | None = None, has: str | None = None) -> Wanted:
    """Read what a user asks for. Raises BadSearch."""
    if len(words) > MAX_QUERY:
        raise BadSearch(f"A search has at most {MAX_QUERY} characters.")
    # Without doubles, in their order.
    folded = tuple(dict.fromkeys(map(fold, words.split())))
    if len(folded) > MAX_WORDS:
        raise BadSearch(f"A search has at most {MAX_WORDS} words.")
    if has is not None and has not in list(Has):
        raise BadSearch(f"Unknown kind of message; expected one of: {', '.join(Has)}.")
    return Wanted(
        folded,
        None if sender is None else name_key(sender) or _NOBODY,
        None if has is None else Has(has),
    )
