"""Measure how many cells a text takes on the screen, and cut texts to fit.

A *cluster* is what a reader takes for one character (UAX #29, extended grapheme cluster): a letter with its marks, a
flag, a family of emoji. A cluster is never cut. Its width is the sum of the widths that the C library gives to its code
points, because curses moves the cursor by that sum. A modern terminal may draw the cluster narrower. So a family joined
by ZWJ takes the cells of all its members. A row from these functions never runs into the next row.

The texts must be sanitized already (``chat.sanitize``): a control character counts as no cell.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import accumulate

ELLIPSIS = "…"

# Texts of characters that are clusters of one cell each: the letters of Europe's alphabets, punctuation, arrows, lines.
# Nearly all texts are such texts, and need no tables. ``wcwidth`` has the tables, and takes 5 MiB and 20 ms to load.
_SIMPLE = re.compile(
    "[ -~"
    "\u00a0-\u02ff\u1e00-\u1eff"  # Latin
    "\u0370-\u0482\u048a-\u052f"  # Greek, Cyrillic
    "\u2010-\u2027\u2030-\u205e\u20a0-\u20c0"  # punctuation, currencies
    "\u2190-\u2319\u2500-\u25fc"  # arrows, mathematics, lines, blocks
    "]*"
)

# A line may end at a blank, including the wide blank of Chinese and Japanese. The blank at the end of a line is not
# shown.
_BLANKS = frozenset(" \u3000")
# A line may also end beside a wide character, but not before or after these (after UAX #14, classes CL EX IS NS OP QU).
_NEVER_FIRST = frozenset(
    "!%),.:;?]}»’”…、。〉》」』】〕〗〙〛々ーっゃゅょッャュョ！％），．：；？］｝～ﾞﾟ"  # noqa: RUF001
)
_NEVER_LAST = frozenset("([{«‘“〈《「『【〔〖〘〚（［｛＄￥")  # noqa: RUF001
# Widths where glibc, or an older release of it, moves the cursor further than wcwidth says: marks and fillers of
# Hangul, halves of flags, skin tones. A width that is too large leaves a gap; one that is too small breaks the row.
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
    if _SIMPLE.fullmatch(character):
        return 1
    import wcwidth

    # wcwidth returns -1 for control characters.
    width: int = max(0, wcwidth.wcwidth(character))
    if not width and unicodedata.category(character) == "Mc":
        width = 1  # spacing marks, as the vowel signs of Devanagari: glibc gives them a cell
    return _WIDER.get(character, width)


def cells(text: str) -> int:
    """Return how many cells ``text`` takes on one line."""
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(map(_code_point_width, text))


def clusters(text: str) -> list[str]:
    """Split ``text`` into the characters that a reader sees; joined, they are ``text`` again."""
    # Only one pair of ASCII characters is a cluster: CR LF (UAX #29, GB3).
    if (text.isascii() and "\r" not in text) or _SIMPLE.fullmatch(text):
        return list(text)
    import wcwidth

    return list(wcwidth.iter_graphemes(text))


def is_one_cell_each(text: str) -> bool:
    """Return whether every code point of ``text`` is a cluster of one cell, so that indices are columns."""
    if (text.isascii() and text.isprintable()) or _SIMPLE.fullmatch(text):
        return True
    return set(map(_code_point_width, text)) == {1} and len(clusters(text)) == len(text)


def clip(text: str, width: int) -> str:
    """Return as many whole clusters from the start of ``text`` as fit into ``width`` cells."""
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
    """Return ``text`` in at most ``width`` cells; a text that does not fit ends in ``…``."""
    if cells(text) <= width:
        return text
    return clip(text, width - 1) + ELLIPSIS if width > 0 else ""


def pad(text: str, width: int) -> str:
    """Return ``text`` in exactly ``width`` cells: cut, or followed by blanks."""
    shown = clip(text, width)
    return shown + " " * (width - cells(shown))


def wrap(text: str, width: int, first_width: int | None = None) -> list[str]:
    """Split ``text``, a single line, into at least one line of at most ``width`` cells.

    Lines end at blanks, which are then left out, and beside wide characters, as in Chinese and Japanese. A word that
    does not fit (an address, for example) begins a line. The word is broken between clusters only if it is longer than
    that line. A cluster wider than a whole line is shown as ``…``. ``first_width`` is the width of the first line, if
    it differs; the caller indents the further lines. A width under 1 counts as 1.
    """
    limits = _limits(width, first_width)
    lines = []
    for number, (start, end) in enumerate(wrap_offsets(text, width, first_width)):
        line = text[start:end]
        lines.append(line if cells(line) <= limits[number > 0] else ELLIPSIS)
    return lines


def wrap_offsets(text: str, width: int, first_width: int | None = None) -> list[tuple[int, int]]:
    """Return the lines of ``wrap`` as (start, end) in ``text``, for callers that need the position of each line."""
    limit, width = _limits(width, first_width)
    if cells(text) <= limit:
        return [(0, len(text))]
    if is_one_cell_each(text):
        return _wrap_narrow(text, limit, width)
    return _wrap_clusters(text, limit, width)


def _limits(width: int, first_width: int | None) -> tuple[int, int]:
    """Return the width of the first line and of the further lines."""
    width = max(1, width)
    return (width if first_width is None else max(1, first_width)), width


def _wrap_narrow(text: str, limit: int, width: int) -> list[tuple[int, int]]:
    """Wrap a text in which every code point is a cluster of one cell.

    The result is that of ``_wrap_clusters``, many times faster: nearly all texts are of this kind, and every text is
    wrapped again when the screen changes its width.
    """
    lines = []
    start = 0
    while len(text) - start > limit:
        blank = text.rfind(" ", start, start + limit + 1)
        if blank >= 0:
            end = _rstripped(text, start, blank)
            following = blank + 1
            while following < len(text) and text[following] == " ":
                following += 1
        # The first line is the shorter one: a word that does not fit moves to the next line instead of being cut here.
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
    """Return where a line of ``limit`` cells from ``start`` ends, and where the next line begins."""
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
            # At least one cluster, or a cluster wider than the line would never be passed.
            end = max(index, start + 1)
            return end, end
    # Blanks at the end of the text that do not fit are left out too.
    return (len(characters) if used <= limit else end), len(characters)


def _is_broken(characters: list[str], end: int, following: int) -> bool:
    return 0 < end == following < len(characters) and not _may_part(
        characters[end - 1], characters[end]
    )


def _may_part(left: str, right: str) -> bool:
    """Return whether a line may end between two clusters that have no blank between them."""
    if left[-1] in _NEVER_LAST or right[0] in _NEVER_FIRST:
        return False
    return _code_point_width(left[0]) == 2 or _code_point_width(right[0]) == 2
