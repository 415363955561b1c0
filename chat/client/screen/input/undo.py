"""Keep the states of a text before and after each change, for undo and redo."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

# Limits of one text. A long text (64 KiB may be sent) has fewer steps, so that drafts do not fill the memory.
MAX_STEPS = 1000
MAX_CHARACTERS = 1 << 22


class Snapshot(NamedTuple):
    """Hold a text, and its cursor as an index of code points."""

    text: str
    cursor: int


class Undo:
    """Keep two stacks of states; beyond the limits the oldest are forgotten."""

    def __init__(self) -> None:
        self._before: deque[Snapshot] = deque()
        self._after: list[Snapshot] = []
        self._characters = 0

    def record(self, state: Snapshot) -> None:
        """Record ``state`` before a new change; the undone states are dropped."""
        self._after.clear()
        self._push(state)

    def undo(self, now: Snapshot) -> Snapshot | None:
        """Return the state before the last change, or None; ``redo`` brings ``now`` back."""
        if not self._before:
            return None
        self._after.append(now)
        state = self._before.pop()
        self._characters -= len(state.text)
        return state

    def redo(self, now: Snapshot) -> Snapshot | None:
        """Return the state that was undone last, or None."""
        if not self._after:
            return None
        self._push(now)
        return self._after.pop()

    def forget(self) -> None:
        """Drop all states."""
        self._before.clear()
        self._after.clear()
        self._characters = 0

    def _push(self, state: Snapshot) -> None:
        self._before.append(state)
        self._characters += len(state.text)
        while len(self._before) > MAX_STEPS or self._characters > MAX_CHARACTERS:
            self._characters -= len(self._before.popleft().text)
