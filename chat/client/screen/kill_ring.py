"""What was cut, to be put in again elsewhere: readline's kill ring. One serves every view."""

from __future__ import annotations

from collections import deque

SIZE = 60


class KillRing:
    """The last ``SIZE`` pieces that were cut; cuts in a row are one piece."""

    def __init__(self) -> None:
        self._pieces: deque[str] = deque(maxlen=SIZE)

    @property
    def newest(self) -> str:
        """What a yank puts in; empty if nothing was cut yet."""
        return self._pieces[-1] if self._pieces else ""

    def cut(self, text: str, *, in_a_row: bool, backward: bool) -> None:
        """Keep ``text``; after another cut ``in_a_row`` as a part of that, before it if cut ``backward``."""
        if not in_a_row or not self._pieces:
            self._pieces.append(text)
        elif backward:
            self._pieces[-1] = text + self._pieces[-1]
        else:
            self._pieces[-1] += text

    def rotate(self) -> None:
        """Make the piece before the newest the newest."""
        self._pieces.rotate(1)
