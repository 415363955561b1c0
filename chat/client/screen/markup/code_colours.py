"""Colour blocks of code by Pygments, if it is installed.

Pygments loads slowly, and some code takes it long. So it works in a thread, on short blocks in languages that were
tried with hostile code, and stops after a time limit. Until it has read a block, the block is shown in one colour.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, NamedTuple

from chat.client.screen.text.styles import (
    CODE_COMMENT,
    CODE_KEYWORD,
    CODE_NAME,
    CODE_NUMBER,
    CODE_STRING,
)

# Limits of a block. In longer lines, Pygments takes a time that grows with the square of their length.
MAX_CHARACTERS, MAX_LINE = 2000, 160
# Seconds for a block; what follows stays in one colour.
MAX_TIME = 0.02
MAX_BLOCKS = 100
_AT_ONCE = 4

# The names of languages that are known, and those by which Pygments knows them.
LANGUAGES = {
    **{
        name: name
        for name in (
            *(
                "bash",
                "c",
                "cpp",
                "css",
                "diff",
                "docker",
                "go",
                "html",
                "ini",
                "java",
                "javascript",
            ),
            *(
                "json",
                "lua",
                "make",
                "pycon",
                "python",
                "ruby",
                "rust",
                "sql",
                "toml",
                "typescript",
            ),
            *("xml", "yaml"),
        )
    },
    **dict.fromkeys(("sh", "shell", "zsh"), "bash"),
    **dict.fromkeys(("py", "python3"), "python"),
    **dict.fromkeys(("c++", "cc", "hpp"), "cpp"),
    **dict.fromkeys(("cfg", "conf"), "ini"),
    "h": "c",
    "js": "javascript",
    "ts": "typescript",
    "rs": "rust",
    "rb": "ruby",
    "yml": "yaml",
    "patch": "diff",
    "dockerfile": "docker",
    "makefile": "make",
    "golang": "go",
}


class CodePart(NamedTuple):
    """Say that the characters from ``start`` to ``end`` have the style ``style``."""

    start: int
    end: int
    style: str


Offload = Callable[[Callable[[str, str], tuple[CodePart, ...]], str, str], tuple[CodePart, ...]]


class CodeColours:
    """Remember the parts of the blocks that were read last, and which blocks are still to be read."""

    def __init__(self) -> None:
        self._read: OrderedDict[tuple[str, str], tuple[CodePart, ...]] = OrderedDict()
        self._wanted: dict[tuple[str, str], None] = {}  # a set that keeps the order
        self._is_missing = False

    def parts(self, language: str, lines: Sequence[str]) -> list[list[CodePart]] | None:
        """Return the parts of each of ``lines``; None for a block that is not read, or not yet."""
        known = LANGUAGES.get(language.lower())
        if known is None or self._is_missing:
            return None
        text = "\n".join(lines)
        if len(text) > MAX_CHARACTERS or any(len(line) > MAX_LINE for line in lines):
            return None
        block = known, text
        parts = self._read.get(block)
        if parts is None:
            if len(self._wanted) < MAX_BLOCKS:
                self._wanted[block] = None
            return None
        self._read.move_to_end(block)
        return _by_line(parts, lines)

    def read(self, offload: Offload) -> bool:
        """Read some of the blocks that are to be read; return whether there is something new to draw.

        ``offload`` calls a function in a thread.
        """
        found = False
        for block in list(islice(self._wanted, _AT_ONCE)):
            try:
                parts = offload(read_code, *block)
            except ImportError:
                self._is_missing = True
                self._wanted.clear()
                return False
            self._wanted.pop(block, None)
            self._read[block] = parts
            found = found or bool(parts)
            if len(self._read) > MAX_BLOCKS:
                self._read.popitem(last=False)
        return found


def read_code(language: str, text: str) -> tuple[CodePart, ...]:
    """Return the parts of ``text``, in order and without overlaps. Raises ImportError without Pygments."""
    from pygments.lexers import get_lexer_by_name
    from pygments.token import Comment, Generic, Keyword, Name, Number, String

    styles: tuple[tuple[Any, str], ...] = (
        (Comment, CODE_COMMENT),
        (Keyword, CODE_KEYWORD),
        (Number, CODE_NUMBER),
        (String, CODE_STRING),
        *((kind, CODE_NAME) for kind in (Name.Function, Name.Class, Name.Tag, Name.Decorator)),
        # Of a diff, and of a Python session.
        (Generic.Inserted, CODE_STRING),
        (Generic.Deleted, CODE_KEYWORD),
        (Generic.Subheading, CODE_NAME),
        (Generic.Prompt, CODE_COMMENT),
    )
    lexer = get_lexer_by_name(language)
    parts: list[CodePart] = []
    position = 0
    deadline = time.monotonic() + MAX_TIME
    for start, kind, value in lexer.get_tokens_unprocessed(text):
        end = start + len(value)
        style = next((style for each, style in styles if kind in each), None)
        if style is not None and position <= start < end <= len(text):
            parts.append(CodePart(start, end, style))
            position = end
        if time.monotonic() > deadline:
            break
    return tuple(parts)


def _by_line(parts: Sequence[CodePart], lines: Sequence[str]) -> list[list[CodePart]]:
    """Return the parts in each line, counted from its start; a part may go over several lines."""
    found: list[list[CodePart]] = []
    index = first = 0
    for line in lines:
        behind = first + len(line)
        here: list[CodePart] = []
        while index < len(parts) and parts[index].start < behind:
            start, end, style = parts[index]
            if max(start, first) < min(end, behind):
                here.append(CodePart(max(start, first) - first, min(end, behind) - first, style))
            if end > behind:
                break
            index += 1
        found.append(here)
        first = behind + 1
    return found
