"""Read configuration files: TOML, with the options of the command line as keys."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chat.config.command_line import UsageError
from chat.config.options import Given, Kind, Option, suggestion
from chat.files.opening import read_beginning
from chat.sizes import byte_count

_MAX_SIZE = 64 * 1024


def read_config_file(
    path: Path, options: Sequence[Option], example: str, problems: list[str]
) -> dict[str, Given]:
    """Return the settings in the file at ``path``, by key; add one line to ``problems`` for each invalid one.

    ``example`` is a line of such a file, for users who do not know TOML. Raises UsageError if the file can't be read at
    all.
    """
    given = {}
    for key, value in _parse(_read(path), path, example).items():
        try:
            given[key] = Given(_words(_find(key, options, path), value, path), f"{path}: {key}")
        except UsageError as problem:
            problems.append(str(problem))
    return given


def _read(path: Path) -> str:
    try:
        data, _ = read_beginning(path, _MAX_SIZE + 1)
    except OSError as problem:
        raise UsageError(f"{path}: {problem.strerror}; expected a file of settings") from None
    if len(data) > _MAX_SIZE:
        raise UsageError(f"{path}: too long; expected at most {byte_count(_MAX_SIZE)}")
    try:
        # Some editors write a byte order mark, which TOML does not allow.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: expected a text in UTF-8") from None


def _parse(text: str, path: Path, example: str) -> dict[str, Any]:
    # Takes a while to import, and most users have no such file.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise UsageError(f"{path}: {problem}; expected TOML such as {example}") from None
    except RecursionError:
        raise UsageError(f"{path}: nested too deeply; expected TOML such as {example}") from None


def _find(key: str, options: Sequence[Option], path: Path) -> Option:
    for option in options:
        if option.name == key:
            if not option.in_file:
                raise UsageError(f"{path}: {key}: expected on the command line only, as --{key}")
            return option
    known = [option.name for option in options if option.in_file]
    raise UsageError(f"{path}: {key}: no such setting; {suggestion(key, known)}")


def _words(option: Option, value: object, path: Path) -> str:
    """Return ``value`` in the words of the command line, so that both are parsed by one function."""
    match option.kind, value:
        case Kind.SWITCH, bool():
            return "on" if value else "off"
        # To Python True is an int, but true is no number in TOML.
        case ((Kind.SIZE | Kind.COUNT | Kind.RATE), int()) if type(value) is int:
            return str(value)
        case ((Kind.TEXT | Kind.SIZE | Kind.RATE), str()):
            return value
        case ((Kind.NAMES | Kind.NETWORKS | Kind.ADDRESSES), list()) if all(
            isinstance(each, str) for each in value
        ):
            return ",".join(value)
        case Kind.SERVERS, str():
            return value
        case Kind.SERVERS, list() if value and all(isinstance(each, str) for each in value):
            return "\n".join(value)
        case Kind.TABLE, dict() if _is_table_of_texts(value):
            return ";".join(f"{key}={each}" for key, each in value.items())
        case Kind.ENTRIES, dict():
            return "\n".join(_line(option, key, word, path) for key, word in value.items())
    raise UsageError(f"{path}: {option.name}: expected {option.kind.value}")


def _is_table_of_texts(table: dict[str, object]) -> bool:
    """Return whether ``table`` has only texts that can be joined to ``KEY=TEXT;KEY=TEXT``."""
    return all(
        isinstance(text, str) and ";" not in key + text and "=" not in key
        for key, text in table.items()
    )


def _line(option: Option, key: str, word: object, path: Path) -> str:
    """Return one entry of a table as a line: the key, a tab, the text."""
    if type(word) is int:
        word = str(word)
    if not isinstance(word, str) or not f"{key}{word}".isprintable():
        raise UsageError(f"{path}: {option.name}: {key!r}: expected a text in quotes on one line")
    return f"{key}\t{word}"
