"""What a peer sent, made harmless for a terminal, and facts put in a form that people read.

A terminal obeys what it is sent: escape sequences move the cursor, retitle the window or answer in the user's place,
and the bidirectional controls of Unicode make a line read otherwise than it was written ("Trojan Source"). None of
that may come from a peer. Such characters are shown, not dropped: whoever reads sees that something was there.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime

TAB = "    "

# Joiners shape letters in many scripts and hold emoji together.
_ZWNJ, _ZWJ = "\u200c", "\u200d"
# Format characters that are drawn all the same, around digits (UAX #44, Prepended_Concatenation_Mark).
_DRAWN_FORMATS = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
_KEPT = _DRAWN_FORMATS | {_ZWNJ, _ZWJ}
# Cc: controls, Cf: format (invisible, bidirectional), Cs: lone surrogates, Zl and Zp: line and paragraph ends.
_HARMFUL_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Private characters of Unicode mean what a program wants them to mean: kitty and Ghostty put pictures where they find
# U+10EEEE. Those of the Basic Multilingual Plane (U+E000 to U+F8FF) are kept: no terminal obeys one, and many people
# read them as the symbols of their font (Powerline, Nerd Fonts).
FIRST_PRIVATE_PLANE = "\U000f0000"
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
# Tags say something only in the flag of a region (UTS #51, emoji tag sequence); elsewhere they are hidden writing.
_TAGGED_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,16}\U000e007f")
_LINE_END = re.compile(r"\r\n|\n|\r")
_UNITS = ("KiB", "MiB", "GiB", "TiB")


def sanitize(text: str) -> str:
    """``text`` on one line, without a character that a terminal would obey or a reader be misled by.

    Controls become their pictures (``␛`` for ESC), other such characters their number (``<U+202E>``), a tab four
    blanks, private characters of the planes 15 and 16 ``�``. Everything else stays as it is: any script, combining
    marks, emoji with their joiners and flags.
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
    """The lines of a text that may have several, each harmless; at least one. Line ends at the end are none."""
    return [sanitize(line) for line in _LINE_END.split(text.rstrip("\r\n"))]


def clock_time(moment: datetime) -> str:
    """``HH:MM:SS`` in the reader's own time zone."""
    try:
        return moment.astimezone().strftime("%H:%M:%S")
    except (
        ValueError,
        OverflowError,
        OSError,
    ):  # a server may say any year; not every system knows it
        return "--:--:--"


def byte_count(size: int) -> str:
    """``999 bytes``, ``1.5 KiB``, ``10 MiB``: powers of 1024."""
    if size < 1024:
        return f"{size} byte" if size == 1 else f"{size} bytes"
    power = 0
    amount = float(size)
    while amount >= 1023.5 and power < len(_UNITS):
        amount /= 1024
        power += 1
    unit = _UNITS[power - 1]
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"


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
