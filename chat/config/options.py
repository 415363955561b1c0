"""Define options once for the command line and the configuration file of both programs.

The words given for an option may come from either; one function parses them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from chat.config.command_line import UsageError
from chat.net.address import DEFAULT_PORT, Address, parse_address

# The shells that --completion knows.
SHELLS = ("bash", "zsh", "fish")
MAX_ADDRESSES = 16  # of servers that a user names


class Given(NamedTuple):
    """Hold the words given for an option, and where they stand: ``--max-save``, or a file and a key in it."""

    text: str
    where: str


class Kind(Enum):
    """Name what the configuration file may say for an option."""

    TEXT = "a text in quotes"
    COUNT = "a whole number"
    SIZE = 'a number of bytes or a text such as "64K"'
    RATE = 'a number or a text such as "50/200"'
    SWITCH = "true or false"
    NAMES = 'a list of names such as ["bob"]'
    TABLE = 'a table of texts such as {"image/*" = "feh"}, without ";"'
    ENTRIES = "a table with a text for each key"
    SERVERS = 'an address in quotes, or a list such as ["a.example.org", "b.example.org"]'
    NETWORKS = 'a list of networks such as ["10.0.0.0/8"]'
    ADDRESSES = 'a list of addresses such as ["chat.example.org:8080"]'


class Option(NamedTuple):
    """Define an option: ``--name`` on the command line, ``name`` in the file.

    An option that is not ``on_command_line`` stands in the file only. ``parse`` takes the words and where they were
    given. It returns the value of a field of the settings, or raises UsageError. The field is named after the option
    unless ``sets`` gives another name. The words of a switch are on and off, in every place.
    """

    name: str
    kind: Kind
    parse: Callable[[str, str], Any]
    in_file: bool = True
    sets: str = ""
    on_command_line: bool = True

    @property
    def values(self) -> tuple[str, ...]:
        """Return the words from which the user chooses; empty if there are others."""
        if self.kind is Kind.SWITCH:
            return ("on", "off")
        return (
            tuple(self.parse.keywords.get("values", ())) if isinstance(self.parse, partial) else ()
        )

    @property
    def field(self) -> str:
        """Return the name of the field in the settings."""
        return self.sets or self.name.replace("-", "_")


def given_on_command_line(
    options: Mapping[str, str | bool | list[str] | None],
) -> dict[str, Given]:
    """Return what docopt found on the command line, by name without dashes. Its usage must have no defaults.

    An option that may be given several times has all its words, with commas between them.
    """
    return {
        name.removeprefix("--"): Given(_words(found), name)
        for name, found in options.items()
        # docopt has None, False or an empty list for an option that is not there.
        if found not in (None, False, [])
    }


def _words(found: str | bool | list[str] | None) -> str:
    if isinstance(found, list):
        return ",".join(found)
    return found if isinstance(found, str) else "on"


def read_given(
    options: Sequence[Option],
    given: Mapping[str, Given],
    problems: list[str],
    unless: Collection[str] = (),
) -> dict[str, Any]:
    """Parse what was given, and return the values by field.

    Fields in ``unless`` are skipped. Each invalid option adds one line to ``problems``. Two spellings of one option may
    be given together if they agree.
    """
    values: dict[str, Any] = {}
    for option in options:
        if option.name not in given or option.field in unless:
            continue
        try:
            value = option.parse(*given[option.name])
        except UsageError as problem:
            problems.append(str(problem))
            continue
        # Two options may set one field: --save-directory and --save_directory.
        if values.setdefault(option.field, value) != value:
            names = (other.name for other in options if other.field == option.field)
            both = " and ".join(given[name].where for name in names if name in given)
            problems.append(f"{both} contradict each other: give only one of them")
    return values


def suggestion(key: str, known: Sequence[str], otherwise: str = "") -> str:
    """Suggest what an unknown ``key`` may have meant: the end of a sentence.

    If no known key is similar, the sentence names all, or ``otherwise``.
    """
    from difflib import get_close_matches

    nearest = get_close_matches(key.lower().replace("_", "-"), known, n=1)
    if nearest:
        return f"expected {nearest[0]}?"
    return f"expected {otherwise or 'one of ' + ', '.join(known)}"


def read_address(text: str, where: str, *, default_port: int | None = DEFAULT_PORT) -> Address:
    """Parse an address; ``default_port`` is for a host without a port. Raises UsageError."""
    try:
        return parse_address(text, default_port)
    except ValueError as problem:
        raise UsageError(f"{where}: {problem}") from None


def read_addresses(text: str, where: str) -> tuple[Address, ...]:
    """Parse addresses, one on a line; return each once. Raises UsageError."""
    lines = text.split("\n")
    if len(lines) > MAX_ADDRESSES:
        raise UsageError(f"{where}: {len(lines)} addresses; expected at most {MAX_ADDRESSES}")
    return tuple(dict.fromkeys(read_address(line, where) for line in lines))


def read_path(text: str, where: str, expected: str) -> Path:
    """Parse a path; ``~`` is a home directory. Raises UsageError for text that can be no path."""
    if not text.strip():  # pathlib takes an empty path for the current directory
        raise UsageError(f"{where} is empty: expected {expected}")
    if "\0" in text:
        raise UsageError(f"{where}={text!r}: expected {expected}")
    try:
        return Path(text).expanduser()
    except RuntimeError as problem:  # the home directory of an unknown user
        raise UsageError(
            f"{where}={text}: {str(problem).rstrip('.')}; expected {expected}"
        ) from None


def read_choice(text: str, where: str, *, values: Collection[str]) -> str:
    """Return ``text`` if it is one of ``values``. Raises UsageError."""
    if text not in values:
        *others, last = values
        raise UsageError(f"{where}={text}: expected {', '.join(others)} or {last}")
    return text


def read_switch(text: str, where: str) -> bool:
    """Return True for on, False for off. Raises UsageError."""
    return read_choice(text, where, values=("on", "off")) == "on"
