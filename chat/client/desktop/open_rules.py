"""Read the user's table of programs that open files: ``image/* = feh; *.pdf = zathura --fork``."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

# Stands for the path in a command. Without it, the path comes last.
_PATH = "{}"


class OpenRule(NamedTuple):
    """Open files of ``pattern`` by ``command``, the words of a program and its arguments.

    A pattern with a slash is for MIME types, another one for file names; both in any case.
    """

    pattern: str
    command: tuple[str, ...]

    def fits(self, name: str, mime_type: str) -> bool:
        """Return whether the rule is for a file of this name and MIME type."""
        what = mime_type if "/" in self.pattern else name
        return fnmatchcase(what.casefold(), self.pattern.casefold())

    def words_for(self, path: str) -> list[str]:
        """Return the command that opens the file at ``path``."""
        words = [word.replace(_PATH, path) for word in self.command]
        return words if any(_PATH in word for word in self.command) else [*words, path]


def parse_rules(text: str) -> tuple[OpenRule, ...]:
    """Parse ``PATTERN=COMMAND``, several of them separated by semicolons. Raises ValueError with the end of a sentence.

    A command has the quotes of a shell, but no shell runs it.
    """
    return tuple(_parse_rule(part) for part in text.split(";") if part.strip())


def _parse_rule(text: str) -> OpenRule:
    import shlex  # few users have rules

    pattern, equals, command = (part.strip() for part in text.partition("="))
    if not (pattern and equals and command):
        raise ValueError(f"expected PATTERN=COMMAND such as image/*=feh, not {text.strip()!r}")
    try:
        words = tuple(shlex.split(command))
    except ValueError as problem:
        raise ValueError(f"{command!r} is no command: {problem}") from None
    if not words or not words[0].strip():
        raise ValueError(f"{command!r} is no command: it names no program")
    return OpenRule(pattern, words)
