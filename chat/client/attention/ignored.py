"""Keep the users whose messages are hidden, by name or by pattern."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

from chat.client.attention.names import folded

# Names whose answer is remembered: a flood of new names must not fill the memory.
_MAX_KNOWN = 4096


class Ignored:
    """Hold patterns for names, in any case. ``*`` stands for any characters, ``?`` for one, ``[ab]`` for a or b.

    ``name in ignored`` tells whether a user is hidden. No name has one of these characters, so a name is a pattern for
    itself.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns: dict[str, str] = {}  # folded -> as it was given
        self._matcher: re.Pattern[str] | None = None
        self._known: dict[str, bool] = {}
        for pattern in patterns:
            self.add(pattern)

    @property
    def patterns(self) -> list[str]:
        """Return the patterns as they were given."""
        return list(self._patterns.values())

    def add(self, pattern: str) -> None:
        """Hide the users whose names match ``pattern``."""
        self._patterns[folded(pattern)] = pattern
        self._compile()

    def remove(self, pattern: str) -> bool:
        """Remove ``pattern``; return whether it was there."""
        was_there = self._patterns.pop(folded(pattern), None) is not None
        self._compile()
        return was_there

    def matching(self, name: str) -> list[str]:
        """Return the patterns that hide ``name``, as they were given."""
        name = folded(name)
        return [
            given
            for pattern, given in self._patterns.items()
            if re.match(translate(pattern), name) is not None
        ]

    def __contains__(self, name: str) -> bool:
        if self._matcher is None:
            return False
        known = self._known.get(name)
        if known is None:
            known = self._matcher.match(folded(name)) is not None
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[name] = known
        return known

    def _compile(self) -> None:
        self._known.clear()
        together = "|".join(map(translate, self._patterns))
        self._matcher = re.compile(together) if together else None
