"""How many cells of the screen a text takes, and texts cut to fit.

A *cluster* is what a reader takes for one character (UAX #29, extended grapheme cluster): a letter with its marks, a
flag, a family of emoji. It is never cut. Its width is not what a modern terminal would draw it in, but how far curses
will move: the sum of the widths that the C library gives to its code points. So a family joined by ZWJ takes the cells
of all its members, and whatever is laid out by these functions stays on the line it was put on.

Texts are taken to be ``harmless`` already (``chat.client.display``): a control character counts as nothing.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import accumulate

import wcwidth

ELLIPSIS = "…"

# Where a line may end: a blank, also the wide one of Chinese and Japanese. It is left out at the end of the line.
_BLANKS = frozenset(" \u3000")
# Beside a wide character a line may end too, but not before or after these (after UAX #14, classes CL EX IS NS OP QU).
_NEVER_FIRST = frozenset(
    "!%),.:;?]}»’”…、。〉》」』】〕〗〙〛々ーっゃゅょッャュョ！％），．：；？］｝～ﾞﾟ"  # noqa: RUF001
)
_NEVER_LAST = frozenset("([{«‘“〈《「『【〔〖〘〚（［｛＄￥")  # noqa: RUF001
# Where the C library moves further than this one says, or than an older release of it said: marks and fillers of
# Hangul, halves of flags, skin tones. Too wide is safe, too narrow is not.
_WIDER = {
    "\u302e": 2,
    "\u302f": 2,
    "\u3164": 2,
    "\uffa0": 1,
    "\U00016ff0": 2,
    "\U00016ff1": 2,
    **dict.fromkeys(map(chr, range(0x1F1E6, 0x1F200)), 2),
    **dict.fromkeys(map(chr, range(0x1F3FB, 0x1F400)), 2),
}


@lru_cache(maxsize=1 << 14)
def _code_point_width(character: str) -> int:
    width: int = max(0, wcwidth.wcwidth(character))
    if not width and unicodedata.category(character) == "Mc":
        width = 1  # a vowel sign of Devanagari and its like: glibc gives it a cell
    return _WIDER.get(character, width)


def cells(text: str) -> int:
    """How many cells ``text`` takes on one line."""
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(map(_code_point_width, text))


def clusters(text: str) -> list[str]:
    """``text`` as the characters that a reader sees; joined, they are ``text``."""
    if text.isascii() and "\r" not in text:
        return list(text)
    return list(wcwidth.iter_graphemes(text))


def is_one_cell_each(text: str) -> bool:
    """Whether every code point of ``text`` is a cluster of one cell: then indices are columns."""
    if text.isascii() and text.isprintable():
        return True
    return set(map(_code_point_width, text)) == {1} and len(clusters(text)) == len(text)


def clip(text: str, width: int) -> str:
    """As many whole clusters from the start of ``text`` as fit into ``width`` cells."""
    if text.isascii() and text.isprintable():
        return text[: max(0, width)]
    used = end = 0
    for cluster in clusters(text):
        used += cells(cluster)
        if used > width:
            break
        end += len(cluster)
    return text[:end]


def elide(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells; one that does not fit ends in ``…``."""
    if cells(text) <= width:
        return text
    return clip(text, width - 1) + ELLIPSIS if width > 0 else ""


def pad(text: str, width: int) -> str:
    """``text`` in exactly ``width`` cells: cut, or followed by blanks."""
    shown = clip(text, width)
    return shown + " " * (width - cells(shown))


def wrap(text: str, width: int, first_width: int | None = None) -> list[str]:
    """``text``, which is one line, as lines of at most ``width`` cells; at least one.

    Lines end at blanks, which are then left out, and beside wide characters, as Chinese and Japanese do. A word that
    does not fit (an address, say) begins a line, and is broken between clusters only if it is longer than that line;
    a cluster wider than a whole line is shown as ``…``. The first line may have another width, for what stands before
    it; an indent of the further ones is the caller's. A width under 1 counts as 1.
    """
    limits = _limits(width, first_width)
    lines = []
    for number, (start, end) in enumerate(wrap_offsets(text, width, first_width)):
        line = text[start:end]
        lines.append(line if cells(line) <= limits[number > 0] else ELLIPSIS)
    return lines


def wrap_offsets(text: str, width: int, first_width: int | None = None) -> list[tuple[int, int]]:
    """The lines of ``wrap`` as (start, end) in ``text``, for who has to know what stands where."""
    limit, width = _limits(width, first_width)
    if cells(text) <= limit:
        return [(0, len(text))]
    if is_one_cell_each(text):
        return _wrap_narrow(text, limit, width)
    return _wrap_clusters(text, limit, width)


def _limits(width: int, first_width: int | None) -> tuple[int, int]:
    """The width of the first line and of the others."""
    width = max(1, width)
    return (width if first_width is None else max(1, first_width)), width


def _wrap_narrow(text: str, limit: int, width: int) -> list[tuple[int, int]]:
    """The same as ``_wrap_clusters``, many times faster, where every code point is a cluster of one cell."""
    lines = []
    start = 0
    while len(text) - start > limit:
        blank = text.rfind(" ", start, start + limit + 1)
        if blank >= 0:
            end = _rstripped(text, start, blank)
            following = blank + 1
            while following < len(text) and text[following] == " ":
                following += 1
        elif not start and limit < width:
            end = following = 0
        else:
            end = following = start + limit
        lines.append((start, end))
        start, limit = following, width
    if start < len(text) or not lines:
        lines.append((start, len(text)))
    return lines


def _rstripped(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1] == " ":
        end -= 1
    return end


def _wrap_clusters(text: str, limit: int, width: int) -> list[tuple[int, int]]:
    characters = clusters(text)
    positions = [0, *accumulate(map(len, characters))]
    lines = []
    start = 0
    while start < len(characters):
        end, following = _line_end(characters, start, limit)
        if not start and limit < width and _is_broken(characters, end, following):
            end = following = 0
        lines.append((positions[start], positions[end]))
        start, limit = following, width
    return lines


def _line_end(characters: list[str], start: int, limit: int) -> tuple[int, int]:
    """Where a line from ``start`` ends that takes ``limit`` cells, and where the next one begins."""
    used = 0
    end = following = start
    for index in range(start, len(characters)):
        character = characters[index]
        previous = characters[index - 1] if index > start else ""
        if character in _BLANKS:
            if previous not in _BLANKS:
                end = index
            following = index + 1
        elif previous and previous not in _BLANKS and _may_part(previous, character):
            end = following = index
        used += cells(character)
        if used > limit and character not in _BLANKS:
            if following > start:
                return end, following
            end = max(index, start + 1)
            return end, end
    # Blanks at the very end that have no room are left out too.
    return (len(characters) if used <= limit else end), len(characters)


def _is_broken(characters: list[str], end: int, following: int) -> bool:
    return 0 < end == following < len(characters) and not _may_part(
        characters[end - 1], characters[end]
    )


def _may_part(left: str, right: str) -> bool:
    """Whether a line may end between two clusters without a blank between them."""
    if left[-1] in _NEVER_LAST or right[0] in _NEVER_FIRST:
        return False
    return _code_point_width(left[0]) == 2 or _code_point_width(right[0]) == 2
