"""Read the lines that a person types on a terminal without a screen."""

from __future__ import annotations

from collections.abc import Callable

from chat.client.frontends.line_io import (
    Line,
    LineReader,
    answer_of,
    count_lines,
    is_to_be_asked_about,
    joined,
)
from chat.client.frontends.pasting import MAX_PASTE


class TypedLines:
    """The lines of ``reader``. A paste becomes one text, if the user agrees.

    ``ask`` asks a question, and returns the lines that come as its answer. ``warn`` writes lines to the user.
    """

    def __init__(
        self,
        reader: LineReader,
        ask: Callable[[str], list[Line]],
        warn: Callable[[list[str]], object],
    ) -> None:
        self._reader = reader
        self._ask = ask
        self._warn = warn

    def next(self) -> list[Line]:
        """Return the lines that come together; none at the end."""
        while lines := self._reader.read_together():
            count = count_lines(lines)
            if not is_to_be_asked_about(lines):
                return lines
            answer = self._ask(f"{count} lines came at once. Send them as one message?")
            while answer_of(answer) is None and answer:
                # The paste goes on. Lines beyond MAX_PASTE are dropped: they would be no message anyway.
                if count_lines(answer) > 1 and sum(len(line.data) for line in lines) < MAX_PASTE:
                    lines += answer
                count = count_lines(lines)
                answer = self._ask(f"Send these {count} lines as one message?")
            if answer_of(answer):
                # A continued line is never taken for a command.
                return [Line(joined(lines), continued=True)]
            self._warn(["Nothing was sent."])
        return []
