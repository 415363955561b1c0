"""``make check``: ask about sentences that hide who acts, and about users who are called ``he``.

Two rules of plain English can be checked by a script. No sentence opens with a headless who, what, whoever or "that
which" ("Whoever reads too slowly is closed"): a named actor does what the verb says. A user is "they".

The script reads documents, comments of example files, descriptions in JSON schemas, docstrings, and the string literals
of programs that look like sentences. The output has a question for each sentence that breaks a rule, and the exit
status is then 1. Real questions ("What is it?") and headings pass.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parent.parent
# The paths that are clean, and that `make check` keeps clean. Add a path once the script finds nothing in it.
ROOTS = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/client.md",
    "docs/design.md",
    "docs/json-lines.md",
    "docs/json-lines.schema.json",
    "docs/library.md",
    "docs/operating.md",
    "docs/performance.md",
    "docs/protocol.md",
    "deploy",
    "benchmarks",
    "chat",
    "examples",
    "scripts",
    "tests",
)
# The words of the people in the screens are quotations.
QUOTATIONS = ("scripts/screens/scenes.py",)

_HEADLESS = re.compile(r"(?:who|whom|whoever|whomever|what|whatever|that which)\b", re.IGNORECASE)
_HE = re.compile(r"\b(?:he|him|his|himself)\b", re.IGNORECASE)
# A colon or a semicolon ends a clause that could be a sentence: "required: who does not is refused".
_END = re.compile(r"(?<=[.!?:;…])[\"')\]*_]*\s+")
_HIDDEN = re.compile(r"`+[^`]*`+|\]\([^)]*\)|<!--.*?-->", re.DOTALL)
_OPENING_MARKS = re.compile(r"[^\w\0]*_*")
_WORD = re.compile(r"[^\W\d_]{2,}")
_FENCE = re.compile(r"\s*(```|~~~)")
_HEADING = re.compile(r"#{1,6} ")
# What begins a new block although no blank line comes before: a list, an option, a command, a quotation.
_ITEM = re.compile(r"\s*(?:[-*+] |\d+\. |> |--?\w|/\w)")
_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")
_CELL = re.compile(r"(?<!\\)\|")
_DESCRIPTION = re.compile(r'"(?:description|title|\$comment)": "((?:[^"\\]|\\.)*)"')


class Block(NamedTuple):
    """Text whose beginning is also the beginning of a sentence."""

    line: int
    text: str


class Finding(NamedTuple):
    """A sentence that breaks a rule, and the question to ask about the sentence."""

    path: str
    line: int
    question: str
    sentence: str

    def __str__(self) -> str:
        sentence = " ".join(self.sentence.split())
        return f'{self.path}:{self.line}: {self.question} "{textwrap.shorten(sentence, 90, placeholder=" …")}"'


def main(arguments: list[str]) -> int:
    """Print a question for each broken rule below the given paths, or below ``ROOTS``."""
    findings = [f for path in files(arguments or ROOTS) for f in check_file(path)]
    for finding in findings:
        print(finding)
    return 1 if findings else 0


def files(roots: Iterable[str]) -> Iterator[Path]:
    """Find the files that have text below the roots, which are relative to the project.

    Raises FileNotFoundError: a root that was renamed must not pass unread.
    """
    quotations = {PROJECT / name for name in QUOTATIONS}
    for root in roots:
        path = PROJECT / root
        if not path.exists():
            raise FileNotFoundError(path)
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in found if file.suffix in _READERS and file not in quotations)


def check_file(path: Path) -> Iterator[Finding]:
    """List the broken rules of one file."""
    name = str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        blocks = python_blocks(text, literals=not name.startswith("tests/"))
    else:
        blocks = _READERS[path.suffix](text)
    return check(name, blocks)


def check(name: str, blocks: Iterable[Block]) -> Iterator[Finding]:
    """List the broken rules of some blocks: first an opening without an actor, then ``he``."""
    for block in blocks:
        for line, sentence in sentences(block):
            shown = _hide(sentence)
            opening = shown[_OPENING_MARKS.match(shown).end() :]  # type: ignore[union-attr]
            question = sentence.rstrip("\"')]*_ ").endswith("?")
            if _HEADLESS.match(opening) and not question and not _HEADING.match(sentence):
                yield Finding(name, line, "who does what?", sentence)
            if he := _HE.search(shown):
                yield Finding(name, line, f'who is "{he[0]}"?', sentence)


def sentences(block: Block) -> Iterator[tuple[int, str]]:
    """Split a block into its sentences, each with the number of its first line."""
    start = 0
    hidden = _hide(block.text)
    for end in [*(m.end() for m in _END.finditer(hidden)), len(hidden)]:
        if sentence := block.text[start:end].strip():
            yield block.line + block.text.count("\n", 0, start), sentence
        start = end


def _hide(text: str) -> str:
    """Blank out code, targets of links and comments, and keep every other character in its place."""
    return _HIDDEN.sub(lambda m: re.sub(r"[^\n]", "\0", m[0]), text)


def markdown_blocks(text: str) -> Iterator[Block]:
    """Split Markdown into paragraphs, list items, headings and cells of tables, without the code."""
    lines: list[str] = []
    fenced = in_list = False
    for line in text.splitlines():
        fence = bool(_FENCE.match(line))
        blank_before = not lines or not lines[-1].strip()
        if line.strip() and not line.startswith(" "):
            in_list = bool(_ITEM.match(line))
        code = line.startswith("    ") and blank_before and not in_list
        lines.append("" if fence or fenced or code else line)
        fenced ^= fence
    return prose_blocks("\n".join(lines))


def prose_blocks(text: str, first_line: int = 1) -> Iterator[Block]:
    """Split plain text into paragraphs, list items, cells of tables and columns of a help text."""
    kept: list[str] = []
    start = first_line
    for number, line in enumerate([*text.splitlines(), ""], first_line):
        cells = [line]
        if line.lstrip().startswith("|"):
            cells = _CELL.split(line)
        elif _GAP.search(line.strip()):
            cells = _GAP.split(line.strip())
        if kept and (
            len(cells) > 1 or not line.strip() or _ITEM.match(line) or _HEADING.match(line)
        ):
            yield Block(start, "\n".join(kept))
            kept = []
        yield from (Block(number, cell) for cell in cells[:-1])
        if not kept:
            start = number
        # The last column of a help text goes on in the next line; a heading and a row of a table end here.
        if line.strip():
            kept.append(cells[-1])
        if kept and (_HEADING.match(line) or line.lstrip().startswith("|")):
            yield Block(start, kept.pop())


def comment_blocks(text: str) -> Iterator[Block]:
    """Read the comments of a file whose comments begin with ``#``, and not its settings that are commented out."""
    lines = [line[2:] if line.startswith("# ") else "" for line in text.splitlines()]
    return prose_blocks("\n".join(lines))


