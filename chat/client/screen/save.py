"""Format the log as text, for ``/save`` and ``/log``.

Every entry begins with a date and time, every further line with blanks and a bar, so that no message can fake an entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from chat.client.frontends.wording import leave_reason
from chat.client.screen.draw.lines import entry_lines, local_day
from chat.client.screen.model.entries import Entry, Movement, Step
from chat.client.screen.model.views import View
from chat.client.screen.text.spans import text_of
from chat.local_time import clock_time
from chat.sanitize import sanitize

# A date and a time, each with a blank behind it.
_STAMP_CELLS = 20
FURTHER_LINE = " " * _STAMP_CELLS + "| "


def saved_lines(entries: Iterable[Entry]) -> Iterator[str]:
    """Return a log as text, line by line, without line ends."""
    for entry in entries:
        yield from _entry(entry)


class Follower:
    """Return the new lines in the log of ``view``, each time it is asked.

    ``from_first``: all entries are new. The lines of a room with a name begin with it, after their time.
    """

    def __init__(self, view: View, *, from_first: bool = False) -> None:
        self._view = view
        self._next = view.first if from_first else view.end
        self._steps = self._steps_of_last()

    @property
    def has_more(self) -> bool:
        """Return whether there are entries that no call has returned."""
        return self._next < self._view.end

    def new_lines(self, most: int) -> list[str]:
        """Return the lines since the last call, without line ends, but of ``most`` entries at most.

        Entries that the view dropped in between are lost, so call this often.
        """
        view = self._view
        lines: list[str] = []
        if view.first < self._next <= view.end:
            last = view[self._next - 1]
            if isinstance(last, Movement):  # joins and leaves may have been added to it
                lines += map(_step, last.steps[self._steps :])
        start = max(self._next, view.first)
        self._next = min(start + most, view.end)
        for number in range(start, self._next):
            lines += _entry(view[number])
        self._steps = self._steps_of_last()
        name = view.room_name
        return lines if name is None else [_of_room(line, name) for line in lines]

    def _steps_of_last(self) -> int:
        """Return how many joins and leaves are in the last entry that was returned."""
        last = self._view[self._next - 1] if self._view.first < self._next else None
        return len(last.steps) if isinstance(last, Movement) else 0


def _entry(entry: Entry) -> list[str]:
    if isinstance(entry, Movement):
        return [_step(step) for step in entry.steps]
    (_, *first), *further = entry_lines(entry)
    return [
        f"{_stamp(entry.moment)} {text_of(first)}",
        *(FURTHER_LINE + text_of(line) for line in further),
    ]


def _step(step: Step) -> str:
    what = "joined" if step.joined else f"left{leave_reason(step.reason)}"
    return f"{_stamp(step.moment)} -- {sanitize(step.name)} {what}"


def _of_room(line: str, name: str) -> str:
    """Return a line with the name of its room; a further line of an entry stays as it is."""
    if line.startswith(FURTHER_LINE):
        return line
    return f"{line[:_STAMP_CELLS]}#{sanitize(name)} {line[_STAMP_CELLS:]}"


def _stamp(moment: datetime) -> str:
    return f"{local_day(moment) or '----------'} {clock_time(moment)}"
