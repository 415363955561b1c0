"""Remember who said the last messages of each room, to tell how many of the unread messages are the user's own."""

from __future__ import annotations

from collections import deque

from chat.server.history.stored import LogName, StoredRun

# Of each room: parts of a conversation, each by one author.
_PARTS = 64


class LatestAuthors:
    """The authors of the last messages, for rooms whose messages are not in memory. Idle rooms have no entry."""

    def __init__(self) -> None:
        self._parts: dict[LogName, deque[tuple[int, int, bytes]]] = {}

    def note(self, run: StoredRun) -> None:
        """Note a run that follows the earlier ones of its log."""
        parts = self._parts.get(run.log)
        if parts is None:
            parts = self._parts[run.log] = deque(maxlen=_PARTS)
        if parts and parts[-1][1] + 1 == run.first and parts[-1][2] == run.author:
            parts[-1] = (parts[-1][0], run.last, run.author)
        else:
            parts.append((run.first, run.last, run.author))

    def count(self, log: LogName, after: int, author: bytes) -> int:
        """Count the messages of ``author`` over ``after``, as far as they are remembered."""
        count = 0
        for first, last, of in reversed(self._parts.get(log, ())):
            if last <= after:
                break
            if of == author:
                count += last - max(first - 1, after)
        return count
