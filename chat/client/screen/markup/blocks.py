"""Find markup in a text: fenced code and quotes, which are lines, and markup inside of the other lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

from chat.client.screen.markup.inline import CODE, MARKER, QUOTE, InlineLexer, InlineMark

# CommonMark 0.31, section 4.5. No backtick may follow: a line with some more of them is code in a line.
_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}(?=[^`]*\Z)|~{3,})")
# A blank must follow: a line may also begin with >:( or >=.
_QUOTE = re.compile(r" {0,3}(?:>+(?= |\Z) *)+")


def lex(lines: Sequence[str]) -> list[list[InlineMark]]:
    """Return the marks of each of the ``lines`` of a text, in order, not empty and without overlaps."""
    inline = InlineLexer()
    marks: list[list[InlineMark]] = []
    fence = ""
    for line in lines:
        # In fenced code, only its end is a marker. Elsewhere, nothing is looked for beyond the limit.
        if not inline.left and not fence:
            break
        match = _FENCE.match(line) if "```" in line or "~~~" in line else None
        if match is not None and not _is_end(match, line, fence):
            match = None
        if match is not None:
            inline.left = max(0, inline.left - 1)
            fence = "" if fence else match["fence"]
            marks.append([InlineMark(0, len(line), MARKER)])
        elif fence:
            marks.append([InlineMark(0, len(line), CODE)] if line else [])
        else:
            marks.append(_outside(line, inline))
    marks += ([] for _ in range(len(lines) - len(marks)))
    return marks


def _is_end(match: re.Match[str], line: str, fence: str) -> bool:
    """Return whether a fence ends the code that ``fence`` has begun; True if none has."""
    return not fence or (match["fence"].startswith(fence) and not line[match.end() :].strip())


def _outside(line: str, inline: InlineLexer) -> list[InlineMark]:
    quote = _QUOTE.match(line) if ">" in line[:4] else None
    if quote is None:
        return inline.lex(line)
    inline.left = max(0, inline.left - 1)
    return [InlineMark(0, quote.end(), MARKER), *inline.lex(line, QUOTE, quote.end())]
