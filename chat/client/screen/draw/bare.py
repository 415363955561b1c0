"""Choose what the bare view shows: whole lines of the log, which the terminal itself wraps.

So the terminal knows which rows belong together, and a selection by mouse has neither columns nor line ends that nobody
wrote. The lines of a text are not indented here, so a text could imitate another entry: the bare view is for copying.
"""

from __future__ import annotations

from collections.abc import Iterable

from chat.client.screen.text.cells import cells


def fitting(upward: Iterable[str], columns: int, rows: int) -> tuple[str, ...]:
    """Return the lines that fit on a screen, from top to bottom; ``upward`` yields them from the bottom line up.

    A line that alone is longer than the screen is returned: its beginning scrolls out.
    """
    chosen: list[str] = []
    for line in upward:
        rows -= max(1, -(-cells(line) // max(1, columns)))
        if rows < 0 and chosen:
            break
        chosen.append(line)
    return tuple(reversed(chosen))
