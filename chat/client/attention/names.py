"""Compare names that a user typed with names of the server."""

from __future__ import annotations

from functools import lru_cache

from chat.client.attention.names_in_texts import fold
from chat.client.connection.session.known_rooms import MAX_USERNAME


def folded(name: str) -> str:
    """Return what the spellings of one name have in common, to find the user that was typed.

    The server alone judges names (RFC 8265); this is an approximation.
    """
    # Checked before the cache: it must not hold thousands of names of 64 KiB each.
    return _cached_fold(name) if len(name) <= MAX_USERNAME else fold(name)


_cached_fold = lru_cache(maxsize=4096)(fold)
