"""Sanitize text of other users for a terminal, in both programs.

A terminal acts on escape sequences: they move the cursor, set the window title, or type an answer in the user's place.
The bidirectional controls of Unicode show a line in another order than it was written ("Trojan Source").
No user may cause such things on another's terminal. The characters are replaced visibly, not dropped, so that readers
see that something was there.
"""

from __future__ import annotations

import re
import unicodedata

TAB = "    "
# Columns between two tab stops, in a line of a text: as in a terminal, where the sender saw the columns.
TAB_STOP = 8

# Kept: joiners shape letters in many scripts and hold emoji together.
_ZWNJ, _ZWJ = "\u200c", "\u200d"
# Format characters that are visible signs around digits (UAX #44, Prepended_Concatenation_Mark).
_DRAWN_FORMATS = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
_KEPT = _DRAWN_FORMATS | {_ZWNJ, _ZWJ}
# Cc: controls, Cf: format (invisible, bidirectional), Cs: lone surrogates, Zl and Zp: line and paragraph ends.
_HARMFUL_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# A program may give any meaning to private characters: kitty and Ghostty draw pictures at U+10EEEE. The private
# characters of the Basic Multilingual Plane (U+E000 to U+F8FF) are kept: no terminal acts on them, and many fonts have
# symbols there (Powerline, Nerd Fonts).
FIRST_PRIVATE_PLANE = "\U000f0000"
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
# Tag characters belong only in the flag of a region (UTS #51, emoji tag sequence). Elsewhere they are hidden text.
_TAGGED_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,16}\U000e007f")
_LINE_END = re.compile(r"\r\n|\n|\r")


def sanitize(text: str) -> str:
    """Return ``text`` on one line, without characters that a terminal acts on or that mislead a reader.

    Control characters become their pictures (``␛`` for ESC), format characters their number (``<U+202E>``), a tab four
    blanks, and private characters of the planes 15 and 16 ``�``. All else stays: any script, combining marks, emoji
    with their joiners and flags.
    """
    if text.isprintable():
        return text
    shown: list[str] = []
    position = 0
    for flag in _TAGGED_FLAG.finditer(text):
        shown += map(_shown, text[position : flag.start()])
        shown.append(flag[0])
        position = flag.end()
    shown += map(_shown, text[position:])
    return "".join(shown)


def lines_of(text: str) -> list[str]:
    """Split a text into sanitized lines, at least one. Line ends at the end of the text are ignored.

    A tab becomes blanks up to the next tab stop, so that code and tables keep their columns.
    """
    return [_in_columns(line) for line in line_ends_removed(text)]


def line_ends_removed(text: str) -> list[str]:
    """Split a text into its lines as they were sent, at least one. Line ends at the end of the text are ignored."""
    return _LINE_END.split(text.rstrip("\r\n"))


def lines_under(text: str) -> list[str]:
    """Return the lines of a text that begins after something else, such as a name.

    If there are several lines, the first one is empty: the text stands below the name, and all its lines begin in the
    same column.
    """
    lines = lines_of(text)
    return ["", *lines] if len(lines) > 1 and lines[0] else lines


def _in_columns(line: str) -> str:
    if "\t" not in line:
        return sanitize(line)
    shown, width = "", 0
    *pieces, last = map(sanitize, line.split("\t"))
    for piece in pieces:
        width += _cells(piece)
        blanks = TAB_STOP - width % TAB_STOP
        shown += piece + " " * blanks
        width += blanks
    return shown + last


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    from wcwidth import (
        wcwidth,
    )  # takes a while to import, and few lines have both tabs and other scripts

    return sum(max(0, wcwidth(character)) for character in text)


def _shown(character: str) -> str:
    if character == "\t":
        return TAB
    if character >= FIRST_PRIVATE_PLANE:
        return UNKNOWN
    if character in _KEPT or unicodedata.category(character) not in _HARMFUL_CATEGORIES:
        return character
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"
