"""What a text was before each change, to go back to and forth again."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

# Of one text; a long one (64 KiB may be sent) has fewer steps, so that nobody's memory fills with drafts.
MAX_STEPS = 1000
MAX_CHARACTERS = 1 << 22


class State(NamedTuple):
    """A text, and where the cursor was: an index of its code points."""

    text: str
    cursor: int


class Undo:
    """Two piles of states; the oldest are forgotten beyond the limits."""

    def __init__(self) -> None:
        self._before: deque[State] = deque()
        self._after: list[State] = []
        self._characters = 0

    def record(self, state: State) -> None:
        """A new change is made to ``state``: it can be undone, and what was undone is gone."""
        self._after.clear()
        self._push(state)

    def undo(self, now: State) -> State | None:
        """The state before the last change, or None; ``now`` can be had again by ``redo``."""
        if not self._before:
            return None
        self._after.append(now)
        state = self._before.pop()
        self._characters -= len(state.text)
        return state

    def redo(self, now: State) -> State | None:
        """The state that was undone last, or None."""
        if not self._after:
            return None
        self._push(now)
        return self._after.pop()

    def forget(self) -> None:
        """There is nothing to undo or redo any more."""
        self._before.clear()
        self._after.clear()
        self._characters = 0

    def _push(self, state: State) -> None:
        self._before.append(state)
        self._characters += len(state.text)
        while len(self._before) > MAX_STEPS or self._characters > MAX_CHARACTERS:
            self._characters -= len(self._before.popleft().text)
