"""Choose colours of a terminal by number, and manage the colour pairs of curses.

A number from 0 to 255 is a colour of xterm's palette; -1 is the default colour of the terminal, which is unknown here.
Users change the first sixteen colours, so where a terminal has 256 colours, only the others are chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

DEFAULT = -1

# xterm's first eight colours. Users change them, but a red stays a red.
_BASIC = (0x000000, 0xCD0000, 0x00CD00, 0xCDCD00, 0x0000EE, 0xCD00CD, 0x00CDCD, 0xE5E5E5)
_BRIGHT = (0x7F7F7F, 0xFF0000, 0x00FF00, 0xFFFF00, 0x5C5CFF, 0xFF00FF, 0x00FFFF, 0xFFFFFF)
_LEVELS = (0, 95, 135, 175, 215, 255)  # of each channel, in the cube of 6 x 6 x 6 from 16 on
_CUBE, _GREYS = 16, 232  # where the cube and the ramp of 24 greys begin
# Weights of red, green and blue differences, by how well the eye sees them.
_WEIGHTS = (3, 4, 2)
# More than any two colours differ. The default colour is unknown, so it counts as far from every colour.
_FAR = 1_000_000


def palette(colours: int) -> range:
    """Return the numbers to choose from on a terminal with so many ``colours``; none if it has fewer than eight."""
    if colours >= 256:
        return range(_CUBE, 256)
    return range(8) if colours >= 8 else range(0)


@cache
def rgb_of(number: int) -> int:
    """Return the colour ``number`` of xterm's palette as 0xRRGGBB.

    Raises ValueError unless ``number`` is from 0 to 255.
    """
    if not 0 <= number <= 255:
        raise ValueError(f"invalid colour {number}: expected 0 to 255")
    if number < _CUBE:
        return (_BASIC + _BRIGHT)[number]
    if number >= _GREYS:
        return (8 + 10 * (number - _GREYS)) * 0x010101
    red, rest = divmod(number - _CUBE, 36)
    green, blue = divmod(rest, 6)
    return _LEVELS[red] << 16 | _LEVELS[green] << 8 | _LEVELS[blue]


@lru_cache(maxsize=4096)
def nearest(rgb: int, colours: int) -> int:
    """Return the number that looks most like 0xRRGGBB on a terminal with so many ``colours``; -1 for fewer than 8."""
    choice = palette(colours)
    if not choice:
        return DEFAULT
    return min(choice, key=lambda number: _difference(rgb_of(number), rgb))


class Pairs:
    """Give out pairs of colours, and reuse the numbers of pairs that are no longer on the screen.

    Curses has few pairs, and a picture in 256 colours may want more of them. ``limit`` is the highest number that the
    screen can address; pair 0 is the terminal's default colours and always exists. ``init_pair(number, foreground,
    background)`` defines a pair, as in curses.
    """

    def __init__(self, limit: int, init_pair: Callable[[int, int, int], object]) -> None:
        self._limit = limit
        self._init_pair = init_pair
        # In the order of the last use, the oldest first.
        self._numbers: dict[tuple[int, int], int] = {}
        # The numbers that this frame and the last one asked for, and the pairs for which they found no number.
        self._used: set[int] = set()
        self._used_before: set[int] = set()
        self._missed: set[tuple[int, int]] = set()
        self._missed_before: set[tuple[int, int]] = set()
        self._substitutes: dict[tuple[int, int], tuple[int, bool]] = {}

    def begin_frame(self) -> None:
        """Begin a frame: a pair that is not asked for again in this frame may lose its number.

        So every pair on the screen must be asked for in every frame, also for rows that have not changed. A row whose
        pair has got another number must be drawn again.
        """
        self._used_before, self._used = self._used, set()
        self._missed_before, self._missed = self._missed, set()

    def get(self, foreground: int, background: int) -> tuple[int, bool]:
        """Return the number of a pair, and whether to draw it reversed.

        If this frame uses all numbers already, return the most similar pair among them.
        """
        if foreground == background == DEFAULT:
            return 0, False
        wanted = foreground, background
        # One number serves a pair and its reverse, except for a pair with the default colour: reversed, the terminal's
        # foreground would be its background.
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
        # Once a frame, the pair moves to the end: the dict is kept in the order of the last use.
        if number not in self._used:
            self._used.add(number)
            del self._numbers[key]
            self._numbers[key] = number
        return number, is_reversed

    def _free(self, key: tuple[int, int]) -> int | None:
        """Return a number for ``key``: an unused one, or that of the pair that was not used for longest."""
        if len(self._numbers) < self._limit:
            return len(self._numbers) + 1
        oldest = next(iter(self._numbers), None)
        if oldest is None:
            return None
        number = self._numbers[oldest]
        # A pair that found no number in the last frame may not take one that the last frame used: this frame may be
        # about to ask for that number, and the picture would change with every frame.
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
