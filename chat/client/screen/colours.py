"""The colours of a terminal by their numbers, and the pairs of them that curses wants.

A number from 0 to 255 is one of xterm's palette; -1 is the terminal's own colour, whatever that is. The first sixteen
differ from one user to the next, so where there are 256, only the others are chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

DEFAULT = -1

# xterm's own first eight. Users change them, but a red stays a red.
_BASIC = (0x000000, 0xCD0000, 0x00CD00, 0xCDCD00, 0x0000EE, 0xCD00CD, 0x00CDCD, 0xE5E5E5)
_BRIGHT = (0x7F7F7F, 0xFF0000, 0x00FF00, 0xFFFF00, 0x5C5CFF, 0xFF00FF, 0x00FFFF, 0xFFFFFF)
_LEVELS = (0, 95, 135, 175, 215, 255)  # of each channel, in the cube of 6 x 6 x 6 from 16 on
_CUBE, _GREYS = 16, 232  # where the cube and the ramp of 24 greys begin
# How much an eye makes of a difference in red, green and blue.
_WEIGHTS = (3, 4, 2)
# More than any two colours differ. The terminal's own may be anything, so nothing comes near it.
_FAR = 1_000_000


def palette(colours: int) -> range:
    """The numbers worth choosing from on a terminal that has so many colours; none if it has less than eight."""
    if colours >= 256:
        return range(_CUBE, 256)
    return range(8) if colours >= 8 else range(0)


@cache
def rgb_of(number: int) -> int:
    """What xterm makes of the colour ``number``: 0xRRGGBB. Raises ValueError unless it is from 0 to 255."""
    if not 0 <= number <= 255:
        raise ValueError(f"a palette of 256 has no colour {number}")
    if number < _CUBE:
        return (_BASIC + _BRIGHT)[number]
    if number >= _GREYS:
        return (8 + 10 * (number - _GREYS)) * 0x010101
    red, rest = divmod(number - _CUBE, 36)
    green, blue = divmod(rest, 6)
    return _LEVELS[red] << 16 | _LEVELS[green] << 8 | _LEVELS[blue]


@lru_cache(maxsize=4096)
def nearest(rgb: int, colours: int) -> int:
    """The number that looks most like 0xRRGGBB on a terminal of so many colours; -1 if it has less than eight."""
    choice = palette(colours)
    if not choice:
        return DEFAULT
    return min(choice, key=lambda number: _difference(rgb_of(number), rgb))


class Pairs:
    """Pairs of colours, made when they are asked for and taken again once they are out of sight.

    ``limit`` is the highest number that the screen can address (pair 0 is the terminal's own, and always there);
    ``init_pair(number, foreground, background)`` makes one, as in curses.
    """

    def __init__(self, limit: int, init_pair: Callable[[int, int, int], object]) -> None:
        self._limit = limit
        self._init_pair = init_pair
        # By how long ago they were asked for, the longest first.
        self._numbers: dict[tuple[int, int], int] = {}
        # Numbers that this frame and the last one asked for, and pairs that they had to go without.
        self._used: set[int] = set()
        self._used_before: set[int] = set()
        self._missed: set[tuple[int, int]] = set()
        self._missed_before: set[tuple[int, int]] = set()
        self._substitutes: dict[tuple[int, int], tuple[int, bool]] = {}

    def begin_frame(self) -> None:
        """From now on all pairs may be taken but those that are asked for again.

        So every pair that is to be seen must be asked for in every frame, also for what is on the screen already; and
        what gets another number than before must be drawn again.
        """
        self._used_before, self._used = self._used, set()
        self._missed_before, self._missed = self._missed, set()

    def get(self, foreground: int, background: int) -> tuple[int, bool]:
        """The number of a pair, and whether it is to be drawn reversed.

        If all are in use in this frame, it is the most similar of them.
        """
        if foreground == background == DEFAULT:
            return 0, False
        wanted = foreground, background
        # Reversed, the terminal's own foreground would be its own background: such a pair is no other's.
        is_reversed = DEFAULT != background < foreground
        key = (background, foreground) if is_reversed else wanted
        number = self._numbers.get(key)
        if number is None:
            number = self._free(key)
            if number is None:
                self._missed.add(key)
                return self._substitute(wanted)
            self._init_pair(number, *key)
            self._numbers[key] = number
            self._substitutes.clear()
        if number not in self._used:
            self._used.add(number)
            del self._numbers[key]
            self._numbers[key] = number
        return number, is_reversed

    def _free(self, key: tuple[int, int]) -> int | None:
        """A number for ``key`` that nothing in this frame has, taken from whoever had it."""
        if len(self._numbers) < self._limit:
            return len(self._numbers) + 1
        oldest = next(iter(self._numbers), None)
        if oldest is None:
            return None
        number = self._numbers[oldest]
        # What the last frame had to go without was too much then. If it took now what that frame had, which this one
        # may be about to ask for, the same frame would look different every time.
        is_kept = key in self._missed_before and number in self._used_before
        if number in self._used or is_kept:
            return None
        return self._numbers.pop(oldest)

    def _substitute(self, wanted: tuple[int, int]) -> tuple[int, bool]:
        if wanted not in self._substitutes:
            found, least = (0, False), 2 * _FAR
            for (first, second), number in self._numbers.items():
                turns = [(first, second, False)]
                if DEFAULT not in (first, second):
                    turns.append((second, first, True))
                for foreground, background, is_reversed in turns:
                    difference = _between(foreground, wanted[0]) + _between(background, wanted[1])
                    if difference < least:
                        found, least = (number, is_reversed), difference
            self._substitutes[wanted] = found
        return self._substitutes[wanted]


def _between(number: int, other: int) -> int:
    if number == other:
        return 0
    return _FAR if DEFAULT in (number, other) else _difference(rgb_of(number), rgb_of(other))


def _difference(rgb: int, other: int) -> int:
    red, green, blue = ((rgb >> shift & 255) - (other >> shift & 255) for shift in (16, 8, 0))
    return _WEIGHTS[0] * red * red + _WEIGHTS[1] * green * green + _WEIGHTS[2] * blue * blue
