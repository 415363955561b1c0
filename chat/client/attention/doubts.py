"""Number the lines of which nobody knows whether they were said, until the user decides."""

from __future__ import annotations

from chat.client.state.unanswered_line import UnansweredLine


class NoSuchDoubt(Exception):
    """No line is meant. The text is one sentence for the user."""


class Doubts:
    """The lines that were perhaps said. A number stays with its line, and is not given again in this run."""

    def __init__(self) -> None:
        self._lines: dict[int, UnansweredLine] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, line: UnansweredLine) -> int:
        """Number ``line``; a line that is known keeps its number."""
        known = self.number_of(line.nonce)
        if known is not None:
            return known
        self._last += 1
        self._lines[self._last] = line
        return self._last

    def number_of(self, nonce: str) -> int | None:
        """Return the number of the line with this nonce, or None."""
        return next((key for key, line in self._lines.items() if line.nonce == nonce), None)

    @property
    def newest(self) -> UnansweredLine | None:
        """The line that was added last, or None."""
        return next(reversed(self._lines.values()), None)

    def meant(self, number: int | None = None, nonce: str | None = None) -> list[str]:
        """Return the nonces of the lines with this ``number`` or ``nonce``; of all lines, oldest first, without both.

        Raises NoSuchDoubt.
        """
        chosen = [
            line.nonce
            for key, line in self._lines.items()
            if number in (None, key) and nonce in (None, line.nonce)
        ]
        if chosen:
            return chosen
        if number is None and nonce is None:
            raise NoSuchDoubt("No line is marked as perhaps said.")
        raise NoSuchDoubt(f"No line that was perhaps said has the number {nonce or number}.")

    def take(self, number: int) -> UnansweredLine | None:
        """Remove and return the line with this number; None if there is none."""
        return self._lines.pop(number, None)
