"""Complete what stands before the cursor: a command, a name, a choice, a path, or the name of an emoji.

Paths need no quotes: the rest of the line is the path, blanks included, as the commands read it. Names are compared in
any case and any form of Unicode, and begin where a word may begin, also after ``(`` or in a text without blanks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice, takewhile
from typing import NamedTuple

from chat.client.attention.names import folded
from chat.client.attention.names_in_texts import fold, is_unspaced, is_word_edge
from chat.client.conversation.commands import SlashCommand

# Entries of one directory. More are not read, so that Tab never takes long.
MAX_ENTRIES = 10_000

# Characters before the cursor in which a name may begin: no name is longer.
_MAX_WORD = 64

# The input can't hold control characters, nor bytes of a name that are not UTF-8 (surrogates).
# Not compiled here, as the next one: that takes a while at each start, and is done soon enough at the first Tab.
_UNTYPABLE = "[\x00-\x1f\x7f-\x9f\ud800-\udfff]"
# What may stand before a name that is not begun yet.
_OPENING = "[@([{\"'«„“‚‘‹（「『]+"  # noqa: RUF001
_COMMAND = re.compile(r"/(?P<name>[^\s/]\S*)\s+(?P<rest>.*)", re.DOTALL)
_TO_FIRST = re.compile(r"--to(?:=|\s+)\S+\s+")
_TO_UNFINISHED = re.compile(r"(?:^|\s)--to(?:=|\s+)(?P<name>\S*)\Z")

# The name of an emoji. Not in 12:30, http:// or a::b, and one letter is a smiley, as in ":D".
_EMOJI = re.compile(r"(?<![\w:/]):(?P<name>[A-Za-z0-9_+-]{2,40}):?\Z")

# Returns the names in a directory, each with whether it is a directory; none if it can't be read.
ListDirectory = Callable[[str], Sequence[tuple[str, bool]]]


class Completion(NamedTuple):
    """Say that each of ``candidates`` may replace the text from ``start`` to ``end``.

    There is at least one candidate; the likeliest is first. ``common`` is what all of them begin with. ``labels`` are
    how a list shows them.
    """

    start: int
    end: int
    candidates: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def common(self) -> str:
        """Return the text that all candidates begin with."""
        least, most = min(self.candidates), max(self.candidates)
        same = takewhile(lambda pair: pair[0] == pair[1], zip(least, most, strict=False))
        return least[: sum(1 for _ in same)]


def list_directory(path: str) -> list[tuple[str, bool]]:
    """Return the names in the directory ``path``, each with whether it is a directory itself.

    ``~`` is expanded, and an empty path is the current directory. A directory that can't be read gives no names.
    """
    try:
        with os.scandir(os.path.expanduser(path) or ".") as entries:  # noqa: PTH111
            return [(entry.name, entry.is_dir()) for entry in islice(entries, MAX_ENTRIES)]
    except (OSError, ValueError):  # missing, not readable, or with a NUL in its path
        return []


class Completer:
    """Complete commands, names and paths.

    ``commands`` are the commands that work here. ``names`` returns the users to complete, the most recent speaker
    first, ``rooms`` the rooms. ``missed`` is called with the beginning of a name that no known user has.
    """

    def __init__(
        self,
        commands: Iterable[SlashCommand],
        names: Callable[[], Iterable[str]],
        list_directory: ListDirectory = list_directory,
        rooms: Callable[[], Iterable[str]] = tuple,
        missed: Callable[[str], object] = lambda begun: None,
    ) -> None:
        self._commands = {command.name: command for command in commands}
        self._aliases = {
            alias: command for command in self._commands.values() for alias in command.aliases
        }
        self._names = names
        self._list_directory = list_directory
        self._rooms = rooms
        self._missed = missed
        self._begun: str | None = None  # the longest name that was looked for

    def complete(self, text: str, cursor: int) -> Completion | None:
        """Return what may replace the end of ``text[:cursor]``; None if nothing matches."""
        before = text[:cursor]
        emoji = self._emoji(before)
        if emoji is not None:
            return emoji
        self._begun = None
        start, candidates = self._candidates(before)
        if not candidates and self._begun:
            self._missed(self._begun)
        # A blank follows already.
        if text[cursor : cursor + 1].isspace():
            candidates = [candidate.removesuffix(" ") for candidate in candidates]
        return (
            Completion(start, cursor, tuple(candidates), labels_of(candidates))
            if candidates
            else None
        )

    def _emoji(self, before: str) -> Completion | None:
        """Complete the name of an emoji in a text."""
        match = _EMOJI.search(before)
        if match is None or not self._is_in_text(before):
            return None
        from chat.client.screen.input.emoji import find_emoji  # with the first one

        found = find_emoji(match["name"])
        labels = tuple(f"{character} {name}" for character, name in found)
        candidates = tuple(character for character, _ in found)
        return Completion(match.start(), len(before), candidates, labels) if found else None

    def _is_in_text(self, before: str) -> bool:
        match = _COMMAND.fullmatch(before)
        if match is None:
            return True
        command = self._command(match["name"])
        return command is not None and "TEXT" in command.arguments

    def _command(self, name: str) -> SlashCommand | None:
        return self._commands.get(name.lower()) or self._aliases.get(name.lower())

    def _candidates(self, before: str) -> tuple[int, list[str]]:
        """Return where the completed part starts, and its candidates."""
        if re.fullmatch(r"/(?!/)\S*", before):
            return 0, self._command_names(before[1:])
        match = _COMMAND.fullmatch(before)
        if match is None:
            return self._word(before)
        command = self._command(match["name"])
        if command is None:
            return 0, []
        return self._argument(command, before, match["rest"])

    def _command_names(self, begun: str) -> list[str]:
        return [
            f"/{name} " if command.arguments else f"/{name}"
            for name, command in sorted(self._commands.items())
            if name.startswith(begun.lower())
        ]

    def _argument(self, command: SlashCommand, before: str, rest: str) -> tuple[int, list[str]]:
        """Complete an argument by the usage of its command: ``PATH [--to NAME]``, ``NAME TEXT``, ``on|off``."""
        kind = command.arguments.partition(" ")[0].strip("[]")
        start = len(before) - len(rest)
        is_first = not re.search(r"\s", rest)
        if kind in ("PATH", "FILE"):
            return self._path_argument(command, start, rest)
        if kind == "ROOM" and is_first:
            sign = rest[: len(rest) - len(rest.lstrip("#"))]
            begun = fold(rest.removeprefix(sign))
            return start, [name for name in self._rooms() if folded(name).startswith(begun)]
        if kind == "NAME" and is_first:
            return start, self._matching_names(rest, " ")
        if "TEXT" in command.arguments:
            return self._word(before)
        if not is_first:
            return start, []
        choices = kind.split("|") if "|" in kind else []
        if kind == "COMMAND":
            choices = sorted(self._commands)
        return start, [choice for choice in choices if choice.startswith(rest.lower())]

    def _path_argument(self, command: SlashCommand, start: int, rest: str) -> tuple[int, list[str]]:
        if "--to" in command.arguments:
            if match := _TO_UNFINISHED.search(rest):
                return start + match.start("name"), self._matching_names(match["name"], " ")
            if match := _TO_FIRST.match(rest):
                start, rest = start + match.end(), rest[match.end() :]
        return start, self._paths(rest)

    def _word(self, before: str) -> tuple[int, list[str]]:
        """Complete a name in a text. At the start of a line, names are offered even before a letter is typed."""
        word = re.split(r"\s", before[-_MAX_WORD:])[-1]
        start = len(before) - len(word)
        starts_line = start == 0 or before[start - 1] == "\n"
        if not word:
            return start, self._matching_names("", ": ") if starts_line else []
        # The longest match comes first: Jean-Luc before Luc.
        for at in range(len(word)):
            if at and not _may_begin(word[at - 1], word[at]):
                continue
            end = ": " if starts_line and not at else " "
            if at and is_unspaced(word[at - 1]):
                end = ""
            if names := self._matching_names(word[at:], end):
                return start + at, names
        return len(before), self._matching_names("", " ") if re.fullmatch(_OPENING, word) else []

    def _matching_names(self, begun: str, end: str) -> list[str]:
        self._begun = begun if self._begun is None else self._begun
        begun = fold(begun)
        return [name + end for name in self._names() if folded(name).startswith(begun)]

    def _paths(self, begun: str) -> list[str]:
        """Return the paths that begin with ``begun``.

        A directory ends in ``/``; a quote that was opened is closed after a file.
        """
        quote = begun[:1] if begun[:1] in ("'", '"') else ""
        path = begun.removeprefix(quote)
        if path.startswith("~") and "/" not in path:
            home = os.path.expanduser(path)  # noqa: PTH111
            return [f"{quote}{path}/"] if home != path else []
        found = self._paths_that_begin(path)
        # A terminal types the path of a dropped file with backslashes.
        if not found and not quote and "\\" in path:
            found = self._paths_that_begin(re.sub(r"\\(.)", r"\1", path))
        return [f"{quote}{path}{'' if path.endswith('/') else quote}" for path in found]

    def _paths_that_begin(self, path: str) -> list[str]:
        directory, slash, stem = path.rpartition("/")
        directory += slash
        # As in a shell, hidden files are offered only after a dot.
        entries = [
            (name, is_directory)
            for name, is_directory in self._list_directory(directory)
            if not re.search(_UNTYPABLE, name) and name.startswith(".") <= stem.startswith(".")
        ]
        # Another case, or another form of Unicode, is tried only if nothing matches as typed.
        matching = [entry for entry in entries if entry[0].startswith(stem)]
        if not matching:
            begun = fold(stem)
            matching = [entry for entry in entries if fold(entry[0]).startswith(begun)]
        return [
            f"{directory}{name}{'/' if is_directory else ''}"
            for name, is_directory in sorted(matching, key=lambda e: (e[0].casefold(), e[0]))
        ]


def _may_begin(left: str, right: str) -> bool:
    # After a slash or a dot, the text is a path or an address.
    return left not in "/." and is_word_edge(left, right)


def labels_of(candidates: Sequence[str]) -> tuple[str, ...]:
    """Return ``candidates`` as a list shows them: without what follows a name, paths by their last part."""
    return tuple(map(_label, candidates))


def _label(candidate: str) -> str:
    text = candidate.rstrip(" ").removesuffix(":")
    directory, slash, name = text.rstrip("/").rpartition("/")
    return name + text[len(directory + slash + name) :] if directory else text