def schema_blocks(text: str) -> Iterator[Block]:
    """Read the descriptions in a JSON schema."""
    for number, line in enumerate(text.splitlines(), 1):
        yield from (Block(number, found[1]) for found in _DESCRIPTION.finditer(line))


def python_blocks(text: str, *, literals: bool = True) -> Iterator[Block]:
    """Read docstrings, and with ``literals`` also the strings that have at least three words."""
    tree = ast.parse(text)
    statements = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    docstrings = {node for node in statements if isinstance(node, ast.Constant)}
    for node, string in _strings(tree):
        if node in docstrings or (literals and _is_message(string)):
            yield from prose_blocks(string, node.lineno)


def _is_message(string: str) -> bool:
    """Tell words for people from keys, formats and regular expressions."""
    return len(_WORD.findall(string)) >= 3 and "(?" not in string


def _strings(node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """Find the strings below a node; an f-string is one string with ``X`` for each value."""
    if isinstance(node, ast.JoinedStr):
        parts = (p.value if isinstance(p, ast.Constant) else "X" for p in node.values)
        yield node, "".join(str(part) for part in parts)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node, node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from _strings(child)


_READERS = {
    ".md": markdown_blocks,
    ".toml": comment_blocks,
    ".service": comment_blocks,
    ".json": schema_blocks,
    ".py": python_blocks,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
