"""Find markup in one line: ``code``, *emphasis*, **strong**, links.

The rules are those of CommonMark 0.31 (sections 6.1 and 6.2), except where a chat of programmers would suffer: nothing
inside a word is a marker (``2*3*4``), ``__`` is none (``__init__``), and neither are the stars of globs and pointers.
A backslash before ``*`` or ``_`` makes it a usual character.

Each character is passed a bounded number of times, whatever the text is: a closing marker drops all that it passes on
its way to the opening one, and a run of backticks finds its partner in a table. The number of markers is bounded too,
because each of them costs as much as a hundred usual characters, here and where the line is wrapped and drawn.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

from chat.client.attention.names_in_texts import is_unspaced

# Kinds of parts; those of a part are added up.
MARKER, CODE, EMPHASIS, STRONG, LINK, QUOTE = 1, 2, 4, 8, 16, 32

# Without any of these, a line has no markup. Nearly all lines are such lines.
_MAY_HAVE_MARKUP = re.compile(r"[`*_]|://|mailto:")
# No underscore between two letters: names of programs have very many.
_TOKEN = re.compile(r"\\[\\*_]|`+|\*+|(?<!\w)_+|(?<!_)_+(?!\w)|://|mailto:")
# The rest of an address. Quotation marks, angle brackets and backticks end it.
_ADDRESS = re.compile(r"[^\s<>\"`]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*\Z")
_MAX_SCHEME = 20
# At the end of an address these belong to the sentence around it.
_BEHIND_ADDRESS = frozenset(".,;:!?'*_~…\u2019")

# What may stand before an opening marker, and behind a closing one, beside blanks.
_BEFORE = frozenset("([{<\"'«„“‘‚‹「『（【–—…*_~")  # noqa: RUF001
_BEHIND = frozenset(")]}>\"'»“”’›」』）】-–—….,;:!?*_~、。，；：！？")  # noqa: RUF001
# What never stands right inside a pair of markers: there they are parts of paths, globs and formulas.
_NEVER_FIRST = frozenset(".,;:!?)]}>/\\|&=»”’")  # noqa: RUF001
_NEVER_LAST = frozenset("([{</\\|&=«„“‘")  # noqa: RUF001
_QUOTATION_MARKS = frozenset("\"'")
_MAX_STARS = 3
# The possible markers in a text. Behind them it has no markup.
MAX_MARKERS = 150


class InlineMark(NamedTuple):
    """Say that the characters from ``start`` to ``end`` are of these ``kinds``."""

    start: int
    end: int
    kinds: int


class _Run:
    """Hold a run of stars, or an underscore: its free characters, and those that open and close emphasis."""

    __slots__ = ("closed", "end", "free", "opened", "sign", "start")

    def __init__(self, start: int, end: int, sign: str) -> None:
        self.start = start
        self.end = end
        self.sign = sign
        self.free = end - start
        # The lengths of the markers at its end that open, and at its start that close.
        self.opened: list[int] = []
        self.closed: list[int] = []


class _Atom(NamedTuple):
    """Hold a part in which nothing else is marked: code with its ``margin`` of backticks, or a link."""

    start: int
    end: int
    kinds: int
    margin: int = 0


class InlineLexer:
    """Find the markup in the lines of one text. ``left`` is how many markers it may still look at."""

    def __init__(self) -> None:
        self.left = MAX_MARKERS

    def lex(self, line: str, kinds: int = 0, start: int = 0) -> list[InlineMark]:
        """Return the marks of ``line`` from ``start`` on, in order, not empty and without overlaps.

        ``kinds`` are those of the whole line; with them, the marks cover all of it.
        """
        tokens: list[re.Match[str]] = []
        if self.left and _MAY_HAVE_MARKUP.search(line, start) is not None:
            tokens = list(islice(_TOKEN.finditer(line, start), self.left))
            self.left -= len(tokens)
        if not tokens:
            return [InlineMark(start, len(line), kinds)] if kinds and start < len(line) else []
        found = _find(tokens, line, start)
        _pair([each for each in found if isinstance(each, _Run)], line)
        return _marks(found, line, kinds, start)


def _find(tokens: list[re.Match[str]], line: str, start: int) -> list[_Run | _Atom]:
    """Return the runs and atoms of ``line``, in order."""
    closing = _closing_backticks(tokens) if "`" in line else []
    found: list[_Run | _Atom] = []
    index, position = 0, start
    while index < len(tokens):
        token = tokens[index]
        first, text = token.start(), token[0]
        index += 1
        if first < position:
            continue  # in an address
        if text[0] == "`":
            other = closing[index - 1]
            if other and not _is_word(line[first - 1 : first]):
                found.append(_Atom(first, tokens[other].end(), CODE, len(text)))
                index = other + 1
        elif text[0] in "*_":
            if len(text) <= (_MAX_STARS if text[0] == "*" else 1):
                found.append(_Run(first, token.end(), text[0]))
        elif text[0] != "\\":
            link = _link(line, first, token.end(), position)
            if link is not None:
                found.append(link)
                position = link.end
    return found


def _closing_backticks(tokens: list[re.Match[str]]) -> list[int]:
    """Return for each token the number of the next run with as many backticks, 0 for none."""
    following: dict[str, int] = {}
    closing = [0] * len(tokens)
    for index in range(len(tokens) - 1, -1, -1):
        text = tokens[index][0]
        if text[0] == "`":
            closing[index] = following.get(text, 0)
            following[text] = index
    return closing


def _link(line: str, start: int, end: int, position: int) -> _Atom | None:
    """Return the address around ``://``, or behind ``mailto:``, which stands from ``start`` to ``end``."""
    if line[start] == ":":
        scheme = _SCHEME.search(line, max(position, start - _MAX_SCHEME), start)
        if scheme is None:
            return None
        start = scheme.start()
    if _is_word(line[start - 1 : start]):
        return None
    rest = _ADDRESS.match(line, end)
    if rest is None:
        return None
    last = rest.end()
    unopened = line.count(")", end, last) - line.count("(", end, last)
    while last > end and (
        line[last - 1] in _BEHIND_ADDRESS or (line[last - 1] == ")" and unopened > 0)
    ):
        last -= 1
        unopened -= line[last] == ")"
    return _Atom(start, last, LINK) if last > end else None


