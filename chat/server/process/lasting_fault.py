"""Log a fault that lasts once, and not at each try."""

from __future__ import annotations

import logging
import re

# Such as the seconds that are left.
_NUMBER = re.compile(r"\d+")

log = logging.getLogger("chat.server")


class LastingFault:
    """Of something that is tried again and again: ``words`` say what fails, before a colon and the reason."""

    def __init__(self, words: str, level: int = logging.ERROR) -> None:
        self._words = words
        self._level = level
        self._reason = ""

    def note(self, fault: Exception) -> None:
        """Log ``fault``, unless it is the reason that was logged last. Another number makes no other reason."""
        reason = _NUMBER.sub("0", str(fault))
        if reason != self._reason:
            self._reason = reason
            log.log(self._level, "%s: %s", self._words, fault)

    def clear(self) -> None:
        """Note that it works again: the same fault is news then."""
        self._reason = ""
