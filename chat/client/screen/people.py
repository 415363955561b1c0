"""Who is in the room, by what the server tells and by who is heard; who is not to be heard."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice

from chat.client.room import MAX_USERNAME, MAX_USERS, is_worth_remembering


def folded(name: str) -> str:
    """What two spellings of one name have in common, for finding what somebody typed. The server judges names."""
    # Looked at before the cache is: thousands of names of 64 KiB each are not worth remembering.
    return _cached_folded(name) if len(name) <= MAX_USERNAME else _folded(name)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


_cached_folded = lru_cache(maxsize=4096)(_folded)


class People:
    """``names`` are here, in the order in which they came; ``ignored`` are not to be heard, by their folded names."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}  # a set that keeps the order
        self.ignored: dict[str, str] = {}
        self._sorted: list[str] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def reset(self, names: Iterable[str]) -> None:
        worth = (name for name in names if is_worth_remembering(name, 0))
        self.names = dict.fromkeys(islice(worth, MAX_USERS))
        self._sorted = None

    def add(self, name: str) -> None:
        if name not in self.names and is_worth_remembering(name, len(self.names)):
            self.names[name] = None
            self._sorted = None

    def remove(self, name: str) -> None:
        if name in self.names:
            del self.names[name]
            self._sorted = None

    def in_order(self) -> list[str]:
        """By name, whatever the case."""
        if self._sorted is None:
            self._sorted = sorted(self.names, key=folded)
        return self._sorted

    def spelling(self, name: str) -> str:
        """``name`` as the server writes it, if somebody of that name is here."""
        if name in self.names:
            return name
        wanted = folded(name)
        return next((known for known in self.names if folded(known) == wanted), name)

    def ignore(self, name: str) -> None:
        self.ignored[folded(name)] = self.spelling(name)

    def unignore(self, name: str) -> bool:
        """Whether ``name`` was ignored."""
        return self.ignored.pop(folded(name), None) is not None

    def is_ignored(self, name: str) -> bool:
        return bool(self.ignored) and folded(name) in self.ignored


class Mentions:
    """Finds the name of a user in texts: as a word of its own, in any case."""

    def __init__(self, name: str) -> None:
        self._folded = name.casefold()
        # A name may have dots and hyphens in it; a text may have them after it.
        self.pattern = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])", re.IGNORECASE)

    def __contains__(self, text: str) -> bool:
        # Nearly every text is ruled out by folding, which is cheap.
        return self._folded in text.casefold() and self.pattern.search(text) is not None
