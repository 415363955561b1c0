"""Find markup in a text: fenced code and quotes, which are lines, and markup inside of the other lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from chat.client.screen.markup.inline import CODE, MARKER, QUOTE, InlineLexer, InlineMark

# CommonMark 0.31, section 4.5. No backtick may follow: a line with some more of them is code in a line.
_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}(?=[^`]*\Z)|~{3,})")
# A blank must follow: a line may also begin with >:( or >=.
_QUOTE = re.compile(r" {0,3}(?:>+(?= |\Z) *)+")


class CodeBlock(NamedTuple):
    """Say that the lines from ``first`` to before ``end`` are code in ``language``, as the sender has named it."""

    language: str
    first: int
    end: int


class FoundMarkup(NamedTuple):
    """Hold the marks of each line of a text, in order, not empty and without overlaps; and the blocks of code."""

    marks: list[list[InlineMark]]
    blocks: list[CodeBlock]


def lex(lines: Sequence[str]) -> FoundMarkup:
    """Find the markup of a text, of which these are the lines."""
    inline = InlineLexer()
    marks: list[list[InlineMark]] = []
    blocks: list[CodeBlock] = []
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
            number = len(marks)
            if fence:
                fence = ""
                blocks[-1] = blocks[-1]._replace(end=number)
            else:
                fence = match["fence"]
                language = line[match.end() :].strip().partition(" ")[0]
                blocks.append(CodeBlock(language, number + 1, len(lines)))
            marks.append([InlineMark(0, len(line), MARKER)])
        elif fence:
            marks.append([InlineMark(0, len(line), CODE)] if line else [])
        else:
            marks.append(_outside(line, inline))
    marks += ([] for _ in range(len(lines) - len(marks)))
    return FoundMarkup(marks, blocks)


def _is_end(match: re.Match[str], line: str, fence: str) -> bool:
    """Return whether a fence ends the code that ``fence`` has begun; True if none has."""
    return not fence or (match["fence"].startswith(fence) and not line[match.end() :].strip())


def _outside(line: str, inline: InlineLexer) -> list[InlineMark]:
    quote = _QUOTE.match(line) if ">" in line[:4] else None
    if quote is None:
        return inline.lex(line)
    inline.left = max(0, inline.left - 1)
    return [InlineMark(0, quote.end(), MARKER), *inline.lex(line, QUOTE, quote.end())]