def _pair(runs: list[_Run], line: str) -> None:
    """Find out which runs open and close emphasis (1 character) and strong emphasis (2)."""
    waiting: list[_Run] = []
    # How many of them have what a closing run looks for, by its sign and length.
    counts = {("*", 1): 0, ("*", 2): 0, ("_", 1): 0}
    for run in runs:
        before, behind = line[run.start - 1 : run.start], line[run.end : run.end + 1]
        if waiting and _closes(before, behind):
            _close(run, waiting, counts)
        if run.free and _opens(before, behind):
            waiting.append(run)
            _count(run, counts, 1)


def _close(run: _Run, waiting: list[_Run], counts: dict[tuple[str, int], int]) -> None:
    while True:
        wanted = [length for length in _lengths(run.free) if counts.get((run.sign, length))]
        if not wanted:
            return
        opener = waiting[-1]
        _count(opener, counts, -1)
        length = next((each for each in wanted if each in _lengths(opener.free)), 0)
        if opener.sign != run.sign or not length:
            waiting.pop()  # it would cross the pair that is found below
            continue
        opener.opened.append(length)
        run.closed.append(length)
        opener.free -= length
        run.free -= length
        if opener.free:
            _count(opener, counts, 1)
        else:
            waiting.pop()


def _lengths(free: int) -> tuple[int, ...]:
    """Return the markers that so many characters can be."""
    return ((), (1,), (2,), (2, 1))[free]


def _count(run: _Run, counts: dict[tuple[str, int], int], by: int) -> None:
    for length in _lengths(run.free):
        counts[run.sign, length] += by


def _opens(before: str, behind: str) -> bool:
    if not behind or behind.isspace() or behind in _NEVER_FIRST:
        return False
    if not before or before.isspace():
        return True
    return _is_beside(before, _BEFORE) and behind not in _QUOTATION_MARKS


def _closes(before: str, behind: str) -> bool:
    if not before or before.isspace() or before in _NEVER_LAST:
        return False
    if not behind or behind.isspace():
        return True
    return _is_beside(behind, _BEHIND) and before not in _QUOTATION_MARKS


def _is_beside(character: str, signs: frozenset[str]) -> bool:
    return character in signs or is_unspaced(character)


def _is_word(character: str) -> bool:
    return character.isalnum() and not is_unspaced(character)


def _marks(found: list[_Run | _Atom], line: str, kinds: int, start: int) -> list[InlineMark]:
    parts: list[tuple[int, int]] = []  # where each part ends, and its kinds
    light = strong = 0  # how many pairs are around
    now = kinds
    for part in found:
        if isinstance(part, _Atom):
            parts.append((part.start, now))
            parts.append((part.start + part.margin, MARKER))
            parts.append((part.end - part.margin, now | part.kinds))
            parts.append((part.end, MARKER))
        elif part.opened or part.closed:
            parts.append((part.start, now))
            parts.append((part.start + sum(part.closed), MARKER))
            light += part.opened.count(1) - part.closed.count(1)
            strong += part.opened.count(2) - part.closed.count(2)
            now = kinds | (EMPHASIS if light else 0) | (STRONG if strong else 0)
            parts.append((part.end - sum(part.opened), now))
            parts.append((part.end, MARKER))
    parts.append((len(line), now))
    marks = []
    for end, its_kinds in parts:
        if its_kinds and start < end:
            marks.append(InlineMark(start, end, its_kinds))
        start = end
    return marks
