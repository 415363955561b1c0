"""Keep what was cut, for pasting it elsewhere: the kill ring of readline. All views share one."""

from __future__ import annotations

from collections import deque

SIZE = 60


class KillRing:
    """Hold the last ``SIZE`` pieces that were cut; consecutive cuts are one piece."""

    def __init__(self) -> None:
        self._pieces: deque[str] = deque(maxlen=SIZE)

    @property
    def newest(self) -> str:
        """Return the piece that a yank inserts; empty if nothing was cut yet."""
        return self._pieces[-1] if self._pieces else ""

    def cut(self, text: str, *, in_a_row: bool, backward: bool) -> None:
        """Keep ``text``; after another cut ``in_a_row``, join it to that piece, in front of it if cut ``backward``."""
        if not in_a_row or not self._pieces:
            self._pieces.append(text)
        elif backward:
            self._pieces[-1] = text + self._pieces[-1]
        else:
            self._pieces[-1] += text

    def rotate(self) -> None:
        """Make the piece before the newest the newest."""
        # deque.rotate moves the last piece, the newest, to the other end.
        self._pieces.rotate(1)
